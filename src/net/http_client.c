/*
 * libcurl, one handle at a time, whose options are set anew for each request; the connection is kept
 * between them.  It runs under a multi handle, since that leaves the waiting to us: who wants to end a
 * request is asked ten times a second, where libcurl's own loop asks once.
 */
#include "net/http_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { BODY_LIMIT = 1 << 29, CONNECT_SECONDS = 10, ASK_MS = 100 };

enum status http_client_open(struct http_client *out, const char *base, const char *key,
                             struct error *err) {
    *out = (struct http_client){
        .curl = curl_easy_init(), .multi = curl_multi_init(), .base = strdup(base)};
    struct buffer header = {0};
    enum status s = out->curl && out->multi && out->base ? STATUS_OK : STATUS_NO_MEMORY;
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
    curl_multi_cleanup(c->multi);
    free(c->base);
    *c = (struct http_client){0};
}

static size_t on_bytes(char *bytes, size_t one, size_t size, void *exchange) {
    struct http_exchange *e = exchange;
    (void)one;
    e->last_byte = clock_now_seconds();
    if (e->sink && e->status == 200) return e->sink(e->arg, bytes, size) ? size : 0;
    if (size > BODY_LIMIT - e->body.size) return 0;
    return buffer_append(&e->body, bytes, size, NULL) == STATUS_OK ? size : 0;
}

/* The status is known with the first line, before any byte of the body. */
static size_t on_header(char *line, size_t one, size_t size, void *exchange) {
    struct http_exchange *e = exchange;
    (void)one;
    e->last_byte = clock_now_seconds();
    if (size > 12 && strncmp(line, "HTTP/", 5) == 0) {
        const char *space = memchr(line, ' ', size);
        e->status = space ? (int)strtol(space + 1, NULL, 10) : 0;
    }
    return size;
}

/* Upload is seen here alone. */
static bool is_silent(CURL *curl, struct http_exchange *e) {
    curl_off_t sent = 0;
    curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (sent != e->bytes) e->last_byte = clock_now_seconds();
    e->bytes = sent;
    return e->silence > 0 && clock_now_seconds() - e->last_byte >= e->silence;
}

/* Until the request has ended, one way or another. */
static CURLcode perform(struct http_client *c, struct http_exchange *e) {
    CURLcode code = CURLE_OUT_OF_MEMORY;
    int running = 1, messages;
    e->last_byte = clock_now_seconds();
    e->bytes = 0;
    if (curl_multi_add_handle(c->multi, c->curl) != CURLM_OK) return code;
    while (curl_multi_perform(c->multi, &running) == CURLM_OK && running) {
        e->silent = is_silent(c->curl, e);
        code = e->silent ? CURLE_OPERATION_TIMEDOUT : CURLE_ABORTED_BY_CALLBACK;
        if (e->silent || (e->cancelled && e->cancelled(e->arg))) break;
        code = CURLE_OUT_OF_MEMORY;
        if (curl_multi_poll(c->multi, NULL, 0, ASK_MS, NULL) != CURLM_OK) break;
    }
    const CURLMsg *message = running ? NULL : curl_multi_info_read(c->multi, &messages);
    if (message) code = message->data.result;
    curl_multi_remove_handle(c->multi, c->curl);
    return code;
}

enum status http_client_run(struct http_client *c, struct http_exchange *e, struct error *err) {
    struct buffer url = {0};
    char why[CURL_ERROR_SIZE] = "";
    e->status = 0;
    e->silent = false;
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
    CURLcode code = perform(c, e);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, NULL);
    buffer_free(&url);
    if (code == CURLE_ABORTED_BY_CALLBACK) return fail(err, STATUS_CANCELLED, "interrupted");
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && e->sink && e->status == 200))
        return STATUS_OK;
    if (e->silent)
        return fail(err, STATUS_IO, "no answer from %.200s: not a byte in %g seconds", c->base,
                    e->silence);
    return fail(err, STATUS_IO, "no answer from %.200s: %.250s", c->base,
                *why ? why : curl_easy_strerror(code));
}

const char *http_client_header(struct http_client *c, const char *name) {
    struct curl_header *header;
    return curl_easy_header(c->curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
               ? header->value
               : NULL;
}
