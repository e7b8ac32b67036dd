// Asks for a key over the page, so that nothing that was typed is lost.
let asking = null;

export function signIn(why) {
  asking ??= ask(why).finally(() => (asking = null));
  return asking;
}

// Lets the browser keep a key, where it holds.
export function takeKey(key) {
  const body = new URLSearchParams({ key });
  return fetch("/sign-in", { method: "POST", body, headers: { "X-PrismQ-Page": "sign-in" } });
}

function ask(why) {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "sign-in-title");
  dialog.innerHTML = `<form><h2 id="sign-in-title">Sign in</h2><p></p>
    <label for="again-key">API key</label>
    <input id="again-key" type="password" required autocomplete="current-password">
    <p class="fault" role="alert"></p><div class="acts"><button class="first">Sign in</button></div></form>`;
  dialog.querySelector("p").textContent = why;
  document.body.append(dialog);
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  // browsers close it at a second Escape, whatever is said to the first
  dialog.addEventListener("close", () => dialog.isConnected && dialog.showModal());
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const answer = await takeKey(dialog.querySelector("input").value);
        if (answer.ok) {
          dialog.remove();
          resolve();
          return;
        }
        dialog.querySelector(".fault").textContent = (await answer.json()).detail;
      } catch {
        dialog.querySelector(".fault").textContent = "The server does not answer; try again.";
      }
    });
  });
}
