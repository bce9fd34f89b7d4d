/*
 * A job belongs to no connection: these routes only look at it.  Its id is the right to see it, so
 * it is never logged.
 *
 * A listener to a job's events remembers what it was told and is told what has changed since: what
 * lay between is of no use to a slow one.
 */
#include "http/job_routes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/edit_route.h"
#include "http/upload.h"
#include "pipeline/edited_file.h"

#define JOB_PATH "%s/v1/jobs/%s" /* prefix and id */

/* The job that the path names, held for the caller; NULL: refused. */
static struct kept_job *job_of_path(struct request *r) {
    char detail[128];
    struct kept_job *job = job_store_find(service_jobs(r->server->service), r->id_in_path);
    if (job) return job;
    snprintf(detail, sizeof detail,
             "there is no such job, or no longer: results are kept for %g seconds",
             r->server->config->result_ttl_seconds);
    request_refuse(r, HTTP_NOT_FOUND, detail);
    return NULL;
}

/* The urls of a job. */
static json_t *urls_json(const char *prefix, const char *id) {
    return json_pack("{s:o, s:o, s:o}", "self", json_sprintf(JOB_PATH, prefix, id), "events",
                     json_sprintf(JOB_PATH "/events", prefix, id), "result",
                     json_sprintf(JOB_PATH "/result", prefix, id));
}

/* What is told of every job: its id, its status, and what it was asked for. */
static json_t *job_json(const struct request *r, const struct kept_job *job,
                        const struct job_view *view) {
    static const char *const names[] = {[JOB_QUEUED] = "queued",
                                        [JOB_RUNNING] = "running",
                                        [JOB_DONE] = "done",
                                        [JOB_FAILED] = "failed",
                                        [JOB_DROPPED] = "cancelled"};
    const struct edit_order *order = job_order(job);
    return json_pack("{s:s, s:s, s:o, s:o, s:i, s:f, s:s}", "id", job_id(job), "status",
                     names[view->status], "urls", urls_json(r->prefix, job_id(job)), "seed",
                     json_seed(order->seed), "steps", order->steps, "guidance_scale",
                     order->guidance_scale, "request_id", job_request_id(job));
}

json_t *json_seconds(double seconds) {
    return seconds < 0 ? json_null() : json_real(round(seconds * 1e3) / 1e3);
}

/* What is told of a job that has ended, both by GET and by its last event: adds to `json`, which is
 * returned. */
static json_t *ended_json(const struct service *service, const char *prefix,
                          const struct kept_job *job, json_t *json) {
    const struct edit_outcome *o = job_outcome(job);
    const struct http_error_kind *error =
        o->end == EDIT_DONE ? NULL : http_error_kind(edit_error(o->end));
    json_t *more =
        error
            ? json_pack("{s:s, s:s, s:s, s:i}", "error", error->code, "detail", o->detail,
                        "request_id", job_request_id(job), "http_status", error->status)
            : json_pack("{s:o, s:i, s:i, s:s, s:I, s:o, s:i, s:f, s:f}", "result",
                        json_sprintf(JOB_PATH "/result", prefix, job_id(job)), "width", o->width,
                        "height", o->height, "content_type",
                        picture_format_mime(job_order(job)->format), "bytes",
                        (json_int_t)o->file.size, "seed", json_seed(job_order(job)->seed), "steps",
                        o->steps, "guidance_scale", o->guidance_scale, "change", o->change);
    char note[EDIT_NOTE_SIZE];
    edit_note(note, service_rules(service)->note, o->change, o->same_seed);
    if (!error && *note) json_object_set_new(more, "note", json_string(note));
    json_object_update(json, more);
    json_decref(more);
    return json;
}

void job_submit(struct request *r) {
    struct edit_order order = {0};
    struct form_options options;
    struct kept_job *job;
    struct job_view view;
    if (!upload_end(r, &order, &options)) return;
    enum queue_answer a =
        job_store_submit(service_jobs(r->server->service), &order, r->id, r->deadline, &job);
    if (a != QUEUE_ACCEPTED) {
        edit_order_free(&order);
        upload_refuse(r, a);
        return;
    }
    job_look(job, &view);
    view.status = JOB_QUEUED; /* what it was: it may run already */
    json_t *json = job_json(r, job, &view);
    json_object_set_new(json, "position", json_integer(view.position ? view.position : 1));
    reply_json(&r->reply, 202, json);
    reply_header(&r->reply, "Location", JOB_PATH, r->prefix, job_id(job));
    job_release(job);
}

void job_show(struct request *r) {
    struct kept_job *job = job_of_path(r);
    struct job_view view;
    if (!job) return;
    job_look(job, &view);
    json_t *json = job_json(r, job, &view);
    if (view.status == JOB_QUEUED) {
        json_object_set_new(json, "position", json_integer(view.position));
    } else if (view.status == JOB_RUNNING) {
        json_object_set_new(json, "stage", json_string(firered_stage_name(view.stage)));
        json_object_set_new(json, "step", json_integer(view.step));
        json_object_set_new(json, "of", json_integer(view.steps));
        json_object_set_new(json, "seconds_left", json_seconds(view.seconds_left));
    } else {
        ended_json(r->server->service, r->prefix, job, json);
        json_object_set_new(json, "expires_in", json_seconds(view.expires_in));
    }
    reply_json(&r->reply, 200, json);
    job_release(job);
}

void job_delete(struct request *r) {
    struct kept_job *job = job_of_path(r);
    if (!job) return;
    job_drop(job);
    job_release(job);
    reply_nothing(&r->reply);
}

static void release(void *job) {
    job_release(job);
}

void job_result(struct request *r) {
    struct kept_job *job = job_of_path(r);
    struct job_view view;
    if (!job) return;
    job_look(job, &view);
    const struct edit_outcome *o = job_outcome(job);
    if (view.status == JOB_DONE) {
        reply_shared(&r->reply, 200, picture_format_mime(job_order(job)->format), &o->file, release,
                     job);
        edit_headers(r, job_order(job), o);
        return;
    }
    if (view.status == JOB_QUEUED || view.status == JOB_RUNNING)
        request_refuse(r, HTTP_NOT_FINISHED, "the job is still under way; listen to its events");
    else
        request_refuse(r, edit_error(o->end), o->detail);
    job_release(job);
}

/* ---- events ---- */

struct listener {
    const struct service *service;
    struct kept_job *job;
    char prefix[PREFIX_SIZE]; /* of its request */
    struct event_stream *stream;
    struct job_listener entry;
    bool reported;
    struct job_view last; /* what was reported; its stage only counts while it runs */
};

/* With the store's lock held, which on_closed takes: the stream is still there. */
static void on_changed(void *arg) {
    event_stream_wake(((struct listener *)arg)->stream);
}

static void on_closed(void *arg) {
    struct listener *l = arg;
    job_unlisten(l->job, &l->entry);
    job_release(l->job);
    free(l);
}

static enum status tell_running(const struct listener *l, const struct job_view *now,
                                struct buffer *out) {
    bool was_running = l->reported && l->last.status == JOB_RUNNING;
    enum status s = STATUS_OK;
    if (!was_running || l->last.stage != now->stage)
        s = event_append(out, "stage", json_pack("{s:s}", "stage", firered_stage_name(now->stage)));
    if (now->stage != FIRERED_STAGE_DENOISE || now->step == 0 || s != STATUS_OK) return s;
    if (was_running && l->last.stage == now->stage && l->last.step == now->step) return s;
    return event_append(out, "step",
                        json_pack("{s:i, s:i, s:o}", "step", now->step, "of", now->steps,
                                  "seconds_left", json_seconds(now->seconds_left)));
}

static bool fill(void *arg, struct buffer *out) {
    struct listener *l = arg;
    struct job_view now;
    enum status s = STATUS_OK;
    job_look(l->job, &now);
    switch (now.status) {
    case JOB_QUEUED:
        if (!l->reported || l->last.position != now.position)
            s = event_append(out, "queued", json_pack("{s:i}", "position", now.position));
        break;
    case JOB_RUNNING: s = tell_running(l, &now, out); break;
    default:
        event_append(out, now.status == JOB_DONE ? "done" : "error",
                     ended_json(l->service, l->prefix, l->job, json_object()));
        return false;
    }
    l->reported = true;
    l->last = now;
    return s == STATUS_OK; /* without memory the stream ends, and its listener comes back */
}

void job_events(struct request *r) {
    struct kept_job *job = job_of_path(r);
    if (!job) return;
    struct listener *l = calloc(1, sizeof *l);
    struct event_source source = {.fill = fill, .closed = on_closed, .arg = l};
    struct event_stream *stream = l ? event_stream_create(r->server->streams, &source) : NULL;
    if (!stream) {
        free(l);
        job_release(job);
        request_refuse(r, HTTP_GPU_OOM, "memory does not suffice for another listener");
        return;
    }
    r->stream_seconds = r->server->config->timeout_seconds;
    l->service = r->server->service;
    l->job = job;
    memcpy(l->prefix, r->prefix, sizeof l->prefix);
    l->stream = stream;
    l->entry = (struct job_listener){.changed = on_changed, .arg = l};
    job_listen(job, &l->entry);
    reply_events(&r->reply, stream);
}
