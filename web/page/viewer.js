/**
 * Before and after under one slider, with zoom.
 *
 * The line stands at a share of the frame, not of the picture, to stay in reach when that is zoomed;
 * the picture lies in the frame at `x`, `y` (pixels), `scale` times as large as fits.
 */
import { $, el, show } from "./dom.js";

const MAX_SCALE = 12, ZOOM = 1.5;
const view = { split: 0.5, scale: 1, x: 0, y: 0 };
const pointers = new Map();
const urls = { before: null, after: null };

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

function draw() {
  const frame = $("compare"), { width, height } = frame.getBoundingClientRect();
  view.x = clamp(view.x, width - width * view.scale, 0);
  view.y = clamp(view.y, height - height * view.scale, 0);
  const shown = clamp((view.split * width - view.x) / (width * view.scale || 1), 0, 1); // share of the picture
  frame.style.setProperty("--split", `${view.split * 100}%`);
  frame.style.setProperty("--cut", `${(1 - shown) * 100}%`);
  $("layers").style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
  frame.classList.toggle("zoomed", view.scale > 1);
  const percent = Math.round(view.split * 100);
  $("handle").setAttribute("aria-valuenow", percent);
  $("handle").setAttribute("aria-valuetext", `${percent}% before, ${100 - percent}% after`);
  $("zoom-level").value = `${Math.round(view.scale * 100)}%`;
  $("zoom-out").disabled = $("zoom-fit").disabled = view.scale <= 1;
  $("zoom-in").disabled = view.scale >= MAX_SCALE;
}

function splitTo(share) {
  view.split = clamp(share, 0, 1);
  draw();
}

/** Zooms so that the point of the picture at (x, y) of the frame stays where it is. */
function zoomBy(factor, x, y) {
  const { width, height } = $("compare").getBoundingClientRect();
  const scale = clamp(view.scale * factor, 1, MAX_SCALE), ratio = scale / view.scale;
  x ??= width / 2;
  y ??= height / 2;
  view.x = x - (x - view.x) * ratio;
  view.y = y - (y - view.y) * ratio;
  view.scale = scale;
  draw();
}

function moveBy(x, y) {
  view.x += x;
  view.y += y;
  draw();
}

function fit() {
  Object.assign(view, { scale: 1, x: 0, y: 0 });
  draw();
}

function onKey(event) {
  const step = event.shiftKey ? 0.1 : 0.02, far = 40;
  const pan = event.shiftKey && view.scale > 1;
  const left = () => (pan ? moveBy(far, 0) : splitTo(view.split - step));
  const right = () => (pan ? moveBy(-far, 0) : splitTo(view.split + step));
  const actions = {
    ArrowLeft: left,
    ArrowRight: right,
    ArrowUp: () => (pan ? moveBy(0, far) : right()),
    ArrowDown: () => (pan ? moveBy(0, -far) : left()),
    PageUp: () => splitTo(view.split + 0.1),
    PageDown: () => splitTo(view.split - 0.1),
    Home: () => splitTo(0),
    End: () => splitTo(1),
    "+": () => zoomBy(ZOOM),
    "=": () => zoomBy(ZOOM),
    "-": () => zoomBy(1 / ZOOM),
    0: fit,
  };
  if (!actions[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  actions[event.key]();
}

/** Where a pointer is, in the frame. */
function place(event) {
  const frame = $("compare").getBoundingClientRect();
  return { x: event.clientX - frame.left, y: event.clientY - frame.top, width: frame.width };
}

function onPointerDown(event) {
  if (event.button !== 0) return;
  const at = place(event);
  const slides = event.target === $("handle") || view.scale === 1;
  $("compare").setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, { ...at, slides });
  if (slides && pointers.size === 1) splitTo(at.x / at.width);
  $("handle").focus({ preventScroll: true, focusVisible: false });
  event.preventDefault();
}

function onPointerMove(event) {
  const was = pointers.get(event.pointerId), now = place(event);
  if (!was) return;
  if (pointers.size === 2) {
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const spread = (at) => Math.hypot(at.x - other.x, at.y - other.y);
    zoomBy(spread(now) / (spread(was) || 1), (now.x + other.x) / 2, (now.y + other.y) / 2);
  } else if (was.slides) splitTo(now.x / now.width);
  else moveBy(now.x - was.x, now.y - was.y);
  Object.assign(was, now);
}

const onPointerUp = (event) => pointers.delete(event.pointerId);

export function startViewer() {
  const frame = $("compare");
  frame.addEventListener("pointerdown", onPointerDown);
  frame.addEventListener("pointermove", onPointerMove);
  frame.addEventListener("pointerup", onPointerUp);
  frame.addEventListener("pointercancel", onPointerUp);
  frame.addEventListener("dblclick", (event) => {
    const at = place(event);
    if (view.scale > 1) fit();
    else zoomBy(ZOOM ** 3, at.x, at.y);
  });
  frame.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // the page scrolls; a pinch on a touchpad comes with this flag
    event.preventDefault();
    const at = place(event);
    zoomBy(Math.exp(-event.deltaY / 100), at.x, at.y);
  }, { passive: false });
  $("handle").addEventListener("keydown", onKey);
  $("zoom-in").addEventListener("click", () => zoomBy(ZOOM));
  $("zoom-out").addEventListener("click", () => zoomBy(1 / ZOOM));
  $("zoom-fit").addEventListener("click", fit);
  new ResizeObserver(draw).observe(frame);
}

function setImage(id, blob, alt) {
  if (urls[id]) URL.revokeObjectURL(urls[id]);
  urls[id] = blob && URL.createObjectURL(blob);
  if (blob) $(id).src = urls[id];
  else $(id).removeAttribute("src");
  $(id).alt = alt;
}

/** Shows an edit. */
export function viewEdit(edit) {
  const { facts, settings, before, result } = edit;
  setImage("before", before, "The picture before");
  setImage("after", result, `The picture after: ${settings.prompt}`);
  $("compare").classList.toggle("single", !before);
  $("compare").style.setProperty("--ratio", facts.width / facts.height);
  $("download").href = urls.after;
  $("download").download = fileName(edit);
  const unchanged = facts.change < 0.01 ? "Hardly anything changed. " : "";
  $("note").textContent = unchanged + (facts.note ?? "");
  show($("note"), unchanged || facts.note);
  $("facts").replaceChildren(...factRows(edit));
  Object.assign(view, { split: 0.5, scale: 1, x: 0, y: 0 });
  show($("viewer"), true);
  draw();
}

/** INPUT-PROMPT-SEED.png, of plain characters. */
function fileName({ facts, settings, name }) {
  const plain = (text, most) =>
    text.normalize("NFKD").replace(/[^\w]+/g, "-").slice(0, most).replace(/^[-_]+|[-_]+$/g, "");
  const type = (facts.content_type ?? "image/png").split("/")[1].replace("jpeg", "jpg");
  const parts = [plain(name.replace(/\.\w+$/, ""), 40), plain(settings.prompt.toLowerCase(), 40), facts.seed];
  return `${parts.filter((part) => part !== "").join("-")}.${type}`;
}

function factRows({ facts, settings, seconds, time, model, requestId }) {
  const rows = {
    Prompt: settings.prompt,
    "What to avoid": settings.negative_prompt,
    Seed: facts.seed,
    Steps: facts.steps,
    Guidance: facts.guidance_scale > 1 ? facts.guidance_scale : "none",
    Changed: facts.change >= 0 ? `${+(facts.change * 100).toFixed(2)} %` : "",
    Size: `${facts.width} × ${facts.height}`,
    Took: seconds < 10 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`,
    Model: model,
    Made: new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }),
    Request: requestId,
  };
  return Object.entries(rows).filter(([, value]) => value !== undefined && value !== "")
    .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value))));
}
