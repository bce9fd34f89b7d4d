/**
 * The form beside its pictures: the prompt with examples to click, and what is under "more".
 */
import { $, complain, el, show } from "./dom.js";

const fields = { prompt: "prompt", seed: "seed", steps: "steps", guidance_scale: "guidance",
  negative_prompt: "negative", size: "size", output_format: "format" };

/** Fits the form to the model and the limits of this server: what GET /info says. */
export function fitSettings({ model, limits }) {
  $("steps").max = limits.max_steps;
  $("guidance").max = limits.max_guidance_scale;
  if (!model) return;
  $("steps").placeholder = model.defaults.steps;
  $("guidance").placeholder = model.defaults.guidance_scale;
  $("negative").placeholder = model.defaults.negative_prompt.trim();
  for (const id of ["guidance", "negative"]) {
    $(id).disabled = model.distilled;
    show($(id).parentElement, !model.distilled);
  }
  show($("distilled-note"), model.distilled);
  const side = Math.round(Math.sqrt(model.output_area));
  $("size").options[0].textContent = `The model’s own, about ${side} × ${side} pixels`;
  const examples = model.examples ?? [];
  show($("examples"), examples.length > 0);
  $("examples").replaceChildren(...examples.map((text) =>
    el("button", { type: "button", class: "chip", click: () => choosePrompt(text) }, text)));
}

/** As if typed, so that the browser's undo brings back what was there. */
function choosePrompt(text) {
  $("prompt").focus();
  $("prompt").select();
  document.execCommand("insertText", false, text);
}

/** The form's values by the names of POST /edit, but for empty ones; null: something is wrong, which is said there. */
export function readSettings() {
  const settings = {};
  for (const [name, id] of Object.entries(fields)) {
    const value = $(id).value.trim();
    if (value && !$(id).disabled) settings[name] = value;
  }
  complain($("prompt"), $("prompt-error"), settings.prompt ? "" : "Say what to change.");
  if (!settings.prompt) return $("prompt").focus(), null;
  const wrong = Object.values(fields).map($).find((field) => !field.checkValidity());
  if (!wrong) return settings;
  $("more").open = true;
  wrong.reportValidity();
  return null;
}

/** Puts an earlier edit's settings back, with the seed that it had. */
export function writeSettings(settings) {
  for (const [name, id] of Object.entries(fields))
    if (name !== "prompt") $(id).value = settings[name] ?? { size: "model", output_format: "png" }[name] ?? "";
  $("more").open = true;
  choosePrompt(settings.prompt);
}

/** Offers the seed that the last edit had. */
export function offerSeed(seed) {
  const button = $("keep-seed");
  button.textContent = `Use the last one, ${seed}`;
  button.onclick = () => {
    $("seed").value = seed;
    $("seed").focus();
  };
  show(button, true);
}

export function startSettings() {
  $("form").noValidate = true; // says it itself, beside the field
  $("prompt").addEventListener("input", () => complain($("prompt"), $("prompt-error"), ""));
  $("prompt").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    $("form").requestSubmit();
  });
}
