/**
 * This browser's edits: pictures and settings in IndexedDB, the newest MAX_EDITS of them and at most MAX_BYTES.
 * Where the browser keeps nothing (a private window), they last as long as the page.
 */
import { $, announce, el, show } from "./dom.js";

/**
 * `id`: given when it is stored; `time`: ms since 1970; `name`: of the last input's file, `before`, of `pictures`;
 * `settings`: as they were sent; `facts`: the job's last event.
 * @typedef {{id?: number, time: number, seconds: number, name: string, pictures: number, model: string, requestId?: string,
 *     settings: Object, facts: Object, before: ?Blob, result: Blob, thumb?: Blob}} Edit
 */

const MAX_EDITS = 60, MAX_BYTES = 200 << 20, THUMB_SIDE = 192;

/** @type {?IDBDatabase} */
let database = null;
/** @type {Edit[]} oldest first */
let edits = [];
let chosen = () => {};
let shownId = null;
let urls = [];

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const store = (name, mode = "readwrite") => database.transaction(name, mode).objectStore(name);

function open() {
  const request = indexedDB.open("firered", 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("edits", { keyPath: "id", autoIncrement: true });
    request.result.createObjectStore("jobs"); // the inputs of all tabs' edits under way, by jobKey
  };
  return done(request);
}

/** `onChoose`: an edit was clicked. */
export async function startHistory(onChoose) {
  chosen = onChoose;
  try {
    database = await open();
    edits = await done(store("edits", "readonly").getAll());
  } catch {
    database = null;
  }
  $("clear").addEventListener("click", () => $("clear-dialog").showModal());
  $("clear-dialog").addEventListener("close", (event) => event.target.returnValue === "clear" && clear());
  render();
}

/** Keeps an edit, at the cost of the oldest. */
export async function keepEdit(edit) {
  edit.thumb = await thumbOf(edit.result);
  edits.push(edit);
  const size = ({ before, result }) => (before?.size ?? 0) + result.size;
  let total = edits.reduce((sum, each) => sum + size(each), 0);
  while (edits.length > 1 && (edits.length > MAX_EDITS || total > MAX_BYTES)) {
    total -= size(edits[0]);
    await drop(edits[0]);
  }
  if (database) edit.id = await done(store("edits").add(edit)).catch(() => nextId()); // no room: until the page closes
  edit.id ??= nextId();
  markShown(edit);
}

const nextId = () => Math.max(0, ...edits.map(({ id }) => id ?? 0)) + 1;

async function drop(edit) {
  edits = edits.filter((other) => other !== edit);
  if (database && edit.id) await done(store("edits").delete(edit.id)).catch(() => {});
}

async function clear() {
  edits = [];
  if (database) await done(store("edits").clear()).catch(() => {});
  render();
  announce("History deleted.");
  $("prompt").focus();
}

/** A small copy, so that the list need not decode every picture. */
async function thumbOf(blob) {
  try {
    const bitmap = await createImageBitmap(blob);
    const scale = Math.min(1, THUMB_SIDE / Math.min(bitmap.width, bitmap.height));
    const canvas = el("canvas", { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
  } catch {
    return blob;
  }
}

/** Marks the edit that is shown. */
export function markShown(edit) {
  shownId = edit?.id ?? null;
  render();
}

function render() {
  urls.forEach(URL.revokeObjectURL);
  urls = [];
  const items = edits.toReversed().map((edit) => {
    const url = URL.createObjectURL(edit.thumb ?? edit.result);
    urls.push(url);
    const current = edit.id === shownId ? "true" : false;
    const remove = async () => {
      await drop(edit);
      render();
      announce("Removed.");
      ($("strip").querySelector("button") ?? $("prompt")).focus();
    };
    return el("li", {},
      el("button", { type: "button", class: "shot", "aria-current": current, title: edit.settings.prompt,
        click: () => chosen(edit) }, el("img", { src: url, alt: edit.settings.prompt })),
      el("button", { type: "button", class: "tiny remove", "aria-label": `Remove: ${edit.settings.prompt}`,
        title: "Remove", click: remove }, "×"));
  });
  $("strip").replaceChildren(...items);
  show($("history"), edits.length > 0);
}

/* ---- the edit under way, so that a reloaded page finds it again ---- */

const UNDER_WAY = "firered.job", DAY_MS = 864e5;

const jobKey = ({ time, id }) => [time, id];

/** `job`: what JSON can hold; `before`: its last input. */
export async function rememberJob(job, before) {
  if (database) await done(store("jobs").put(before, jobKey(job))).catch(() => {});
  sessionStorage.setItem(UNDER_WAY, JSON.stringify(job));
}

export async function recallJob() {
  const text = sessionStorage.getItem(UNDER_WAY);
  if (!text) return null;
  const job = JSON.parse(text);
  const before = database ? await done(store("jobs", "readonly").get(jobKey(job))).catch(() => null) : null;
  return { job, before: before ?? null };
}

/** Forgets this tab's job, and what tabs left behind that were closed. */
export async function forgetJob() {
  const text = sessionStorage.getItem(UNDER_WAY);
  sessionStorage.removeItem(UNDER_WAY);
  if (!text || !database) return;
  for (const key of [jobKey(JSON.parse(text)), IDBKeyRange.upperBound([Date.now() - DAY_MS])])
    await done(store("jobs").delete(key)).catch(() => {});
}
