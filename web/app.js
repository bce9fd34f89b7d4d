/**
 * The page: what happens when, with the parts in page/.
 *
 * The stage shows one of: nothing, the input, an edit under way, an error, a result. One edit runs at a time; it is
 * remembered, so that a reloaded page goes on showing it.
 */
import { getInfo, Unreachable } from "./page/api.js";
import { $, announce, show, sleep } from "./page/dom.js";
import { forgetJob, keepEdit, markShown, recallJob, rememberJob, startHistory } from "./page/history.js";
import { dropJob, followJob, startJob } from "./page/job.js";
import { complainPictures, getPictures, setPicture, setPictureLimits, startPictures } from "./page/pictures.js";
import { fitSettings, offerSeed, readSettings, startSettings, writeSettings } from "./page/settings.js";
import { startViewer, viewEdit } from "./page/viewer.js";

const TITLE = document.title;
const POLL_MS = 1500;

let info = null;
let current = null; // the edit under way: {stop: AbortController, job}
let shown = null; // the edit that is shown
let failed = () => {}; // what "Try again" does
let endOfStep = 0; // when the edit should be over, ms; 0: unknown

/* ---- the stage ---- */

function setStage(state) {
  $("stage").dataset.state = state;
  const picture = $("preview").hasAttribute("src");
  show($("empty"), ["empty", "input"].includes(state) && !picture);
  show($("preview"), ["input", "running", "failed"].includes(state) && picture);
  show($("running"), state === "running");
  show($("failed"), state === "failed");
  show($("viewer"), state === "done");
  $("edit").disabled = state === "running";
  if (state !== "running") document.title = TITLE;
}

function preview(url, alt) {
  if (url) $("preview").src = url;
  else $("preview").removeAttribute("src");
  $("preview").alt = alt;
}

/** As large as the result will be. */
function onPreview({ target }) {
  target.style.setProperty("--ratio", target.naturalWidth / target.naturalHeight);
}

/** The browser cannot show it; whether it can be edited is the server's to say. */
function onNoPreview() {
  preview(null, "");
  setStage($("stage").dataset.state);
}

function showInput(pictures) {
  if (current) return;
  const last = pictures.at(-1);
  shown = null;
  markShown(null);
  preview(last?.url, last ? `The input, ${last.name}` : "");
  setStage(last ? "input" : "empty");
}

function showEdit(edit) {
  if (current) return;
  shown = edit;
  offerSeed(edit.facts.seed);
  setStage("done");
  viewEdit(edit);
  markShown(edit);
}

/** The same request gets the same refusal; whatever else was in the way may have passed. */
const canHelp = ({ status }) => ![400, 403, 413, 415].includes(status);

/** @param {?function()} again null: it cannot be sent again from here */
function showFailure(error, again) {
  failed = again;
  show($("again"), again && canHelp(error));
  $("failed-text").textContent = error.message;
  $("failed-id").textContent = error.requestId ? `Request ${error.requestId}` : "";
  setStage("failed");
}

/* ---- progress ---- */

const STAGES = { encode: "Looking at the picture", denoise: "Editing", decode: "Finishing the picture" };
const STAGE_SHARES = { encode: 0.06, denoise: 0.15, decode: 0.92 };

function tell(now) {
  let text = $("doing").textContent, share = null;
  endOfStep = 0;
  if (now.phase === "sending") {
    text = now.share < 1 ? `Sending, ${Math.round(now.share * 100)}%` : "Sending";
    share = 0.05 * now.share;
  } else if (now.phase === "queued") text = now.position > 1 ? `Number ${now.position} in the queue` : "Next in the queue";
  else if (now.phase === "stage") [text, share] = [STAGES[now.stage] ?? now.stage, STAGE_SHARES[now.stage] ?? null];
  else if (now.phase === "step") {
    text = `Step ${now.step} of ${now.of}`;
    share = 0.15 + (0.75 * now.step) / now.of;
    if (typeof now.seconds_left === "number") endOfStep = performance.now() + now.seconds_left * 1000;
  } else if (now.phase === "lost") text = "Connection lost, trying again";
  if (share !== null) $("bar").value = share;
  $("doing").textContent = text;
  document.title = `${text} – firered`;
  countDown();
  announceStanding(now, text);
}

/** A screen reader hears of stages, and of steps only at the quarters. */
function announceStanding(now, text) {
  const quarter = ({ step, of }) => Math.floor((step * 4) / of);
  if (now.phase === "sending") return;
  if (now.phase === "step" && quarter(now) === quarter({ ...now, step: now.step - 1 })) return;
  announce(text);
}

function countDown() {
  const left = Math.ceil((endOfStep - performance.now()) / 1000);
  $("left").textContent = !endOfStep ? "" : left <= 1 ? "about a second left" :
    left < 100 ? `about ${left} s left` : `about ${Math.round(left / 60)} min left`;
}

/* ---- an edit ---- */

async function edit(settings, pictures) {
  const form = new FormData();
  for (const { file, name } of pictures) form.append("image", file, name);
  for (const [name, value] of Object.entries(settings)) form.append(name, value);
  const last = pictures.at(-1);
  preview(last.url, `The input, ${last.name}`);
  await run(() => edit(settings, pictures), async (signal) => {
    const { id, request_id } = await startJob(form, tell, signal);
    const job = { id, requestId: request_id, settings, name: last.name, time: Date.now(),
      pictures: pictures.length };
    await rememberJob(job, last.file);
    return { job, before: last.file };
  });
}

/** Goes on with the edit that a page before this one began. */
async function resume() {
  const found = await recallJob();
  if (!found) return;
  preview(found.before && URL.createObjectURL(found.before), `The input, ${found.job.name}`);
  await run(null, async () => found);
}

/** @param {?function()} again after a failure @param {function(AbortSignal)} start gives {job, before} */
async function run(again, start) {
  current = { stop: new AbortController(), job: null };
  const { signal } = current.stop;
  complainPictures("");
  $("bar").value = 0;
  $("doing").textContent = "Sending";
  setStage("running");
  $("stage").scrollIntoView({ block: "nearest" });
  try {
    const { job, before } = await start(signal);
    current.job = job;
    if (signal.aborted) dropJob(job); // cancelled before its id was here
    const { facts, blob } = await followJob(job, tell, signal);
    facts.seed = job.settings.seed ?? facts.seed; // a JavaScript number has 53 bits, a seed 64
    const made = { time: Date.now(), seconds: (Date.now() - job.time) / 1000, name: job.name, pictures: job.pictures,
      model: info?.model?.name ?? "", requestId: job.requestId, settings: job.settings, facts, before, result: blob };
    current = null;
    showEdit(made);
    announce("The picture is done.");
    await keepEdit(made);
    dropJob(job); // the picture is here now, and need not be there
  } catch (error) {
    const cancelled = signal.aborted;
    current = null;
    if (cancelled) showInput(getPictures());
    else showFailure(error, again);
    announce(cancelled ? "Cancelled." : "");
    if (cancelled) $("edit").focus();
  }
  await forgetJob();
}

function cancel() {
  const { stop, job } = current;
  $("doing").textContent = "Cancelling";
  stop.abort();
  if (job) dropJob(job);
}

function submit(event) {
  event.preventDefault();
  if (current) return;
  const pictures = [...getPictures()];
  if (pictures.length === 0) {
    complainPictures("Choose a picture first.");
    $("files").focus();
    return;
  }
  const settings = readSettings();
  if (settings) edit(settings, pictures);
}

/** Puts the form back as it was for the edit that is shown, as far as it can. */
async function useSettings() {
  const { settings, facts, before, name, pictures } = shown;
  if (before) await setPicture(before, name);
  if (!before) complainPictures("The picture is not here any more: choose it again.");
  else if (pictures > 1) complainPictures(`Only the last of the ${pictures} pictures is kept here: add the others.`);
  writeSettings({ ...settings, seed: String(facts.seed) });
}

/* ---- the server ---- */

function notice(text) {
  $("notice").textContent = text;
  show($("notice"), Boolean(text));
}

/** Learns what is served; asks again until the model is there. */
async function learn() {
  for (;;) {
    try {
      info = await getInfo();
      notice({ downloading: "Fetching the model.", loading: "The model is loading.", shutting_down: "The server is shutting down." }[info.status] ?? "");
      setPictureLimits(info.limits.max_images, info.limits.max_upload_mb * 2 ** 20);
      fitSettings(info);
      if (info.model) $("served").textContent = `Model ${info.model.name}`;
      if (info.status === "ready") return;
    } catch (error) {
      notice(error.message);
      if (!(error instanceof Unreachable)) return;
    }
    await sleep(POLL_MS);
  }
}

async function start() {
  document.documentElement.classList.add("js");
  startSettings();
  startPictures(showInput);
  startViewer();
  $("form").addEventListener("submit", submit);
  $("preview").addEventListener("load", onPreview);
  $("preview").addEventListener("error", onNoPreview);
  $("cancel").addEventListener("click", cancel);
  $("again").addEventListener("click", () => failed());
  $("use-input").addEventListener("click", () => {
    setPicture(shown.result, $("download").download);
    $("prompt").focus();
  });
  $("use-settings").addEventListener("click", useSettings);
  setInterval(() => current && countDown(), 500);
  setStage("empty");
  learn();
  await startHistory(showEdit);
  await resume();
}

start();
