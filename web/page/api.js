/**
 * The server's routes. Every request carries the key, and asks for one where the server wants it; every failure is
 * an ApiError with the server's own sentence, or Unreachable. Paths are relative: the page may stand below a prefix.
 */
import { askKey, keyHeaders } from "./key.js";

/** The server said no. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body.detail || `The server answered with status ${status}.`);
    this.status = status;
    this.code = body.error; // undefined: it was not our server that answered
    this.requestId = body.request_id;
  }
}

/** There was no answer. */
export class Unreachable extends Error {
  constructor() {
    super("The server cannot be reached. Check the connection and try again.");
  }
}

async function errorOf(response) {
  const body = await response.json().catch(() => ({}));
  return new ApiError(response.status, body && typeof body === "object" ? body : {});
}

/** A good answer to a fetch with the key, which is asked for unless `silent`. */
export async function request(path, { silent, ...options } = {}) {
  for (;;) {
    let response;
    try {
      response = await fetch(path, { ...options, headers: { ...options.headers, ...keyHeaders() } });
    } catch (error) {
      throw options.signal?.aborted ? error : new Unreachable();
    }
    if (response.ok) return response;
    const error = await errorOf(response);
    if (silent || response.status !== 401 || !(await askKey(error.message))) throw error;
  }
}

/** What is served, and within which limits. */
export const getInfo = async () => (await request("info", { cache: "no-store" })).json();

/** What is sent in this time after a cancel is let through: it may all have left already, unknown to us, and be a job. */
const GRACE_MS = 1000;

/** One try of createJob: fetch cannot tell how much of a body has left, so it is the older interface. */
function post(path, form, onSent, signal) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let all = false; // has left: the job may exist, and its id is needed to cancel it
    xhr.open("POST", path);
    for (const [name, value] of Object.entries(keyHeaders())) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (event) => event.lengthComputable && onSent(event.loaded / event.total);
    xhr.upload.onload = () => (all = true);
    xhr.onload = () => {
      let body = {};
      try {
        body = JSON.parse(xhr.responseText);
      } catch { /* a proxy's page; the status says enough */ }
      if (xhr.status === 202) resolve(body);
      else reject(new ApiError(xhr.status, body));
    };
    xhr.onerror = () => reject(new Unreachable());
    xhr.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => setTimeout(() => all || xhr.abort(), GRACE_MS), { once: true });
    xhr.send(form);
  });
}

/** Sends an edit. `form`: the fields of POST /edit; `onSent` is told the share that has left, 0 to 1. */
export async function createJob(form, onSent, signal) {
  for (;;) {
    try {
      return await post("v1/jobs", form, onSent, signal);
    } catch (error) {
      if (error.status !== 401 || !(await askKey(error.message))) throw error;
    }
  }
}

const SILENCE_MS = 25000; // the server sends a comment every 10 seconds

/** Server-sent events, read by hand: EventSource cannot send a key. Ends when the stream does. */
export async function* events(path, signal) {
  const quiet = new AbortController();
  const stop = () => quiet.abort();
  let timer = setTimeout(stop, SILENCE_MS);
  signal.addEventListener("abort", stop, { once: true });
  try {
    const response = await request(path, { signal: quiet.signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(stop, SILENCE_MS);
      const blocks = (text + value).replaceAll("\r\n", "\n").split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const event = parse(block);
        if (event) yield event;
      }
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    quiet.abort(); // a stream that nobody reads on is closed
  }
}

function parse(block) {
  let type = "message", data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) type = line.slice(6).trim();
    else if (line.startsWith("data:")) data += line.slice(5);
  }
  return data ? { type, data: JSON.parse(data) } : null; // else a comment, the heartbeat
}
