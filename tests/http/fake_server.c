/*
 * `firered serve` with the stand-in engine: the same settings from the environment, the same
 * service.  LIMIT_... change the limits that nobody wants to wait for in a test.
 *
 * FAKE_FAIL_THREAD=n: the n-th thread, from 1, cannot be started.
 *
 * It has a few routes more, which show that a route is a row and its functions, whatever it takes:
 *     POST /test/json           a JSON body, which is answered with its own length and sum
 *     PUT, DELETE /test/things/{id}   bodies that nobody reads, or none
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log_sink.h"
#include "config/options.h"
#include "http/routes.h"
#include "http/server.h"
#include "support/failing_thread.h"

/* ---- POST /test/json: {"add": [1, 2, 3]} is answered {"sum": 6, "bytes": 18} ---- */

enum { MAX_JSON_BYTES = 1000 };

static void json_begin(struct request *r) {
    r->state = calloc(1, sizeof(struct buffer));
    if (!r->state) request_refuse(r, HTTP_GPU_OOM, "memory does not suffice");
}

static void json_body(struct request *r, const char *bytes, size_t size) {
    struct buffer *body = r->state;
    if (body->size + size > MAX_JSON_BYTES)
        request_refuse(r, HTTP_PAYLOAD_TOO_LARGE, "the numbers are too many");
    else if (buffer_append(body, bytes, size, NULL) != STATUS_OK)
        request_refuse(r, HTTP_GPU_OOM, "memory does not suffice");
}

static void json_end(struct request *r) {
    const struct buffer *body = r->state;
    json_t *root = json_loadb(body->size ? body->data : "", body->size, 0, NULL), *value;
    json_int_t sum = 0;
    size_t i;
    if (!root) {
        request_refuse(r, HTTP_INVALID_REQUEST, "the body is no JSON");
        return;
    }
    json_array_foreach(json_object_get(root, "add"), i, value) sum += json_integer_value(value);
    reply_json(&r->reply, 200,
               json_pack("{s:I, s:I}", "sum", sum, "bytes", (json_int_t)body->size));
    json_decref(root);
}

static int json_log(const struct request *r, struct log_field *fields) {
    fields[0] = LOG_INT("json_bytes", ((struct buffer *)r->state)->size);
    return 1;
}

static void json_free(struct request *r) {
    buffer_free(r->state);
    free(r->state);
}

/* ---- PUT and DELETE /test/things/{id} ---- */

static void thing_end(struct request *r) {
    reply_json(&r->reply, 200, json_pack("{s:s, s:s}", "id", r->id_in_path, "method", r->method));
}

static const struct route more_routes[] = {
    {"POST", "/test/json", .begin = json_begin, .body = json_body, .end = json_end, .log = json_log,
     .free = json_free},
    {"PUT", "/test/things/{id}", .end = thing_end},
    {"DELETE", "/test/things/{id}", .end = thing_end},
    {NULL, NULL, .open = false},
};

static void set_limit(int *limit, const char *name) {
    const char *value = getenv(name);
    if (value) *limit = atoi(value);
}

int main(void) {
    struct config config;
    struct args no_flags = {0};
    struct error err;
    struct limits limits = limits_default();
    const char *failing = getenv("FAKE_FAIL_THREAD");
    if (failing) threads_refuse(atoi(failing));
    set_limit(&limits.connections, "LIMIT_CONNECTIONS");
    set_limit(&limits.connections_per_address, "LIMIT_CONNECTIONS_PER_ADDRESS");
    set_limit(&limits.silence_seconds, "LIMIT_SILENCE_SECONDS");
    set_limit(&limits.head_seconds, "LIMIT_HEAD_SECONDS");
    set_limit(&limits.reply_seconds, "LIMIT_REPLY_SECONDS");
    set_limit(&limits.heartbeat_seconds, "LIMIT_HEARTBEAT_SECONDS");
    set_limit(&limits.linger_seconds, "LIMIT_LINGER_SECONDS");
    set_limit(&limits.flush_seconds, "LIMIT_FLUSH_SECONDS");
    if (config_read(&config, OPTION_SERVE, &no_flags, &err) != STATUS_OK)
        return fprintf(stderr, "%s\n", err.text), 2;
    struct log_sink sink;
    struct log log = {.min_level = config.log_level,
                      .json = config.log_format == LOG_FORMAT_JSON,
                      .fd = STDERR_FILENO,
                      .sink = &sink};
    log_sink_open(&sink, STDERR_FILENO);
    config_log(&config, &log);
    enum status s =
        server_run_with(&config, "fake", "fake-model", NULL, &limits, more_routes, &log, &err);
    config_free(&config);
    log_sink_close(&sink);
    if (s != STATUS_OK) fprintf(stderr, "firered: %s\n", err.text);
    return s == STATUS_OK ? 0 : s == STATUS_DEVICE ? 4 : 1;
}
