/**
 * The pictures to edit: chosen, dropped, pasted or taken from a result; in order, at most three.
 */
import { $, announce, complain, el, show } from "./dom.js";

/** @type {{file: Blob, name: string, url: string}[]} */
let pictures = [];
let limits = { count: 3, bytes: 32 * 2 ** 20 };
let changed = () => {};
let adding = Promise.resolve();

/** `onChange` is called when they are others, or in another order. */
export function startPictures(onChange) {
  changed = onChange;
  const files = $("files");
  files.required = false; // the field only collects now
  files.addEventListener("change", () => {
    addPictures([...files.files]);
    files.value = "";
  });
  document.addEventListener("paste", (event) => take(event, event.clipboardData));
  document.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? document.body.classList.remove("dragging"));
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dragging");
    take(event, event.dataTransfer);
  });
  render();
}

function take(event, data) {
  if (!data?.files.length) return; // text, which belongs where it was dropped or pasted
  event.preventDefault();
  addPictures([...data.files]);
}

/** @param {number} count of pictures @param {number} bytes of all together */
export function setPictureLimits(count, bytes) {
  limits = { count, bytes };
  show($("several"), ($("files").multiple = count > 1));
}

export const getPictures = () => pictures;

export function setPicture(file, name) {
  for (const picture of pictures) URL.revokeObjectURL(picture.url);
  pictures = [];
  return addPictures([new File([file], name, { type: file.type })]);
}

/** Says what is wrong with the pictures; "" for nothing. */
export function complainPictures(text) {
  complain($("files"), $("pictures-error"), text);
}

/** Takes what are pictures, and says why it does not take the others. */
function addPictures(files) {
  adding = adding.then(() => add(files)); // one after the other, so that none is counted twice
  return adding;
}

async function add(files) {
  let wrong = "";
  for (const file of files) {
    const which = pictures.length + 1;
    const total = pictures.reduce((sum, picture) => sum + picture.file.size, file.size);
    if (which > limits.count) wrong = `An edit takes at most ${limits.count} picture${limits.count > 1 ? "s" : ""}.`;
    else if (!(await isPicture(file)))
      wrong = `image ${which} is in no supported format: send PNG, JPEG or WebP (${file.name})`;
    else if (total > limits.bytes)
      wrong = `The server takes at most ${Math.floor(limits.bytes / 2 ** 20)} MB at once (${file.name}).`;
    else pictures.push({ file, name: file.name, url: URL.createObjectURL(file) });
  }
  complainPictures(wrong);
  render();
  changed(pictures);
  if (!wrong) announce(pictures.length === 1 ? "One picture." : `${pictures.length} pictures.`);
}

/** By the first bytes, as the server; which kinds it reads, it says itself. */
async function isPicture(file) {
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer().catch(() => new ArrayBuffer(0)));
  return /^(\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF....WEBP|....ftyp|GIF8|II\*\0|MM\0\*|BM|\xff\n|\0\0\0\x0cJXL )/s
    .test(String.fromCharCode(...head));
}

function move(from, to) {
  pictures.splice(to, 0, ...pictures.splice(from, 1));
  render();
  changed(pictures);
  announce(`Now picture ${to + 1}.`);
  const moved = $("thumbs").children[to];
  (moved.querySelector(`.${to > from ? "later" : "earlier"}`) ?? moved.querySelector("button")).focus();
}

function remove(index) {
  URL.revokeObjectURL(pictures.splice(index, 1)[0].url);
  complainPictures("");
  render();
  changed(pictures);
  announce("Removed.");
  const next = $("thumbs").children[Math.min(index, pictures.length - 1)];
  (next?.querySelector(".remove") ?? $("files")).focus();
}

function render() {
  $("thumbs").replaceChildren(...pictures.map(thumb));
  show($("order-note"), pictures.length > 1);
  $("drop").classList.toggle("small", pictures.length > 0);
  show($("drop"), pictures.length < limits.count);
  $("drop").querySelector("strong").textContent = pictures.length ? "Add a picture" : "Choose a picture";
}

function thumb({ url, name }, index) {
  const n = index + 1;
  const button = (kind, sign, label, action) =>
    el("button", { type: "button", class: `tiny ${kind}`, "aria-label": label, title: label, click: action }, sign);
  const buttons = el("div", { class: "tools" });
  if (index > 0) buttons.append(button("earlier", "‹", `Move picture ${n} forward`, () => move(index, index - 1)));
  if (n < pictures.length) buttons.append(button("later", "›", `Move picture ${n} back`, () => move(index, index + 1)));
  buttons.append(button("remove", "×", `Remove picture ${n}`, () => remove(index)));
  const noPreview = ({ target }) => target.replaceWith(el("p", { class: "muted" }, name));
  return el("li", {}, el("img", { src: url, alt: `Picture ${n}: ${name}`, error: noPreview }),
    el("span", { class: "number", "aria-hidden": "true" }, String(n)), buttons);
}
