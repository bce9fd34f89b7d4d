/*
 * A reply owns its body in one of three ways (bytes, borrowed bytes, a stream), and gives it to the
 * library when it is queued.  Header values are cleaned here, once, whoever sets them.
 */
#include "http/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/utf8.h"

const struct http_error_kind *http_error_kind(enum http_error e) {
    static const struct http_error_kind kinds[HTTP_ERRORS] = {
        [HTTP_INVALID_FILE] = {"invalid_file", 400, 0},
        [HTTP_INVALID_IMAGE] = {"invalid_image", 400, 0},
        [HTTP_INVALID_REQUEST] = {"invalid_request", 400, 0},
        [HTTP_UNAUTHORIZED] = {"unauthorized", 401, 0},
        [HTTP_FORBIDDEN] = {"forbidden", 403, 0},
        [HTTP_NOT_FOUND] = {"not_found", 404, 0},
        [HTTP_MODEL_NOT_FOUND] = {"model_not_found", 404, 0},
        [HTTP_METHOD_NOT_ALLOWED] = {"method_not_allowed", 405, 0},
        [HTTP_PAYLOAD_TOO_LARGE] = {"payload_too_large", 413, 0},
        [HTTP_UNSUPPORTED_MEDIA_TYPE] = {"unsupported_media_type", 415, 0},
        [HTTP_HEADERS_TOO_LARGE] = {"headers_too_large", 431, 0},
        [HTTP_VERSION_NOT_SUPPORTED] = {"version_not_supported", 505, 0},
        [HTTP_GPU_OOM] = {"gpu_oom", 503, 0},
        [HTTP_INFERENCE_ERROR] = {"inference_error", 503, 0},
        [HTTP_QUEUE_FULL] = {"queue_full", 503, 5},
        [HTTP_MODEL_LOADING] = {"model_loading", 503, 5},
        [HTTP_SHUTTING_DOWN] = {"shutting_down", 503, 10},
        [HTTP_TIMEOUT] = {"timeout", 504, 0},
        [HTTP_NOT_FINISHED] = {"not_finished", 409, 1},
        [HTTP_CANCELLED] = {"cancelled", 499, 0},
    };
    return &kinds[e];
}

/* Byte by byte; a character of `text` beyond ASCII stays. */
static void clean(char *value, bool text) {
    for (char *p = value; *p;) {
        int32_t c;
        size_t n = text ? utf8_next(p, strlen(p), &c) : 0;
        bool stays = n > 1 && c >= 0xa0; /* below it are controls too */
        if (!stays && ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)) *p = '_';
        p += stays ? n : 1;
    }
}

void reply_header(struct reply *r, const char *name, const char *format, ...) {
    if (r->header_count == REPLY_MAX_HEADERS) return;
    char *value = r->headers[r->header_count].value;
    va_list args;
    va_start(args, format);
    vsnprintf(value, REPLY_MAX_VALUE, format, args);
    va_end(args);
    clean(value, false);
    r->headers[r->header_count++].name = name;
}

void reply_text_header(struct reply *r, const char *name, const char *text) {
    if (r->header_count == REPLY_MAX_HEADERS) return;
    char *value = r->headers[r->header_count].value;
    snprintf(value, REPLY_MAX_VALUE, "%s", text);
    clean(value, true);
    r->headers[r->header_count++].name = name;
}

static void free_body(struct reply *r) {
    if (r->events) event_stream_destroy(r->events);
    if (r->release)
        r->release(r->owner);
    else
        buffer_free(&r->body);
    r->body = (struct buffer){0};
    r->events = NULL;
    r->release = NULL;
}

bool reply_has_header(const struct reply *r, const char *name) {
    for (int i = 0; i < r->header_count; i++)
        if (strcmp(r->headers[i].name, name) == 0) return true;
    return false;
}

void reply_body(struct reply *r, int status, const char *content_type, struct buffer *body) {
    free_body(r);
    r->status = status;
    r->body = *body;
    *body = (struct buffer){0};
    reply_header(r, "Content-Type", "%s", content_type);
}

void reply_shared(struct reply *r, int status, const char *content_type, const struct buffer *body,
                  void (*release)(void *owner), void *owner) {
    struct buffer borrowed = *body;
    reply_body(r, status, content_type, &borrowed);
    r->release = release;
    r->owner = owner;
}

void reply_nothing(struct reply *r) {
    reply_free(r);
    r->status = 204;
}

void reply_events(struct reply *r, struct event_stream *events) {
    struct buffer nothing = {0};
    reply_body(r, 200, "text/event-stream", &nothing);
    reply_header(r, "X-Accel-Buffering", "no"); /* nginx: hand on every event as it comes */
    r->events = events;
}

void reply_json(struct reply *r, int status, json_t *json) {
    struct buffer body = {0};
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(json);
    if (text) buffer_append(&body, text, strlen(text), NULL);
    free(text);
    if (!body.size) /* the status still says what there is to say */
        buffer_printf(
            &body,
            "{\"error\":\"gpu_oom\",\"detail\":\"no memory for the answer\",\"request_id\":\"\"}");
    reply_body(r, status, "application/json", &body);
}

void reply_error_json(struct reply *r, enum http_error e, const char *request_id,
                      const char *detail, json_t *json) {
    const struct http_error_kind *kind = http_error_kind(e);
    reply_free(r);
    /* An object keeps its order: the three keys come first. */
    json_t *all = json_pack("{s:s, s:s, s:s}", "error", kind->code, "detail", detail, "request_id",
                            request_id);
    if (all && json) json_object_update(all, json);
    json_decref(json);
    reply_json(r, kind->status, all);
    if (kind->retry_after) reply_header(r, "Retry-After", "%d", kind->retry_after);
    if (e == HTTP_UNAUTHORIZED) reply_header(r, "WWW-Authenticate", "Bearer realm=\"firered\"");
}

void reply_error(struct reply *r, enum http_error e, const char *request_id, const char *detail) {
    reply_error_json(r, e, request_id, detail, NULL);
}

/* The response that the body or the events become; they are its own then, whatever comes of it. */
static struct MHD_Response *make_response(struct reply *r, struct MHD_Connection *connection) {
    struct reply given = *r;
    r->body = (struct buffer){0};
    r->events = NULL;
    r->release = NULL;
    if (given.events) return event_stream_response(given.events, connection);
    if (!given.body.size && !given.release)
        return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response =
        given.release ? MHD_create_response_from_buffer_with_free_callback_cls(
                            given.body.size, given.body.data, given.release, given.owner)
                      : MHD_create_response_from_buffer(given.body.size, given.body.data,
                                                        MHD_RESPMEM_MUST_FREE);
    if (!response) free_body(&given);
    return response;
}

enum MHD_Result reply_queue(struct reply *r, struct MHD_Connection *connection) {
    struct MHD_Response *response = make_response(r, connection);
    if (!response) return MHD_NO;
    for (int i = 0; i < r->header_count; i++)
        MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return queued;
}

static const char *reason(int status) {
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
    }
}

void reply_write(struct reply *r, int fd, bool with_body) {
    struct buffer out = {0};
    char date[64];
    struct tm utc;
    time_t now = time(NULL);
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    buffer_printf(&out,
                  "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\nContent-Length: %zu\r\n",
                  r->status, reason(r->status), date, r->body.size);
    for (int i = 0; i < r->header_count; i++)
        buffer_printf(&out, "%s: %s\r\n", r->headers[i].name, r->headers[i].value);
    buffer_append(&out, "\r\n", 2, NULL);
    if (with_body) buffer_append(&out, r->body.data, r->body.size, NULL);
    ssize_t wrote = out.data ? send(fd, out.data, out.size, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    (void)wrote; /* nobody is left to be told */
    buffer_free(&out);
}

void reply_free(struct reply *r) {
    free_body(r);
    *r = (struct reply){0};
}
