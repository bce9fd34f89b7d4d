/*
 * reply.h - an answer being built: status, headers, body.  It leaves either through the HTTP
 * library or, where a body is still being sent that nobody wants, as bytes written at once.
 *
 * A zeroed reply is empty.  Building never fails: when memory runs out, the answer becomes a short
 * fixed error.
 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/json.h"
#include "http/event_stream.h"

/* Every error of the contract: its code, its status, and whether the client should come back later. */
enum http_error {
    HTTP_INVALID_FILE,
    HTTP_INVALID_IMAGE,
    HTTP_INVALID_REQUEST,
    HTTP_UNAUTHORIZED,
    HTTP_FORBIDDEN,
    HTTP_NOT_FOUND,
    HTTP_MODEL_NOT_FOUND,
    HTTP_METHOD_NOT_ALLOWED,
    HTTP_PAYLOAD_TOO_LARGE,
    HTTP_UNSUPPORTED_MEDIA_TYPE,
    HTTP_HEADERS_TOO_LARGE,
    HTTP_VERSION_NOT_SUPPORTED,
    HTTP_GPU_OOM,
    HTTP_INFERENCE_ERROR,
    HTTP_QUEUE_FULL,
    HTTP_MODEL_LOADING,
    HTTP_SHUTTING_DOWN,
    HTTP_TIMEOUT,
    HTTP_NOT_FINISHED, /* of jobs only, as is the next */
    HTTP_CANCELLED,
    HTTP_ERRORS
};

struct http_error_kind {
    const char *code;
    int status;
    int retry_after; /* seconds, 0: no Retry-After */
};

const struct http_error_kind *http_error_kind(enum http_error e);

enum { REPLY_MAX_HEADERS = 20, REPLY_MAX_VALUE = 512 };

struct reply {
    int status; /* 0: there is none yet */
    struct buffer body;
    void (*release)(void *owner); /* of a body that is borrowed; else NULL */
    void *owner;
    struct event_stream *events; /* in place of a body, else NULL */
    struct {
        const char *name; /* a constant */
        char value[REPLY_MAX_VALUE];
    } headers[REPLY_MAX_HEADERS];
    int header_count;
};

/* A value may come from a client or a model: characters that a header may not have become '_'. */
__attribute__((format(printf, 3, 4))) void reply_header(struct reply *r, const char *name,
                                                        const char *format, ...);

/* The same with text that a header may hold though it is not ASCII: UTF-8 without control characters. */
void reply_text_header(struct reply *r, const char *name, const char *text);

/* Whether it has been given one of this name, written the same. */
bool reply_has_header(const struct reply *r, const char *name);

/* 200 or another status with a body that the reply takes over; *body is empty afterwards. */
void reply_body(struct reply *r, int status, const char *content_type, struct buffer *body);

/* 204: there is nothing to say. */
void reply_nothing(struct reply *r);

/* reply_body with bytes that are shared: release(owner) is called when the last one has left. */
void reply_shared(struct reply *r, int status, const char *content_type, const struct buffer *body,
                  void (*release)(void *owner), void *owner);

/* 200 with events for as long as there are some; takes the stream over.  NULL is "no memory". */
void reply_events(struct reply *r, struct event_stream *events);

/* reply_body with JSON; releases `json`, NULL for "no memory". */
void reply_json(struct reply *r, int status, json_t *json);

/* {"error": CODE, "detail": detail, "request_id": id}, with Retry-After where the error has one.
 * Replaces whatever the reply held. */
void reply_error(struct reply *r, enum http_error e, const char *request_id, const char *detail);

/* The same with more keys in it: takes over `json`, an object, and adds the three. */
void reply_error_json(struct reply *r, enum http_error e, const char *request_id,
                      const char *detail, json_t *json);

/* Queues it on the connection; the body is gone afterwards.  MHD_NO: the library refused, the
 * connection must close. */
enum MHD_Result reply_queue(struct reply *r, struct MHD_Connection *connection);

/* Writes it to the socket as the last thing on the connection; a socket that does not take it at
 * once loses it. with_body: false after a HEAD. */
void reply_write(struct reply *r, int fd, bool with_body);

void reply_free(struct reply *r); /* leaves it empty */

#endif
