/*
 * http_get.h - one GET or HEAD as it goes on: the head before the body, the body piece by piece,
 * nothing followed and nothing tried again behind the caller's back.
 *
 *     struct http_get get = {.url = url, .route = &route, .seconds = 10, .body = take, .arg = me};
 *     http_get_run(connection, &get);
 *     if (get.end == HTTP_GET_WHOLE && get.status == 206) ...
 *
 * A connection is kept from one request to the next where the server lets it.  It belongs to one
 * thread at a time.  Bodies come as they are stored: no compression is asked for.
 */
#ifndef NET_HTTP_GET_H
#define NET_HTTP_GET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"

/* The way out of this machine, as the environment names it; the texts are the environment's. */
struct http_route {
    const char *http_proxy, *https_proxy, *all_proxy, *no_proxy; /* NULL: none */
    const char *ca_file, *ca_folder; /* whom to trust; NULL: whom the system trusts */
};

/* HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, where the name in small letters wins even when
 * it is empty; SSL_CERT_FILE and SSL_CERT_DIR, else REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, each of
 * which may be a file or a folder. */
void http_route_read(struct http_route *out);

enum http_get_end {
    HTTP_GET_WHOLE,       /* the head, and all of the body that it promised */
    HTTP_GET_STOPPED,     /* `head` or `body` said false */
    HTTP_GET_CANCELLED,   /* `cancelled` said true */
    HTTP_GET_BROKEN,      /* no answer, or it broke off, or it was too slow: may be tried again */
    HTTP_GET_CERTIFICATE, /* the other side is not who it says */
    HTTP_GET_IMPOSSIBLE,  /* the URL, the proxy or a file of certificates is no good */
};

struct http_get {
    const char *url;
    bool only_head;    /* HEAD */
    const char *token; /* goes along as a bearer token; NULL: none does */
    bool ranged;       /* asks for the bytes `from` .. `to`, both included */
    uint64_t from, to;
    const struct http_route *route;
    double seconds; /* to connect in; and less than 1 KB/s for as long breaks the request off */
    bool (*head)(void *arg, struct http_get *get); /* the head is there; may be NULL */
    bool (*body)(void *arg, const char *bytes, size_t size);
    bool (*cancelled)(void *arg); /* asked about once a second and oftener; may be NULL */
    void *arg;

    int status;                       /* of the answer; 0: there was none */
    bool has_length, has_range;       /* of the answer's head */
    uint64_t length;                  /* Content-Length */
    uint64_t range_from, range_total; /* Content-Range; the total is 0 where it is `*` */
    enum http_get_end end;
    char why[256]; /* of an end that is a failure: what happened, for a sentence */
};

struct http_connection;

/* STATUS_NO_MEMORY.  Closing accepts NULL. */
enum status http_connection_open(struct http_connection **out, struct error *err);
void http_connection_close(struct http_connection *c);

void http_get_run(struct http_connection *c, struct http_get *get);

/* A header of the last answer, inside `head` and after the end; NULL where there is none.  Lasts
 * until the next request. */
const char *http_get_header(struct http_connection *c, const char *name);

/* The whole number that a header's value, or a part of one, begins with, goes to *out.  Returns what
 * comes after it; NULL, and *out is as it was, where there is none. */
const char *http_get_number(const char *text, uint64_t *out);

/* Whether both URLs have the same scheme, host and port. */
bool http_same_origin(const char *a, const char *b);

/* Whether `url` is one of https. */
bool http_is_secure(const char *url);

/* Where `location`, as an answer to a request for `url`, leads: an absolute http or https URL, to
 * be freed by the caller; NULL when it leads to none. */
char *http_join(const char *url, const char *location);

#endif
