/*
 * http_client.h - one connection to an HTTP server, one request at a time.
 *
 * It knows nothing of terminals, signals or of what the server is: who wants to end a request early
 * says so by `cancelled`, and what an answer means is the caller's.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "firered/status.h"

struct http_client {
    CURL *curl;
    CURLM *multi; /* keeps the connection */
    char *base;   /* the server's URL, without a slash at the end */
    struct curl_slist *headers;
};

struct http_exchange {
    const char *method, *path; /* path: from the server's URL on, with its slash */
    curl_mime *form;           /* the body, or NULL; stays the caller's */
    double seconds;            /* how long the whole may take; 0: as long as it takes */
    double silence;            /* how long without a byte either way; 0: any time */
    bool direct;               /* past any proxy that the environment names */
    /* Takes what arrives of a 200 in place of `body`; false ends the request, which is no error. */
    bool (*sink)(void *arg, const char *bytes, size_t size);
    /* Asked ten times a second; true ends the request with STATUS_CANCELLED.  May be NULL. */
    bool (*cancelled)(void *arg);
    void *arg; /* of both */

    int status;       /* what came back; 0: no answer */
    bool silent;      /* the request was ended for its silence */
    double last_byte; /* when one went either way, and how many had: the client's own */
    curl_off_t bytes;
    struct buffer body; /* at most 512 MiB; the caller frees it */
};

/* base: http://HOST:PORT or https://..., a path behind it is kept.  key: NULL, or what the server
 * asks for.  STATUS_NO_MEMORY.  The caller closes *out, also when it fails. */
enum status http_client_open(struct http_client *out, const char *base, const char *key,
                             struct error *err);
void http_client_close(struct http_client *c);

/* STATUS_OK: there was an answer, whatever its status.  STATUS_IO: there was none, or it took too
 * long; the sentence names the server.  STATUS_CANCELLED. */
enum status http_client_run(struct http_client *c, struct http_exchange *e, struct error *err);

/* A header of the last answer, or NULL; lasts until the next request. */
const char *http_client_header(struct http_client *c, const char *name);

#endif
