/*
 * An edit waits and runs while its connection is suspended: it costs no thread.  The worker that
 * ends it resumes the connection, and the library then calls edit_end once more, which finds the
 * outcome.
 */
#include "http/edit_route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/edit_form.h"
#include "http/form.h"

struct edit_request {
    struct request *request;
    struct edit_form *form;
    struct edit_job job;
    bool submitted;
    atomic_bool done;
};

void edit_refuse(struct request *r, enum service_answer a) {
    char detail[128];
    switch (a) {
    case SERVICE_NOT_LOADED:
        snprintf(detail, sizeof detail, "the model is still loading (%.0f%%); try again later",
                 service_loading_share(r->server->service) * 100);
        request_refuse(r, HTTP_MODEL_LOADING, detail);
        break;
    case SERVICE_QUEUE_FULL:
        request_refuse(r, HTTP_QUEUE_FULL, "as many edits wait as may wait; try again later");
        break;
    case SERVICE_NO_MEMORY:
        request_refuse(r, HTTP_GPU_OOM, "memory does not suffice for another job; try again later");
        break;
    default: request_refuse(r, HTTP_SHUTTING_DOWN, "the server is shutting down; try again later");
    }
}

static void refuse_form(struct request *r, const struct problem *problem) {
    r->wrong_field = problem->field;
    request_refuse(r, problem->code, problem->why.text);
}

static uint64_t most_body(const struct request *r) {
    return (uint64_t)r->server->config->max_upload_mb << 20;
}

static void refuse_size(struct request *r) {
    char detail[128];
    snprintf(detail, sizeof detail, "the request's body is over %d MB; send a smaller picture",
             r->server->config->max_upload_mb);
    request_refuse(r, HTTP_PAYLOAD_TOO_LARGE, detail);
}

void edit_begin(struct request *r, const struct edit_form_kind *kind) {
    const char *length = request_header(r, "Content-Length");
    uint64_t size;
    enum service_answer a = service_would_accept(r->server->service);
    if (a == SERVICE_NOT_LOADED || a == SERVICE_SHUTTING_DOWN) {
        edit_refuse(r, a);
        return;
    }
    if (length &&
        (!form_unsigned(length, strlen(length), UINT64_MAX, &size) || size > most_body(r))) {
        refuse_size(r);
        return;
    }
    struct problem problem;
    struct edit_request *e = calloc(1, sizeof *e);
    if (!e) {
        request_refuse(r, HTTP_GPU_OOM,
                       "memory does not suffice for another request; try again later");
        return;
    }
    r->edit = e;
    e->request = r;
    e->job.service = r->server->service;
    e->job.request_id = r->id;
    e->job.deadline = r->arrival + (int64_t)(r->server->config->timeout_seconds * 1e9);
    if (!edit_form_create(&e->form, kind, r->server->service, request_header(r, "Content-Type"),
                          &problem))
        refuse_form(r, &problem);
    else if (a == SERVICE_QUEUE_FULL)
        edit_refuse(r, a);
}

void edit_body(struct request *r, const char *bytes, size_t size) {
    struct edit_request *e = r->edit;
    struct problem problem;
    if (r->body_bytes > most_body(r))
        refuse_size(r);
    else if (clock_now() >= e->job.deadline)
        request_refuse(
            r, HTTP_TIMEOUT,
            "the request took as long to arrive as the server allows for the whole edit");
    else if (!edit_form_feed(e->form, bytes, size, &problem))
        refuse_form(r, &problem);
    if (!r->reply.status) return;
    edit_form_destroy(e->form); /* the rest of the body is read over: let go of what came */
    e->form = NULL;
}

static void on_gone(void *arg) {
    service_cancel(&((struct edit_request *)arg)->job);
}

/* From a worker, the watcher or whoever closes the queue. */
static void on_done(struct edit_job *job) {
    struct edit_request *e =
        (struct edit_request *)((char *)job - offsetof(struct edit_request, job));
    struct MHD_Connection *connection = e->request->connection;
    atomic_store(&e->done, true);
    MHD_resume_connection(connection); /* e may be gone once this returns */
}

bool edit_submit(struct request *r, struct edit_order *order) {
    struct edit_request *e = r->edit;
    (void)order; /* it is the job's own already */
    e->job.done = on_done;
    e->submitted = true;
    client_allow(r->client, 0);
    /* In this order: the job may end, and resume, before service_submit returns. */
    MHD_suspend_connection(r->connection);
    enum service_answer a = service_submit(r->server->service, &e->job);
    if (a == SERVICE_ACCEPTED) {
        client_watch(r->client, on_gone, e);
        return false;
    }
    e->submitted = false;
    edit_refuse(r, a);
    MHD_resume_connection(r->connection);
    return false; /* suspended all the same: the answer goes out when the library comes back */
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

static void answer(struct request *r) {
    struct edit_job *job = &r->edit->job;
    struct edit_outcome *o = &job->outcome;
    if (o->end != EDIT_DONE) {
        request_refuse(r, edit_error(o->end), o->detail);
        return;
    }
    reply_body(&r->reply, 200, picture_format_mime(job->order.format), &o->file);
    edit_headers(r, &job->order, o);
}

bool edit_end(struct request *r, bool (*submit)(struct request *r, struct edit_order *order)) {
    struct edit_request *e = r->edit;
    struct problem problem;
    if (e->submitted) {
        if (!atomic_load(&e->done)) return false; /* still suspended */
        client_unwatch(r->client);
        if (e->job.outcome.end == EDIT_CANCELLED)
            r->gone = true;
        else
            answer(r);
        return true;
    }
    if (!edit_form_finish(e->form, &e->job.order, &problem)) {
        refuse_form(r, &problem);
        return true;
    }
    return submit(r, &e->job.order);
}

const struct edit_wishes *edit_wishes(const struct request *r) {
    return edit_form_wishes(r->edit->form);
}

void edit_free(struct request *r) {
    struct edit_request *e = r->edit;
    if (!e) return;
    edit_form_destroy(e->form);
    edit_job_free(&e->job);
    free(e);
    r->edit = NULL;
}

int edit_log_fields(const struct request *r, struct log_field *f) {
    return r->edit && r->edit->submitted ? edit_job_log_fields(&r->edit->job, f) : 0;
}
