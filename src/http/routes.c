/*
 * The library calls routes_on_request at least twice for a request: when its head is complete, for
 * every piece of its body, and when the body has ended; after a suspension once more.  A request
 * that is refused early is usually read to its end before it is answered, which keeps the
 * connection.  Where that would cost too much (a long body, an endless one, or a client that asked
 * with Expect: 100-continue before sending it), the answer is written to the socket at once and the
 * connection closed: the library itself cannot answer while a body is coming.
 */
#include "http/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "http/auth.h"
#include "http/edit_route.h"
#include "http/form.h"
#include "http/job_routes.h"
#include "http/openai_reply.h"
#include "http/openai_routes.h"
#include "http/pages.h"
#include "http/path.h"
#include "http/web.h"

struct route {
    const char *path;               /* "{id}" stands for one segment, told in request.id_in_path */
    const char *allow;              /* the Allow header */
    bool open;                      /* needs no key */
    void (*get)(struct request *r); /* and HEAD; NULL: not taken, as below */
    bool (*post)(struct request *r, struct edit_order *order); /* of edit_route.h */
    void (*delete)(struct request *r);
    const struct edit_form_kind *form; /* of a post */
    bool openai;                       /* errors are in OpenAI's shape */
};

static const char allow_get[] = "GET, HEAD, OPTIONS", allow_post[] = "POST, OPTIONS",
                  allow_job[] = "GET, HEAD, DELETE, OPTIONS";

static const struct route route_table[] = {
    {"/edit", allow_post, .post = edit_submit, .form = &edit_form_plain},
    {"/v1/jobs", allow_post, .post = job_submit, .form = &edit_form_plain},
    {"/v1/jobs/{id}", allow_job, .get = job_show, .delete = job_delete},
    {"/v1/jobs/{id}/events", allow_get, .get = job_events},
    {"/v1/jobs/{id}/result", allow_get, .get = job_result},
    {"/v1/images/edits", allow_post, .post = image_edits_submit, .form = &edit_form_openai,
     .openai = true},
    {"/v1/models", allow_get, .get = models_list, .openai = true},
    {"/v1/models/{rest}", allow_get, .get = models_show, .openai = true},
    {"/health", allow_get, .open = true, .get = page_health},
    {"/ready", allow_get, .open = true, .get = page_ready},
    {"/metrics", allow_get, .get = page_metrics},
    {"/info", allow_get, .get = page_info},
    {"/openapi.json", allow_get, .get = page_openapi},
    {"/docs", allow_get, .get = page_docs},
};

/* What every unknown path counts as: a client must not be able to add names to the metrics. */
static const struct route unknown_route = {"unknown", "", .open = true};

/* The page's files count as one. */
static const struct route web_route = {"/", allow_get, .open = true, .get = page_web};

static const struct route *find_route(const char *url, char id[ID_IN_PATH_ROOM]) {
    id[0] = '\0';
    if (web_has(url)) return &web_route;
    for (size_t i = 0; i < sizeof route_table / sizeof *route_table; i++)
        if (path_matches(route_table[i].path, url, id)) return &route_table[i];
    return &unknown_route;
}

const char *request_header(const struct request *r, const char *name) {
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

void request_refuse(struct request *r, enum http_error e, const char *detail) {
    if (r->route->openai)
        openai_reply_error(&r->reply, e, r->id, detail, r->wrong_field);
    else
        reply_error(&r->reply, e, r->id, detail);
    if (e == HTTP_METHOD_NOT_ALLOWED) reply_header(&r->reply, "Allow", "%s", r->route->allow);
}

static bool is_method(const struct request *r, const char *method) {
    return strcmp(r->method, method) == 0;
}

static bool takes_method(const struct request *r) {
    if (is_method(r, "GET") || is_method(r, "HEAD")) return r->route->get;
    if (is_method(r, "POST")) return r->route->post;
    return is_method(r, "DELETE") && r->route->delete;
}

/* OPTIONS, from a browser that asks before it lets a page call, or from anybody else. */
static void answer_options(struct request *r) {
    reply_nothing(&r->reply);
    reply_header(&r->reply, "Allow", "%s", r->route->allow);
    if (!cors_allows(r->server->config->cors_origins, request_header(r, "Origin"))) return;
    reply_header(&r->reply, "Access-Control-Allow-Methods", "%s", r->route->allow);
    reply_header(&r->reply, "Access-Control-Allow-Headers",
                 "Authorization, Content-Type, X-API-Key, X-Request-ID");
    reply_header(&r->reply, "Access-Control-Max-Age", "600");
}

/* What can be said from the head alone; sets the reply where that is all there is to say. */
static void judge_head(struct request *r) {
    const char *length = request_header(r, "Content-Length"),
               *coding = request_header(r, "Transfer-Encoding");
    if (length && coding)
        request_refuse(r, HTTP_INVALID_REQUEST,
                       "Content-Length and Transfer-Encoding exclude each other");
    else if (coding && strcasecmp(coding, "chunked") != 0)
        request_refuse(r, HTTP_INVALID_REQUEST,
                       "the only Transfer-Encoding that is understood is chunked");
    else if (r->route == &unknown_route)
        request_refuse(r, HTTP_NOT_FOUND, "there is nothing at this path; see GET /docs");
    else if (is_method(r, "OPTIONS"))
        answer_options(r);
    else if (!takes_method(r))
        request_refuse(r, HTTP_METHOD_NOT_ALLOWED,
                       "this path does not take that method; see the Allow header");
    else if (!r->route->open &&
             !auth_allows(r->server->config->api_key, request_header(r, "Authorization"),
                          request_header(r, "X-API-Key")))
        request_refuse(r, HTTP_UNAUTHORIZED,
                       "send the server's key as Authorization: Bearer KEY or X-API-Key: KEY");
    else if (is_method(r, "POST"))
        edit_begin(r, r->route->form);
}

/* Whether a refused request has a body that is not worth reading to its end. */
static bool is_costly(const struct request *r) {
    const char *length = request_header(r, "Content-Length"), *expect = request_header(r, "Expect");
    const char *coding = request_header(r, "Transfer-Encoding");
    uint64_t size = 0;
    if (coding) return length || expect || strcasecmp(coding, "chunked") != 0;
    if (!length) return false;
    if (!form_unsigned(length, strlen(length), UINT64_MAX, &size)) return true;
    return size > r->server->limits.drain_bytes || (size > 0 && expect);
}

/* The headers that every answer has. */
static void add_common_headers(struct request *r) {
    const char *origins = r->server->config->cors_origins, *origin = request_header(r, "Origin");
    const char *allowed = cors_allows(origins, origin);
    reply_header(&r->reply, "X-Request-ID", "%s", r->id);
    if (!reply_has_header(&r->reply, "Cache-Control"))
        reply_header(&r->reply, "Cache-Control", "no-store");
    reply_header(&r->reply, "X-Content-Type-Options", "nosniff");
    if (allowed) {
        reply_header(&r->reply, "Access-Control-Allow-Origin", "%s", allowed);
        reply_header(&r->reply, "Access-Control-Expose-Headers",
                     "Location, X-Request-ID, X-Seed, X-Steps, X-Guidance-Scale, X-Model, "
                     "Server-Timing, Retry-After");
    }
    if (origins && strcmp(origins, "*") != 0) reply_header(&r->reply, "Vary", "Origin");
}

static void count_answer(struct request *r, int status) {
    r->answered = status;
    r->answer_seconds = clock_seconds(r->arrival, clock_now());
    metrics_request(service_metrics(r->server->service), r->route->path, status, r->answer_seconds);
}

static enum MHD_Result answer(struct request *r) {
    add_common_headers(r);
    r->reply_bytes = r->reply.body.size;
    /* A stream of events lasts as long as what it tells of. */
    double patience = r->server->limits.reply_seconds;
    if (r->reply.events)
        patience += r->server->config->timeout_seconds * (r->images ? EDIT_MOST_COUNT : 1);
    client_allow(r->client, patience);
    /* Counted before the first byte leaves: a client that has its answer finds it in the metrics.
     */
    count_answer(r, r->reply.status);
    return reply_queue(&r->reply, r->connection);
}

/* While the body is still coming; see above. */
static enum MHD_Result answer_and_close(struct request *r) {
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!fd) return MHD_NO;
    add_common_headers(r);
    r->reply_bytes = r->reply.body.size;
    count_answer(r, r->reply.status);
    reply_write(&r->reply, fd->connect_fd, !is_method(r, "HEAD"));
    client_linger(r->client);
    return MHD_NO;
}

static struct request *request_create(struct server *server, struct MHD_Connection *connection,
                                      const char *url, const char *method) {
    struct request *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    const union MHD_ConnectionInfo *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    r->server = server;
    r->connection = connection;
    r->client = client ? client->socket_context : NULL;
    r->arrival = clock_now();
    r->route = find_route(url, r->id_in_path);
    request_id_choose(r->id, request_header(r, "X-Request-ID"));
    snprintf(r->method, sizeof r->method, "%s", method);
    snprintf(r->path, sizeof r->path, "%s", url);
    atomic_fetch_add(&server->requests, 1);
    return r;
}

/* A body may take as long as a whole edit; edit_body answers then, and this is for a client that
 * sends so little that edit_body is never called. */
static double patience_for_body(const struct server *s) {
    return s->config->timeout_seconds + s->limits.silence_seconds;
}

static enum MHD_Result take_body(struct request *r, const char *data, size_t size) {
    r->body_bytes += size;
    if (!r->reply.status && r->edit) {
        edit_body(r, data, size);
        if (r->reply.status && is_costly(r)) return answer_and_close(r);
    }
    if (r->reply.status && r->body_bytes > r->server->limits.drain_bytes)
        return answer_and_close(r);
    return MHD_YES;
}

enum MHD_Result routes_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **request) {
    (void)version;
    struct request *r = *request;
    if (!r) {
        r = *request = request_create(cls, connection, url, method);
        if (!r) return MHD_NO;
        client_allow(r->client, patience_for_body(r->server));
        judge_head(r);
        return r->reply.status && is_costly(r) ? answer_and_close(r) : MHD_YES;
    }
    if (r->answered) { /* only if the library still hands on a body after the answer was queued */
        *size = 0;
        return MHD_YES;
    }
    if (*size) {
        size_t n = *size;
        *size = 0;
        return take_body(r, data, n);
    }
    if (!r->reply.status && r->images) {
        if (!image_edits_end(r)) return MHD_YES;
    } else if (!r->reply.status && r->edit) {
        if (!edit_end(r, r->route->post)) return MHD_YES;
    } else if (!r->reply.status) {
        (is_method(r, "DELETE") ? r->route->delete : r->route->get)(r);
    }
    return r->gone ? MHD_NO : answer(r);
}

static void log_request(const struct request *r) {
    struct log_field f[8 + EDIT_MOST_LOG_FIELDS];
    int n = 0;
    f[n++] = LOG_STR("request_id", r->id);
    f[n++] = LOG_STR("method", r->method);
    f[n++] = LOG_STR("route", r->route == &unknown_route ? r->path : r->route->path);
    f[n++] = LOG_INT("status", r->answered);
    f[n++] = LOG_REAL("ms", r->answer_seconds * 1e3);
    f[n++] = LOG_INT("bytes_in", r->body_bytes);
    f[n++] = LOG_INT("bytes", r->reply_bytes);
    n += edit_log_fields(r, f + n);
    log_fields(r->server->log, LOG_INFO, "request", f, (size_t)n);
}

void routes_on_completed(void *cls, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode why) {
    struct server *server = cls;
    struct request *r = *request;
    (void)connection;
    (void)why;
    if (!r) return;
    *request = NULL;
    if (!r->answered)
        count_answer(r, 499); /* nginx's number for it: the client left before the answer */
    log_request(r);
    client_allow(r->client,
                 server->limits.head_seconds); /* for the next request on this connection */
    image_edits_free(r);
    edit_free(r);
    reply_free(&r->reply);
    free(r);
    atomic_fetch_sub(&server->requests, 1);
}

void routes_on_connection(void *cls, struct MHD_Connection *connection, void **client,
                          enum MHD_ConnectionNotificationCode what) {
    struct server *server = cls;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        client_remove(*client);
        *client = NULL;
        return;
    }
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!fd) return;
    *client = client_add(server->clients, fd->connect_fd);
    client_allow(*client, server->limits.head_seconds);
}
