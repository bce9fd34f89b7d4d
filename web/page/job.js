/**
 * One edit, from the form's fields to the picture. It does not depend on the connection: when that is lost, the job
 * goes on at the server, and the page comes back to it.
 */
import { ApiError, createJob, events, request } from "./api.js";
import { sleep } from "./dom.js";

const FIRST_WAIT_MS = 500, MAX_WAIT_MS = 5000;

/**
 * How an edit stands.
 * @typedef {{phase: "sending", share: number} | {phase: "queued", position: number} | {phase: "stage", stage: string}
 *     | {phase: "step", step: number, of: number, seconds_left: ?number} | {phase: "lost"}} Standing
 */

const path = (job, part = "") => `v1/jobs/${job.id}${part}`;

/** Sends an edit. `signal` stops the sending. */
export const startJob = (form, tell, signal) => createJob(form, (share) => tell({ phase: "sending", share }), signal);

/** Takes an edit out of the queue, stops it, or has the server forget its picture. */
export async function dropJob(job) {
  await request(path(job), { method: "DELETE", silent: true }).catch(() => {}); // it is over, or times out by itself
}

/** Follows a job to its end: the event that ended it, and the picture. */
export async function followJob(job, tell, signal) {
  let facts = null, wait = FIRST_WAIT_MS;
  for (;;) {
    signal.throwIfAborted();
    try {
      facts ??= await lastEvent(job, tell, signal, () => (wait = FIRST_WAIT_MS));
      if (facts) return { facts, blob: await (await request(path(job, "/result"), { signal })).blob() };
    } catch (error) {
      signal.throwIfAborted();
      if (error.status === 404) throw forgotten(error);
      if (error instanceof ApiError && error.code) throw error; // our server's word; the rest may pass
    }
    tell({ phase: "lost" });
    await sleep(wait, signal);
    wait = Math.min(wait * 2, MAX_WAIT_MS);
  }
}

/** Listens until the job is done; null: the stream ended before. */
async function lastEvent(job, tell, signal, onEvent) {
  for await (const { type, data } of events(path(job, "/events"), signal)) {
    onEvent();
    if (type === "done") return data;
    if (type === "error") throw new ApiError(data.http_status, data);
    tell({ phase: type, ...data });
  }
  return null;
}

function forgotten(error) {
  return new ApiError(404, {
    error: error.code,
    detail: "The server does not know this edit any more: it was restarted, or too much time has passed. Edit again.",
    request_id: error.requestId,
  });
}
