// The logs of a task, one part for each attempt: asks for the lines behind those that are there, whenever the page is fresh.
import { call } from "./acts.js";

let cursor = null;
let asking = false;

export function startLogs() {
  const section = document.querySelector("[data-logs]");
  if (!section) return;
  document.addEventListener("fresh", () => read(section));
  read(section);
}

async function read(section) {
  if (asking) return;
  asking = true;
  try {
    while (true) {
      const query = new URLSearchParams({ limit: 1000, ...(cursor && { cursor }) });
      const { ok, found } = await call(`GET ${section.dataset.logs}?${query}`);
      if (!ok) return;
      for (const one of found.attempts) count(section, one);
      if (!found.lines.length) return;
      cursor = found.next_cursor;
      show(section, found.lines);
    }
  } finally {
    asking = false;
  }
}

function show(section, lines) {
  section.hidden = false;
  for (const line of lines) {
    const list = part(section, line.attempt).querySelector("ol");
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.append(row(line));
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
}

function row({ at, level, text }) {
  const item = document.createElement("li");
  item.className = level;
  const time = document.createElement("time");
  time.dateTime = at;
  time.textContent = new Date(at).toLocaleTimeString();
  const mark = document.createElement("b");
  mark.textContent = level;
  const said = document.createElement("span");
  said.textContent = text;
  item.append(time, " ", mark, " ", said);
  return item;
}

// The part of an attempt; the latest one is open.
function part(section, attempt) {
  const id = `log-${attempt}`;
  const known = document.getElementById(id);
  if (known) return known;
  section.querySelectorAll("details").forEach((one) => (one.open = false));
  const made = document.createElement("details");
  made.id = id;
  made.open = true;
  made.innerHTML = `<summary></summary><ol class="log" tabindex="0"></ol>`;
  made.querySelector("summary").textContent = `Attempt ${attempt}`;
  made.querySelector("ol").setAttribute("aria-label", `log of attempt ${attempt}`);
  section.append(made);
  return made;
}

function count(section, { attempt, lines, dropped }) {
  const summary = document.querySelector(`#log-${attempt} summary`);
  const lost = dropped ? `, ${dropped.toLocaleString()} more were not kept` : "";
  if (summary) summary.textContent = `Attempt ${attempt}: ${lines.toLocaleString()} lines${lost}`;
}
