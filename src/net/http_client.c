/*
 * libcurl's easy interface.  The handle is kept between requests, so that they share a connection;
 * its options are set anew for each.
 */
#include "net/http_client.h"

#include <stdlib.h>
#include <string.h>

enum { BODY_LIMIT = 1 << 29, CONNECT_SECONDS = 10 };

enum status http_client_open(struct http_client *out, const char *base, const char *key,
                             struct error *err) {
    *out = (struct http_client){.curl = curl_easy_init(), .base = strdup(base)};
    struct buffer header = {0};
    enum status s = out->curl && out->base ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t n = strlen(base); s == STATUS_OK && n > 0 && base[n - 1] == '/'; n--)
        out->base[n - 1] = '\0';
    if (s == STATUS_OK && key) {
        s = buffer_printf(&header, "Authorization: Bearer %s", key);
        if (s == STATUS_OK && !(out->headers = curl_slist_append(NULL, header.data)))
            s = STATUS_NO_MEMORY;
    }
    buffer_free(&header);
    return s == STATUS_OK ? s : fail(err, s, "no memory for a connection");
}

void http_client_close(struct http_client *c) {
    curl_slist_free_all(c->headers);
    curl_easy_cleanup(c->curl);
    free(c->base);
    *c = (struct http_client){0};
}

static size_t on_bytes(char *bytes, size_t one, size_t size, void *exchange) {
    struct http_exchange *e = exchange;
    (void)one;
    if (e->sink && e->status == 200) return e->sink(e->arg, bytes, size) ? size : 0;
    if (size > BODY_LIMIT - e->body.size) return 0;
    return buffer_append(&e->body, bytes, size, NULL) == STATUS_OK ? size : 0;
}

/* The status is known with the first line, before any byte of the body. */
static size_t on_header(char *line, size_t one, size_t size, void *exchange) {
    struct http_exchange *e = exchange;
    (void)one;
    if (size > 12 && strncmp(line, "HTTP/", 5) == 0) {
        const char *space = memchr(line, ' ', size);
        e->status = space ? (int)strtol(space + 1, NULL, 10) : 0;
    }
    return size;
}

static int on_time(void *exchange, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    const struct http_exchange *e = exchange;
    (void)a, (void)b, (void)c, (void)d;
    return e->cancelled && e->cancelled(e->arg);
}

enum status http_client_run(struct http_client *c, struct http_exchange *e, struct error *err) {
    struct buffer url = {0};
    char why[CURL_ERROR_SIZE] = "";
    e->status = 0;
    if (buffer_printf(&url, "%s%s", c->base, e->path) != STATUS_OK)
        return fail(err, STATUS_NO_MEMORY, "no memory for a request");
    curl_easy_reset(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_URL, url.data);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (e->form)
        curl_easy_setopt(c->curl, CURLOPT_MIMEPOST, e->form);
    else
        curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, e->method);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
    curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "firered/" FIRERED_VERSION);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    if (e->direct) curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)(e->seconds * 1000));
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, e);
    curl_easy_setopt(c->curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, e);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, on_time);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, e);
    curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
    CURLcode code = curl_easy_perform(c->curl);
    buffer_free(&url);
    if (code == CURLE_ABORTED_BY_CALLBACK) return fail(err, STATUS_CANCELLED, "interrupted");
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && e->sink && e->status == 200))
        return STATUS_OK;
    return fail(err, STATUS_IO, "no answer from %.200s: %.250s", c->base,
                *why ? why : curl_easy_strerror(code));
}

const char *http_client_header(struct http_client *c, const char *name) {
    struct curl_header *header;
    return curl_easy_header(c->curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
               ? header->value
               : NULL;
}
