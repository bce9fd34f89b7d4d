/**
 * The server's key: asked for when the server wants one, kept in this tab's session only.
 */
import { $, complain, show } from "./dom.js";

const STORED = "firered.key";
let asking = null; // one dialog for all requests that were refused meanwhile

/** The headers that a request needs. */
export function keyHeaders() {
  const key = sessionStorage.getItem(STORED);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** Asks for the key; `text`: what the server said about the last one. Promises whether there is one to try. */
export function askKey(text) {
  asking ??= ask(text).finally(() => (asking = null));
  return asking;
}

function ask(text) {
  const dialog = $("key-dialog"), input = $("key");
  const tried = sessionStorage.getItem(STORED) !== null;
  sessionStorage.removeItem(STORED);
  input.value = "";
  complain(input, $("key-error"), tried ? `That key is not the one. (${text})` : "");
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const key = input.value.trim();
      const given = dialog.returnValue === "given" && key !== "";
      if (given) sessionStorage.setItem(STORED, key);
      input.value = "";
      showKeyButton();
      resolve(given);
    }, { once: true });
  });
}

/** A server with a key has a button for it; its documents cannot be opened by a link, which carries none. */
function showKeyButton() {
  show($("change-key"), true);
  show($("docs"), false);
}

if (sessionStorage.getItem(STORED) !== null) showKeyButton();
$("change-key").addEventListener("click", () => {
  sessionStorage.removeItem(STORED);
  askKey("");
});
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  $("key-dialog").close("given");
});
$("key-cancel").addEventListener("click", () => $("key-dialog").close(""));
