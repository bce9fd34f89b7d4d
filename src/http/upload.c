/*
 * What a client is to be told as early as possible: that nothing is accepted now, and that the body
 * is too large, which its head may say already.  A full queue is told after the form's own errors.
 */
#include "http/upload.h"

#include <stdio.h>

#include "base/clock.h"

void upload_refuse(struct request *r, enum queue_answer a) {
    char detail[128];
    double share;
    bool downloading;
    switch (a) {
    case QUEUE_NOT_READY:
        downloading = service_downloading(r->server->service, &share);
        if (!downloading) share = service_loading_share(r->server->service);
        snprintf(detail, sizeof detail, "the model is still %s (%.0f%%); try again later",
                 downloading ? "downloading" : "loading", share * 100);
        request_refuse(r, HTTP_MODEL_LOADING, detail);
        break;
    case QUEUE_FULL:
        request_refuse(r, HTTP_QUEUE_FULL, "as many edits wait as may wait; try again later");
        break;
    case QUEUE_NO_MEMORY:
        request_refuse(r, HTTP_GPU_OOM, "memory does not suffice for another job; try again later");
        break;
    default: request_refuse(r, HTTP_SHUTTING_DOWN, "the server is shutting down; try again later");
    }
}

static void refuse_form(struct request *r, const struct problem *problem) {
    r->wrong_field = problem->field;
    request_refuse(r, problem->code, problem->why.text);
}

static uint64_t max_body(const struct request *r) {
    return (uint64_t)r->server->config->max_upload_mb << 20;
}

static void refuse_size(struct request *r) {
    char detail[128];
    snprintf(detail, sizeof detail, "the request's body is over %d MB; send a smaller picture",
             r->server->config->max_upload_mb);
    request_refuse(r, HTTP_PAYLOAD_TOO_LARGE, detail);
}

void upload_begin(struct request *r, enum field_place place) {
    uint64_t size;
    struct problem problem;
    struct service *s = r->server->service;
    enum queue_answer a = queue_would_accept(service_queue(s));
    if (a == QUEUE_NOT_READY || a == QUEUE_CLOSED) /* a full queue comes last: it may empty */
        upload_refuse(r, a);                       /* NOLINT(bugprone-branch-clone) */
    else if (request_header(r, "Content-Length") &&
             (!request_length(r, &size) || size > max_body(r)))
        refuse_size(r);
    else if (!form_create(&r->form, place, service_rules(s), service_uploads(s),
                          request_header(r, "Content-Type"), &problem))
        refuse_form(r, &problem);
    else if (a == QUEUE_FULL)
        upload_refuse(r, a);
}

void upload_body(struct request *r, const char *bytes, size_t size) {
    struct problem problem;
    if (r->body_bytes > max_body(r))
        refuse_size(r);
    else if (clock_now() >= r->deadline)
        request_refuse(
            r, HTTP_TIMEOUT,
            "the request took as long to arrive as the server allows for the whole edit");
    else if (!form_feed(r->form, bytes, size, &problem))
        refuse_form(r, &problem);
    if (r->reply.status) upload_free(r); /* the rest of the body is ignored */
}

bool upload_end(struct request *r, struct edit_order *order, struct form_options *options) {
    struct problem problem;
    bool good = form_finish(r->form, order, options, &problem);
    if (!good)
        refuse_form(r, &problem);
    else if (*options->ignored)
        reply_text_header(&r->reply, "X-Ignored-Fields", options->ignored);
    upload_free(r);
    return good;
}

void upload_free(struct request *r) {
    form_destroy(r->form);
    r->form = NULL;
}
