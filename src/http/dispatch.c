/*
 * The library calls dispatch_request at least twice for a request: when its head is complete, for
 * every piece of its body, and when the body has ended; after a suspension once more.  A request
 * that is refused early is usually read to its end before it is answered, which keeps the
 * connection.  Where that would cost too much (a long body, an endless one, or a client that asked
 * with Expect: 100-continue before sending it), the answer is written to the socket at once and the
 * connection closed: the library itself cannot answer while a body is coming.
 */
#include "http/dispatch.h"

#include <string.h>
#include <strings.h>

#include "http/auth.h"
#include "http/routes.h"

/* OPTIONS, from a browser that asks before it lets a page call, or from anybody else. */
static void answer_options(struct request *r) {
    char allow[ROUTE_ALLOW_SIZE];
    route_allow(r->server->more_routes, r->route, allow);
    reply_nothing(&r->reply);
    reply_header(&r->reply, "Allow", "%s", allow);
    if (!cors_allows(r->server->config->cors_origins, request_header(r, "Origin"))) return;
    reply_header(&r->reply, "Access-Control-Allow-Methods", "%s", allow);
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
    else if (r->route == &route_unknown)
        request_refuse(r, HTTP_NOT_FOUND, "there is nothing at this path; see GET /docs");
    else if (request_is(r, "OPTIONS"))
        answer_options(r);
    else if (!route_takes(r->route, r->method))
        request_refuse(r, HTTP_METHOD_NOT_ALLOWED,
                       "this path does not take that method; see the Allow header");
    else if (!r->route->open &&
             !auth_allows(r->server->config->api_key, request_header(r, "Authorization"),
                          request_header(r, "X-API-Key")))
        request_refuse(r, HTTP_UNAUTHORIZED,
                       "send the server's key as Authorization: Bearer KEY or X-API-Key: KEY");
    else if (r->route->begin)
        r->route->begin(r);
}

/* Whether a refused request has a body that is not worth reading to its end. */
static bool is_costly(const struct request *r) {
    const char *length = request_header(r, "Content-Length"), *expect = request_header(r, "Expect");
    const char *coding = request_header(r, "Transfer-Encoding");
    uint64_t size = 0;
    if (coding) return length || expect || strcasecmp(coding, "chunked") != 0;
    if (!length) return false;
    if (!request_length(r, &size)) return true;
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

static enum MHD_Result answer(struct request *r) {
    add_common_headers(r);
    client_allow(r->client, r->server->limits.reply_seconds + r->stream_seconds);
    /* Counted before the first byte leaves: a client that has its answer finds it in the metrics.
     */
    request_answered(r, r->reply.status);
    return reply_queue(&r->reply, r->connection);
}

/* While the body is still coming; see above. */
static enum MHD_Result answer_and_close(struct request *r) {
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!fd) return MHD_NO;
    add_common_headers(r);
    request_answered(r, r->reply.status);
    reply_write(&r->reply, fd->connect_fd, !request_is(r, "HEAD"));
    client_linger(r->client);
    return MHD_NO;
}

/* A body may take as long as a whole edit; upload_body answers then, and this is for a client that
 * sends so little that it is never called. */
static double patience_for_body(const struct server *s) {
    return s->config->timeout_seconds + s->limits.silence_seconds;
}

static enum MHD_Result take_body(struct request *r, const char *data, size_t size) {
    r->body_bytes += size;
    if (!r->reply.status && r->route->body) {
        r->route->body(r, data, size);
        if (r->reply.status && is_costly(r)) return answer_and_close(r);
    }
    if (r->reply.status && r->body_bytes > r->server->limits.drain_bytes)
        return answer_and_close(r);
    return MHD_YES;
}

/* The request is complete: the route answers, or waits. */
static enum MHD_Result end(struct request *r) {
    r->suspended = false;
    if (!r->reply.status) r->route->end(r);
    if (r->suspended) return MHD_YES;
    return r->gone ? MHD_NO : answer(r);
}

enum MHD_Result dispatch_request(void *cls, struct MHD_Connection *connection, const char *url,
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
    return end(r);
}

void dispatch_completed(void *cls, struct MHD_Connection *connection, void **request,
                        enum MHD_RequestTerminationCode why) {
    (void)cls;
    struct request *r = *request;
    (void)connection;
    (void)why;
    if (!r) return;
    *request = NULL;
    if (!r->answered)
        request_answered(r, 499); /* nginx's number for it: the client left before the answer */
    request_destroy(r);
}

void dispatch_connection(void *cls, struct MHD_Connection *connection, void **client,
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
