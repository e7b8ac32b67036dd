// Buttons and forms that act: each is one call of the API, written in `data-act` as METHOD /path.
import { refresh } from "./live.js";
import { bodyOf, showFaults } from "./fields.js";
import { signIn, takeKey } from "./sign_in.js";

// What cannot be a step of a path: browsers take it away.
const NO_STEP = new Set(["", ".", ".."]);

export function startActs() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-act]");
    if (button) act(button, button.dataset.body ? JSON.parse(button.dataset.body) : undefined);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-act]");
    if (!form) return;
    event.preventDefault();
    const nameless = [...form.querySelectorAll("[required]:not([data-pointer])")].find((one) => NO_STEP.has(one.value));
    if (nameless) {
      nameless.focus();
      say(`${nameless.labels[0].textContent}: write one`, "bad");
      return;
    }
    const { body, faults } = bodyOf(form);
    showFaults(form, faults);
    if (!faults.length) act(form, body);
  });
}

// The call of an element; `{field}` in its path is what the form's field says.
function wordsOf(element) {
  return element.dataset.act.replace(/\{(\w+)\}/g, (_all, name) => encodeURIComponent(element.elements[name].value));
}

async function act(element, body) {
  const { ask: question } = element.dataset;
  if (question && !(await confirmed(question, element))) return;
  const buttons = element.matches("form") ? [...element.querySelectorAll("button")] : [element];
  buttons.forEach((one) => (one.disabled = true));
  try {
    await done(element, await call(wordsOf(element), body));
  } finally {
    buttons.forEach((one) => (one.disabled = false));
  }
}

// One call of the API, with a body that may be JSON text already; asks for a key and calls again where it holds no more.
export async function call(words, body) {
  const [method, path] = words.split(" ");
  const headers = { "X-PrismQ-Page": "act" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const text = typeof body === "object" ? JSON.stringify(body) : body;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: text });
  } catch {
    return { ok: false, status: 0, found: { detail: "The server does not answer; whether this was done is not known." } };
  }
  if (answer.status === 401) {
    await signIn("Your key holds no more. Sign in again: what you typed stays.");
    return call(words, body);
  }
  const found = await answer.json().catch(() => ({ detail: `The server answered ${answer.status}.` }));
  return { ok: answer.ok, status: answer.status, found };
}

async function done(element, { ok, found }) {
  if (element.matches("form")) showFaults(element, ok ? [] : (found.errors ?? []));
  if (!ok) {
    say(found.detail, "bad");
    return;
  }
  const { then, saying } = element.dataset;
  if (then) {
    location.href = then.replace(/\{(\w+)\}/g, (_all, name) => encodeURIComponent(found[name]));
    return;
  }
  if (element.dataset.showsOnce) showOnce(element, found[element.dataset.showsOnce]);
  if (element.dataset.signsIn !== undefined) await takeKey(found[element.dataset.showsOnce]);
  say(saying ?? "Done.");
  element.dispatchEvent(new CustomEvent("done", { bubbles: true, detail: found }));
  await refresh();
}

function showOnce(element, text) {
  const place = element.querySelector(".once");
  place.querySelector("code").textContent = text;
  place.hidden = false;
}

export function say(text, kind = "") {
  const said = document.getElementById("said");
  said.textContent = text;
  said.className = kind;
  said.hidden = false;
}

export function confirmed(question, element) {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", "Confirm");
  dialog.innerHTML = `<form method="dialog"><p></p><div class="acts"><button value="">Leave it</button><button class="first" value="yes"></button></div></form>`;
  dialog.querySelector("p").textContent = question;
  dialog.querySelector(".first").textContent = element.dataset.yes ?? element.textContent.trim();
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    }),
  );
}
