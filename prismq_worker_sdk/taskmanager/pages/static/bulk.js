// What is done to all tasks of a filter: says how many they are, asks, and shows how far it has come.
import { call, confirmed, say } from "./acts.js";
import { refresh } from "./live.js";

const WORDS = { retry: "Retry", cancel: "Cancel", delete: "Delete", priority: "Set the priority of" };
const REST = 700;

export function startBulk() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-bulk] [data-action]");
    if (button) begin(button, button.closest("[data-bulk]"));
  });
}

async function begin(button, group) {
  const wanted = { action: button.dataset.action, filter: JSON.parse(group.dataset.bulk) };
  if (wanted.action === "priority") {
    const said = prompt("Priority, from -1000000 to 1000000; higher ones go first", "10");
    if (!said?.trim()) return;
    wanted.priority = Number(said);
  }
  button.disabled = true;
  try {
    const counted = await call("POST /api/tasks/bulk", { ...wanted, dry_run: true });
    if (!counted.ok) return say(counted.found.detail, "bad");
    const tasks = `${counted.found.found.toLocaleString()} ${counted.found.found === 1 ? "task" : "tasks"}`;
    if (!counted.found.found) return say("No task of this filter can be treated so.");
    const to = wanted.action === "priority" ? ` to ${wanted.priority}` : "";
    if (!(await confirmed(`${WORDS[wanted.action]} ${tasks}${to}?`, button))) return;
    const job = await call("POST /api/tasks/bulk", wanted);
    if (!job.ok) return say(job.found.detail, "bad");
    await follow(job.found, group.querySelector(".job"));
  } finally {
    button.disabled = false;
  }
}

async function follow(job, place) {
  while (job.status === "running") {
    place.textContent = `${job.action}: ${job.done + job.passed_over} of ${job.found}`;
    await new Promise((resolve) => setTimeout(resolve, REST));
    const answer = await call(`GET /api/tasks/bulk/${job.id}`);
    if (answer.ok) job = answer.found;
  }
  const left = job.passed_over ? `, ${job.passed_over.toLocaleString()} had changed meanwhile and were left` : "";
  place.textContent = `${job.action}: ${job.done.toLocaleString()} of ${job.found.toLocaleString()} done${left}`;
  await refresh();
}
