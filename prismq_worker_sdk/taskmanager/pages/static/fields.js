// What a form holds, as JSON text, and faults at its fields. A field's `data-pointer` says where its value belongs, its
// `data-kind` what it is: text, number, json, flag, list or set (one value a line). Empty ones are left out unless `data-empty`.
export function bodyOf(form) {
  const body = {};
  const faults = [];
  for (const field of form.querySelectorAll("[data-pointer]")) {
    if (field.disabled || field.closest("[hidden]")) continue;
    const pointer = field.dataset.pointer;
    try {
      const value = valueOf(field);
      if (value !== undefined) put(body, pointer, value);
    } catch (error) {
      faults.push({ pointer, message: error.message });
    }
  }
  return { body: textOf(body), faults };
}

// What was typed as a number or as JSON, to be sent as it is: numbers of JavaScript would change large ones.
class Source {
  constructor(text) {
    this.text = text;
  }
}

function textOf(value) {
  if (value instanceof Source) return value.text;
  if (Array.isArray(value) || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}:${textOf(one)}`).join(",")}}`;
}

function valueOf(field) {
  const { kind = "text", empty } = field.dataset;
  if (kind === "flag") return field.type === "checkbox" ? field.checked : { true: true, false: false }[field.value];
  const text = field.value;
  if (text === "" && empty === undefined) return undefined;
  if (kind === "number") {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value)) throw new Error("must be a number");
    return /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? new Source(text) : value;
  }
  if (kind === "json") {
    try {
      JSON.parse(text);
    } catch (error) {
      throw new Error(`is no JSON: ${error.message}`);
    }
    return new Source(text);
  }
  if (kind === "lines") return text.split("\n").filter((line) => line !== "");
  return text;
}

function put(body, pointer, value) {
  const steps = pointer.split("/").slice(1).map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  let place = body;
  for (const step of steps.slice(0, -1)) {
    if (!Object.hasOwn(place, step) || place[step] instanceof Source)
      Object.defineProperty(place, step, { value: {}, enumerable: true, configurable: true });
    place = place[step];
  }
  Object.defineProperty(place, steps.at(-1), { value, enumerable: true, writable: true, configurable: true });
}

// Shows each fault at the field that it is of, or at the nearest one above it, and goes to the first.
export function showFaults(form, faults) {
  form.querySelectorAll(".fault").forEach((one) => one.remove());
  form.querySelectorAll("[aria-invalid]").forEach((one) => {
    one.removeAttribute("aria-invalid");
    one.removeAttribute("aria-describedby");
  });
  const marked = faults.map((fault) => mark(form, fault)).filter(Boolean);
  marked[0]?.focus();
}

function mark(form, { pointer, message }) {
  const own = [(form.dataset.faults ?? "") + pointer, pointer];
  const places = [...own, ...own.flatMap(upwards)];
  const shown = (place) => [...form.querySelectorAll("[data-pointer]")].find(
    (one) => one.dataset.pointer === place && one.type !== "hidden" && !one.closest("[hidden]"),
  );
  const place = places.find(shown);
  const field = place === undefined ? null : shown(place);
  const text = document.createElement("p");
  text.className = "fault";
  text.id = `fault-${form.querySelectorAll(".fault").length}`;
  text.textContent = !pointer || place?.endsWith(pointer) ? message : `${pointer}: ${message}`;
  if (!field) {
    form.prepend(text);
    return null;
  }
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", text.id);
  field.after(text);
  return field;
}

// A pointer and those above it, the nearest first.
function upwards(pointer) {
  const found = [pointer];
  while (pointer.includes("/", 1)) found.push((pointer = pointer.slice(0, pointer.lastIndexOf("/"))));
  return found;
}

// A choice between parts of a form: the other one is hidden, and not sent.
export function startChoices() {
  document.addEventListener("change", ({ target }) => {
    if (!target.dataset?.shows) return;
    for (const one of target.form.querySelectorAll("[data-shows]"))
      document.getElementById(one.dataset.shows).hidden = one !== target;
  });
}
