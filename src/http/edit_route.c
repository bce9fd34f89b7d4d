/*
 * An edit waits and runs while its connection is suspended: it costs no thread.  The worker that
 * ends it resumes the connection, and the library then comes back to edit_end, which finds the
 * outcome.
 */
#include "http/edit_route.h"

#include <stdlib.h>

#include "http/upload.h"
#include "pipeline/edited_file.h"

/* The route's state, once the form is read. */
struct edit_request {
    struct request *request;
    struct edit_job job;
    bool submitted;
    atomic_bool done;
};

void edit_begin(struct request *r) {
    upload_begin(r, FIELD_OF_EDIT);
}

static void on_gone(void *arg) {
    queue_cancel(&((struct edit_request *)arg)->job);
}

/* From a worker, the watcher or whoever closes the queue. */
static void on_done(struct edit_job *job) {
    struct edit_request *e = CONTAINER_OF(job, struct edit_request, job);
    struct MHD_Connection *connection = e->request->connection;
    atomic_store(&e->done, true);
    MHD_resume_connection(connection); /* e may be gone once this returns */
}

static void submit(struct request *r, struct edit_request *e) {
    e->submitted = true;
    client_allow(r->client, 0);
    /* In this order: the job may end, and resume, before queue_submit returns. */
    request_suspend(r);
    enum queue_answer a = queue_submit(service_queue(r->server->service), &e->job);
    if (a == QUEUE_ACCEPTED) {
        client_watch(r->client, r->may_probe, on_gone, e);
        return;
    }
    e->submitted = false;
    upload_refuse(r, a); /* the answer goes out when the library comes back */
    MHD_resume_connection(r->connection);
}

/* The body has ended: what the form asks for is queued. */
static void start(struct request *r) {
    struct form_options options;
    struct edit_request *e = calloc(1, sizeof *e);
    if (!e) {
        request_refuse(r, HTTP_GPU_OOM,
                       "memory does not suffice for another request; try again later");
        return;
    }
    r->state = e;
    e->request = r;
    e->job.request_id = r->id;
    e->job.deadline = r->deadline;
    e->job.done = on_done;
    if (upload_end(r, &e->job.order, &options)) submit(r, e);
}

void edit_change_headers(struct request *r, double change, bool same_seed) {
    char note[EDIT_NOTE_SIZE];
    reply_header(&r->reply, "X-Change", "%g", change);
    edit_note(note, service_rules(r->server->service)->note, change, same_seed);
    if (*note) reply_text_header(&r->reply, "X-Note", note);
}

void edit_headers(struct request *r, const struct edit_order *order, const struct edit_outcome *o) {
    reply_header(&r->reply, "X-Seed", "%llu", (unsigned long long)order->seed);
    reply_header(&r->reply, "X-Steps", "%d", o->steps);
    reply_header(&r->reply, "X-Guidance-Scale", "%.15g", o->guidance_scale);
    reply_header(&r->reply, "X-Model", "%s", service_model_name(r->server->service));
    reply_header(&r->reply, "Server-Timing",
                 "queue;dur=%.1f, encode;dur=%.1f, denoise;dur=%.1f, decode;dur=%.1f",
                 o->queue_seconds * 1e3, o->encode_seconds * 1e3, o->denoise_seconds * 1e3,
                 o->decode_seconds * 1e3);
    edit_change_headers(r, o->change, o->same_seed);
}

enum http_error edit_error(enum edit_end end) {
    static const enum http_error errors[] = {
        [EDIT_INVALID_FILE] = HTTP_INVALID_FILE,
        [EDIT_INVALID_IMAGE] = HTTP_INVALID_IMAGE,
        [EDIT_INVALID_REQUEST] = HTTP_INVALID_REQUEST,
        [EDIT_NO_MEMORY] = HTTP_GPU_OOM,
        [EDIT_FAILED] = HTTP_INFERENCE_ERROR,
        [EDIT_TIMED_OUT] = HTTP_TIMEOUT,
        [EDIT_CANCELLED] = HTTP_CANCELLED,
        [EDIT_SHUT_DOWN] = HTTP_SHUTTING_DOWN,
    };
    return errors[end];
}

static void answer(struct request *r, struct edit_job *job) {
    struct edit_outcome *o = &job->outcome;
    if (o->end != EDIT_DONE) {
        request_refuse(r, edit_error(o->end), o->detail);
        return;
    }
    reply_body(&r->reply, 200, picture_format_mime(job->order.format), &o->file);
    edit_headers(r, &job->order, o);
}

void edit_end(struct request *r) {
    struct edit_request *e = r->state;
    if (!e) {
        start(r);
    } else if (!atomic_load(&e->done)) {
        r->suspended = true; /* still */
    } else {
        client_unwatch(r->client);
        r->gone = e->job.outcome.end == EDIT_CANCELLED;
        if (!r->gone) answer(r, &e->job);
    }
}

int edit_log(const struct request *r, struct log_field *fields) {
    const struct edit_request *e = r->state;
    return e->submitted ? edit_job_log_fields(&e->job, fields) : 0;
}

void edit_free(struct request *r) {
    struct edit_request *e = r->state;
    edit_job_free(&e->job);
    free(e);
}
