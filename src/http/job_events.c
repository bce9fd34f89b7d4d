/*
 * A listener remembers what it was told and is told what has changed since: what lay between is of
 * no use to a slow one.
 */
#include <stdlib.h>

#include "http/event_stream.h"
#include "http/job_routes.h"

struct listener {
    struct kept_job *job;
    struct event_stream *stream;
    struct job_listener entry;
    bool told;
    struct job_view last; /* what was told; its stage only counts while it runs */
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
    static const char *const stages[] = {[FIRERED_STAGE_ENCODE] = "encode",
                                         [FIRERED_STAGE_DENOISE] = "denoise",
                                         [FIRERED_STAGE_DECODE] = "decode"};
    bool was_running = l->told && l->last.status == JOB_RUNNING;
    enum status s = STATUS_OK;
    if (!was_running || l->last.stage != now->stage)
        s = event_append(out, "stage", json_pack("{s:s}", "stage", stages[now->stage]));
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
        if (!l->told || l->last.position != now.position)
            s = event_append(out, "queued", json_pack("{s:i}", "position", now.position));
        break;
    case JOB_RUNNING: s = tell_running(l, &now, out); break;
    default:
        event_append(out, now.status == JOB_DONE ? "done" : "error",
                     job_ended_json(l->job, json_object()));
        return false;
    }
    l->told = true;
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
    l->job = job;
    l->stream = stream;
    l->entry = (struct job_listener){.changed = on_changed, .arg = l};
    job_listen(job, &l->entry);
    reply_events(&r->reply, stream);
}
