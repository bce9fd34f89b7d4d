/*
 * A request from its head to its log line.  How it is led through its route is dispatch.c's; here is
 * what it consists of, and what the routes ask of it.
 */
#include "http/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "config/values.h"
#include "http/openai_reply.h"
#include "http/routes.h"
#include "http/upload.h"

/* What an absolute-form target (RFC 9112 3.2.2) says beside scheme and host. */
static const char *path_of(const char *target) {
    if (strncasecmp(target, "http://", 7) != 0 && strncasecmp(target, "https://", 8) != 0)
        return target;
    const char *path = strchr(strchr(target, ':') + 3, '/');
    return path ? path : "/";
}

/* Where a proxy says that we are, if it is a path: segments of plain characters.  Anything else (a
 * host after "//", a line's end, a list) could make our own addresses point elsewhere. */
static void read_prefix(char out[PREFIX_SIZE], const char *said) {
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
    size_t n = said ? strlen(said) : 0;
    while (n && said[n - 1] == '/') n--; /* "/fire/" is "/fire" */
    out[0] = '\0';
    if (n >= PREFIX_SIZE) return;
    for (size_t at = 0, segment; at < n; at += 1 + segment) {
        segment = said[at] == '/' ? strspn(said + at + 1, plain) : 0;
        bool dots = strspn(said + at + 1, ".") >= segment; /* "", "." and ".." too */
        if (dots || (said[at + 1 + segment] && said[at + 1 + segment] != '/')) return;
    }
    memcpy(out, said ? said : "", n);
    out[n] = '\0';
}

struct request *request_create(struct server *server, struct MHD_Connection *connection,
                               const char *target, const char *method) {
    const char *path = path_of(target);
    struct request *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    const union MHD_ConnectionInfo *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    r->server = server;
    r->connection = connection;
    r->client = client ? client->socket_context : NULL;
    r->arrival = clock_now();
    r->deadline = r->arrival + (int64_t)(server->config->timeout_seconds * 1e9);
    r->route = route_find(server->more_routes, method, path, r->id_in_path);
    request_id_choose(r->id, request_header(r, "X-Request-ID"));
    read_prefix(r->prefix, request_header(r, "X-Forwarded-Prefix"));
    snprintf(r->method, sizeof r->method, "%s", method);
    snprintf(r->path, sizeof r->path, "%s", path);
    atomic_fetch_add(&server->requests, 1);
    return r;
}

bool request_is(const struct request *r, const char *method) {
    return strcmp(r->method, method) == 0;
}

const char *request_header(const struct request *r, const char *name) {
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

bool request_length(const struct request *r, uint64_t *out) {
    const char *length = request_header(r, "Content-Length");
    return length && value_uint64(length, out);
}

void request_refuse(struct request *r, enum http_error e, const char *detail) {
    char allow[ROUTE_ALLOW_SIZE];
    /* Below /v1/, doubled slashes or not, it is OpenAI's clients who call what is not there. */
    const char *path = r->path;
    while (path[0] == '/' && path[1] == '/') path++;
    bool unknown = r->route == &route_unknown && strncmp(path, "/v1/", 4) == 0;
    if (r->route->openai || unknown)
        openai_reply_error(&r->reply, e, r->id, detail, r->wrong_field);
    else
        reply_error(&r->reply, e, r->id, detail);
    if (e != HTTP_METHOD_NOT_ALLOWED) return;
    route_allow(r->server->more_routes, r->route, allow);
    reply_header(&r->reply, "Allow", "%s", allow);
}

void request_suspend(struct request *r) {
    r->suspended = true;
    MHD_suspend_connection(r->connection);
}

void request_answered(struct request *r, int status) {
    r->answered = status;
    r->answer_seconds = clock_seconds(r->arrival, clock_now());
    if (r->reply.status == status) r->reply_bytes = r->reply.body.size;
    metrics_request(service_metrics(r->server->service), r->route->path, status, r->answer_seconds);
}

static void log_request(const struct request *r) {
    struct log_field f[8 + ROUTE_MAX_LOG_FIELDS];
    int n = 0;
    f[n++] = LOG_STR("request_id", r->id);
    f[n++] = LOG_STR("method", r->method);
    f[n++] = LOG_STR("route", r->route == &route_unknown ? r->path : r->route->path);
    f[n++] = LOG_INT("status", r->answered);
    f[n++] = LOG_REAL("ms", r->answer_seconds * 1e3);
    f[n++] = LOG_INT("bytes_in", r->body_bytes);
    f[n++] = LOG_INT("bytes", r->reply_bytes);
    if (r->state && r->route->log) n += r->route->log(r, f + n);
    log_fields(r->server->log, LOG_INFO, "request", f, (size_t)n);
}

void request_destroy(struct request *r) {
    struct server *server = r->server;
    log_request(r);
    client_allow(r->client,
                 server->limits.head_seconds); /* for the next request on this connection */
    if (r->state && r->route->free) r->route->free(r);
    upload_free(r);
    reply_free(&r->reply);
    free(r);
    atomic_fetch_sub(&server->requests, 1);
}
