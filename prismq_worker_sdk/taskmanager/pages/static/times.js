// Says how long ago the times of a page are, and keeps that true.
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

export function span(seconds) {
  const [size, unit] = UNITS.find(([one]) => seconds >= one) ?? [1, "s"];
  const whole = Math.floor(seconds / size);
  const place = UNITS.findIndex(([one]) => one === size);
  const below = UNITS[place + 1];
  const rest = below && whole < 10 ? Math.floor((seconds - whole * size) / below[0]) : 0;
  return rest ? `${whole} ${unit} ${rest} ${below[1]}` : `${whole} ${unit}`;
}

export function tellTimes() {
  for (const time of document.querySelectorAll("time[data-since]")) {
    const at = new Date(time.dateTime);
    const seconds = (Date.now() - at) / 1000;
    const said = seconds >= 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
    if (time.textContent !== said) time.textContent = said;
    if (!time.title) time.title = at.toLocaleString();
  }
}

export function startTimes() {
  tellTimes();
  setInterval(tellTimes, 1000);
}
