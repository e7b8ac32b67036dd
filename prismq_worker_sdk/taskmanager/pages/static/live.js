// Keeps the live parts of a page true: asks the server again as often as it says, and says so when it does not answer.
import { morph } from "./morph.js";
import { signIn } from "./sign_in.js";
import { tellTimes } from "./times.js";

const LONGEST_REST = 15;
let tag = null;
let timer = null;
let rest = 1;
let lost = null;

export function startLive() {
  if (!document.querySelector("[data-live]")) {
    document.getElementById("pulse").textContent = "";
    return;
  }
  document.addEventListener("visibilitychange", () => document.hidden || again(0));
  reached(); // what is shown was made just now
  again(1.5);
}

// Right after an act of this page: its effect is to be seen at once.
export async function refresh() {
  tag = null;
  await ask("fresh");
}

function again(seconds) {
  clearTimeout(timer);
  timer = setTimeout(() => document.hidden || ask("again"), seconds * 1000);
}

async function ask(how) {
  let answer = null;
  try {
    const headers = { "X-PrismQ-Page": how };
    if (tag) headers["If-None-Match"] = tag;
    answer = await fetch(location.href, { headers, cache: "no-store", redirect: "error" });
  } catch {
    return unreachable("the server does not answer");
  }
  if (answer.status === 401) {
    await signIn("Your key holds no more. Sign in again: what you typed stays.");
    return ask("fresh");
  }
  if (answer.status === 429) return again(Number(answer.headers.get("Retry-After")) || 5);
  if (!answer.ok && answer.status !== 304) return unreachable(await reason(answer));
  if (answer.status === 200) {
    tag = answer.headers.get("ETag");
    if (answer.headers.get("X-Edition") !== document.body.dataset.edition) newEdition();
    take(await answer.text());
  }
  reached();
  again(Number(answer.headers.get("Again-In")) || 5);
}

function take(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const found = fresh.getElementById(part.id);
    if (found) morph(part, found);
  }
  tellTimes();
  document.dispatchEvent(new CustomEvent("fresh"));
}

async function reason(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `the server answered ${answer.status}`;
  }
}

function unreachable(why) {
  lost ??= new Date();
  rest = Math.min(LONGEST_REST, rest * 1.6);
  document.documentElement.classList.add("stale");
  document.getElementById("pulse").textContent = `not live since ${lost.toLocaleTimeString()}: ${why}; trying again`;
  again(rest * (0.7 + 0.6 * Math.random()));
}

function reached() {
  lost = null;
  rest = 1;
  document.documentElement.classList.remove("stale");
  document.getElementById("pulse").textContent = `live, as of ${new Date().toLocaleTimeString()}`;
}

function newEdition() {
  document.getElementById("pulse").title = "The server was updated; reload to get its new pages.";
}
