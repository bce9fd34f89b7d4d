/*
 * The library calls dispatch_request at least twice for a request: when its head is complete, for
 * every piece of its body, and when the body has ended; after a suspension once more.  A request
 * that is refused early is usually read to its end before it is answered, which keeps the
 * connection.  Where that would cost too much (a long body, an endless one, or a client that asked
 * with Expect: 100-continue before sending it), the answer is written to the socket at once and the
 * connection closed: the library itself cannot answer while a body is coming.
 *
 * In the call that tells of a body's end the library is still set on reading, and stays so when the
 * connection is suspended then: back from that it would read before it asks for the answer, and take
 * the end of the client's sending half for its leaving.  So nothing is decided in that call.  The
 * next one comes at once, and finds a library that waits for us.
 */
#include "http/dispatch.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "http/auth.h"
#include "http/framing.h"
#include "http/routes.h"

/* OPTIONS, from a browser that asks before it lets a page call, or from anybody else. */
static void answer_options(struct request *r) {
    char allow[ROUTE_ALLOW_SIZE];
    route_allow(r->server->more_routes, r->route, allow);
    reply_nothing(&r->reply);
    reply_header(&r->reply, "Allow", "%s", allow);
    if (!cors_allows(r->server->config->cors_origins, request_header(r, "Origin"))) return;
    reply_header(&r->reply, "Access-Control-Allow-Methods", "%s", allow);
    const char *asked = request_header(r, "Access-Control-Request-Headers");
    reply_header(&r->reply, "Access-Control-Allow-Headers", "%s%s%s",
                 "Authorization, Content-Type, X-API-Key, X-Request-ID", asked ? ", " : "",
                 asked ? asked : "");
    reply_header(&r->reply, "Access-Control-Max-Age", "600");
}

/* Links from elsewhere may be followed. */
static bool changes_something(const struct request *r) {
    return !request_is(r, "GET") && !request_is(r, "HEAD");
}

/* A path that is nearly one of ours gets told which. */
static void refuse_path(struct request *r) {
    char detail[160];
    const char *meant = route_meant(r->server->more_routes, r->path);
    if (meant)
        snprintf(detail, sizeof detail, "there is nothing at this path; did you mean %s?", meant);
    else
        snprintf(detail, sizeof detail, "there is nothing at this path; see GET /docs");
    request_refuse(r, HTTP_NOT_FOUND, detail);
}

/* One header of a request.  The blanks behind its value are no part of it: they are cut from the
 * library's copy, which is its request's own. */
static enum MHD_Result frame(void *cls, enum MHD_ValueKind kind, const char *name,
                             const char *value) {
    (void)kind;
    char *v = (char *)(value ? value : "");
    size_t n = strlen(v);
    framing_header(cls, name, strlen(name), v, n);
    while (n && (v[n - 1] == ' ' || v[n - 1] == '\t')) v[--n] = '\0';
    return MHD_YES;
}

/* Before any byte of the body.  NULL: the head says one thing only.  Else the connection has to
 * close, since where its next request begins is anybody's guess. */
static const char *judge_framing(struct MHD_Connection *connection, const char *version,
                                 const char *url) {
    struct framing framing = {.old = strcmp(version, "HTTP/1.0") == 0};
    MHD_get_connection_values(connection, MHD_HEADER_KIND, frame, &framing);
    const char *wrong = framing_wrong(&framing);
    return !wrong && strstr(url, "%00") ? "the path has a NUL in it" : wrong;
}

static enum MHD_Result find_coding(void *cls, enum MHD_ValueKind kind, const char *name,
                                   const char *value) {
    bool *coded = cls;
    (void)kind;
    if (strcasecmp(name, "Content-Encoding") == 0 && value && *value)
        *coded |= strcasecmp(value, "identity") != 0;
    return MHD_YES;
}

/* Whether any of its codings (there may be several headers) is one. */
static bool is_encoded(const struct request *r) {
    bool coded = false;
    MHD_get_connection_values(r->connection, MHD_HEADER_KIND, find_coding, &coded);
    return coded;
}

/* What can be said from the head alone; sets the reply where that is all there is to say. */
static void judge_head(struct request *r) {
    if (!r->route->probe &&
        !host_allowed(r->server->config->allowed_hosts, request_header(r, "Host")))
        request_refuse(r, HTTP_FORBIDDEN,
                       "this server is not to be called by that name; ALLOWED_HOSTS has those that "
                       "it goes by");
    else if (request_is(r, "OPTIONS") && strcmp(r->path, "*") == 0)
        answer_options(r); /* NOLINT(bugprone-branch-clone): what is first is said */
    else if (r->route == &route_unknown)
        refuse_path(r);
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
    else if (changes_something(r) &&
             is_cross_site(r->server->config->cors_origins, request_header(r, "Sec-Fetch-Site"),
                           request_header(r, "Origin"), request_header(r, "Host")))
        request_refuse(
            r, HTTP_FORBIDDEN,
            "a browser sent this from a page of another site; CORS_ORIGINS can allow that site");
    else if (r->route->body && is_encoded(r))
        request_refuse(r, HTTP_UNSUPPORTED_MEDIA_TYPE,
                       "the body is compressed; send it as it is, without Content-Encoding");
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

/* Every header that the answer has: which of them a page may see is not ours to choose. */
static void expose_headers(struct reply *reply) {
    char names[REPLY_MAX_VALUE] = "";
    for (int i = 0; i < reply->header_count; i++) {
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", reply->headers[i].name);
    }
    reply_header(reply, "Access-Control-Expose-Headers", "%s", names);
}

/* The headers that every answer has. */
static void add_common_headers(struct request *r) {
    const char *origins = r->server->config->cors_origins, *origin = request_header(r, "Origin");
    const char *allowed = cors_allows(origins, origin);
    reply_header(&r->reply, "X-Request-ID", "%s", r->id);
    if (!reply_has_header(&r->reply, "Cache-Control"))
        reply_header(&r->reply, "Cache-Control", "no-store");
    reply_header(&r->reply, "X-Content-Type-Options", "nosniff");
    if (allowed) expose_headers(&r->reply);
    if (allowed) reply_header(&r->reply, "Access-Control-Allow-Origin", "%s", allowed);
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
    struct request *r = *request;
    if (!r) {
        const union MHD_ConnectionInfo *client =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        if (client && client_is_refused(client->socket_context)) return MHD_NO;
        const char *wrong = judge_framing(connection, version, url);
        r = *request = request_create(cls, connection, url, method);
        if (!r) return MHD_NO;
        client_allow(r->client, patience_for_body(r->server));
        if (wrong) request_refuse(r, HTTP_INVALID_REQUEST, wrong);
        if (wrong) return answer_and_close(r);
        r->may_probe = strcmp(version, "HTTP/1.1") == 0;
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
    if (r->body_bytes && !r->body_ended) {
        r->body_ended = true;
        return MHD_YES;
    }
    return end(r);
}

size_t dispatch_unescape(void *cls, struct MHD_Connection *connection, char *s) {
    (void)cls;
    (void)connection;
    char *out = s;
    for (char *p = s; *p; p++) {
        char digits[3] = {p[0] == '%' ? p[1] : 0, 0, 0}, *end = digits;
        if (digits[0]) digits[1] = p[2];
        long c = isxdigit((unsigned char)digits[0]) ? strtol(digits, &end, 16) : 0;
        bool escape = end == digits + 2 && c; /* a NUL would cut the path */
        *out++ = escape ? (char)c : *p;
        if (escape) p += 2;
    }
    *out = '\0';
    return (size_t)(out - s);
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

/* The answer to a head that is refused before the library has read it. */
static void refuse_head(struct server *server, struct client *client, int fd, enum http_error code,
                        const char *detail) {
    struct reply reply = {0};
    char id[REQUEST_ID_MAX + 1];
    request_id_choose(id, NULL);
    reply_error(&reply, code, id, detail);
    reply_header(&reply, "X-Request-ID", "%s", id);
    reply_header(&reply, "Cache-Control", "no-store");
    reply_header(&reply, "X-Content-Type-Options", "nosniff");
    metrics_request(service_metrics(server->service), route_unknown.path, reply.status, 0);
    log_event(server->log, LOG_INFO, "request", LOG_STR("request_id", id),
              LOG_INT("status", reply.status), LOG_STR("refused", detail));
    reply_write(&reply, fd, true);
    reply_free(&reply);
    client_refuse(client);
}

/* At what has come of a connection's first head, which stays for the library to read.  The listener
 * hands on a connection when its first bytes are there (TCP_DEFER_ACCEPT). */
static void look_at_first_head(struct server *server, struct client *client, int fd) {
    char bytes[32768];
    enum http_error code;
    const char *detail;
    ssize_t size = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    size_t max =
        server->limits.head_bytes < sizeof bytes ? server->limits.head_bytes : sizeof bytes;
    if (size > 0 && !framing_look(bytes, (size_t)size, max, &code, &detail))
        refuse_head(server, client, fd, code, detail);
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
    look_at_first_head(server, *client, fd->connect_fd);
}
