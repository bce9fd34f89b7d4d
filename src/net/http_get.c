/*
 * A request is one curl_easy_perform: the handle is set up anew each time and keeps only its
 * connections.  The head counts as complete with the first byte of the body, or with the end of an
 * answer that has none; the caller sees it before anything else.
 */
#include "net/http_get.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"

enum { SLOW_BYTES = 1024, PIECE_BYTES = 512 << 10 };

struct http_connection {
    CURL *curl;
    struct http_get *get; /* the request that is running */
    bool head_seen;
};

static const char *either(const char *small, const char *large) {
    const char *value = getenv(small);
    if (!value) value = getenv(large);
    return value && *value ? value : NULL;
}

static const char *filled(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

void http_route_read(struct http_route *out) {
    *out = (struct http_route){
        .http_proxy = either("http_proxy", "HTTP_PROXY"),
        .https_proxy = either("https_proxy", "HTTPS_PROXY"),
        .all_proxy = either("all_proxy", "ALL_PROXY"),
        .no_proxy = either("no_proxy", "NO_PROXY"),
        .ca_file = filled("SSL_CERT_FILE"),
        .ca_folder = filled("SSL_CERT_DIR"),
    };
    if (out->ca_file || out->ca_folder) return;
    const char *bundle = filled("REQUESTS_CA_BUNDLE");
    struct stat st;
    if (!bundle) bundle = filled("CURL_CA_BUNDLE");
    if (bundle && stat(bundle, &st) == 0 && S_ISDIR(st.st_mode))
        out->ca_folder = bundle;
    else
        out->ca_file = bundle;
}

enum status http_connection_open(struct http_connection **out, struct error *err) {
    struct http_connection *c = calloc(1, sizeof *c);
    if (c) c->curl = curl_easy_init();
    if (!c || !c->curl) {
        free(c);
        *out = NULL;
        return fail(err, STATUS_NO_MEMORY, "no memory for a connection");
    }
    *out = c;
    return STATUS_OK;
}

void http_connection_close(struct http_connection *c) {
    if (!c) return;
    curl_easy_cleanup(c->curl);
    free(c);
}

const char *http_get_header(struct http_connection *c, const char *name) {
    struct curl_header *header;
    return curl_easy_header(c->curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
               ? header->value
               : NULL;
}

const char *http_get_number(const char *text, uint64_t *out) {
    char *end;
    if (*text < '0' || *text > '9') return NULL;
    *out = strtoull(text, &end, 10);
    return end;
}

/* "bytes 0-9/10"; the last number may be "*". */
static void see_range(struct http_get *get, const char *range) {
    static const char unit[] = "bytes ";
    uint64_t last;
    if (strncmp(range, unit, sizeof unit - 1) != 0) return;
    const char *rest = http_get_number(range + sizeof unit - 1, &get->range_from);
    if (rest && *rest == '-')
        rest = http_get_number(rest + 1, &last);
    else
        rest = NULL;
    get->has_range = rest != NULL;
    if (rest && *rest == '/') (void)http_get_number(rest + 1, &get->range_total);
}

/* Fills in what the head says, once, and asks the caller whether to go on. */
static bool see_head(struct http_connection *c) {
    struct http_get *get = c->get;
    long status = 0;
    if (c->head_seen) return true;
    c->head_seen = true;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    get->status = (int)status;
    const char *length = http_get_header(c, "Content-Length");
    const char *range = http_get_header(c, "Content-Range");
    if (length) get->has_length = http_get_number(length, &get->length) != NULL;
    if (range) {
        see_range(get, range);
    }
    return !get->head || get->head(get->arg, get);
}

static size_t on_body(char *bytes, size_t one, size_t size, void *connection) {
    struct http_connection *c = connection;
    (void)one;
    if (see_head(c) && (!c->get->body || c->get->body(c->get->arg, bytes, size))) return size;
    c->get->end = HTTP_GET_STOPPED;
    return size + 1; /* ends the request */
}

static int on_time(void *connection, curl_off_t a, curl_off_t b, curl_off_t d, curl_off_t e) {
    struct http_get *get = ((struct http_connection *)connection)->get;
    (void)a, (void)b, (void)d, (void)e;
    return get->cancelled && get->cancelled(get->arg);
}

static void set_route(CURL *curl, const struct http_get *get) {
    const struct http_route *r = get->route;
    const char *proxy = http_is_secure(get->url) ? r->https_proxy : r->http_proxy;
    if (!proxy) proxy = r->all_proxy;
    curl_easy_setopt(curl, CURLOPT_PROXY, proxy ? proxy : "");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, r->no_proxy ? r->no_proxy : "");
    if (r->ca_file) curl_easy_setopt(curl, CURLOPT_CAINFO, r->ca_file);
    if (r->ca_folder) curl_easy_setopt(curl, CURLOPT_CAPATH, r->ca_folder);
    if (r->ca_folder && !r->ca_file) curl_easy_setopt(curl, CURLOPT_CAINFO, NULL);
}

static void set_request(struct http_connection *c, const char *range, struct curl_slist *headers) {
    struct http_get *get = c->get;
    CURL *curl = c->curl;
    long seconds = get->seconds < 1 ? 1 : (long)get->seconds;
    curl_easy_setopt(curl, CURLOPT_URL, get->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOBODY, (long)get->only_head);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "firered/" FIRERED_VERSION);
    if (get->ranged) curl_easy_setopt(curl, CURLOPT_RANGE, range);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, seconds);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, seconds);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)PIECE_BYTES);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_time);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    set_route(curl, get);
}

static enum http_get_end end_of(CURL *curl, CURLcode code) {
    long proxy = 0;
    curl_easy_getinfo(curl, CURLINFO_HTTP_CONNECTCODE, &proxy);
    if (code != CURLE_OK && proxy >= 400 && proxy < 500) return HTTP_GET_IMPOSSIBLE;
    switch (code) {
    case CURLE_OK: return HTTP_GET_WHOLE;
    case CURLE_ABORTED_BY_CALLBACK: return HTTP_GET_CANCELLED;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR: return HTTP_GET_CERTIFICATE;
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
    case CURLE_COULDNT_RESOLVE_PROXY: return HTTP_GET_IMPOSSIBLE;
    default: return HTTP_GET_BROKEN;
    }
}

void http_get_run(struct http_connection *c, struct http_get *get) {
    char why[CURL_ERROR_SIZE] = "", range[48];
    struct buffer bearer = {0};
    struct curl_slist *headers = curl_slist_append(NULL, "Accept-Encoding: identity");
    get->status = 0;
    get->has_length = get->has_range = false;
    get->length = get->range_from = get->range_total = 0;
    get->end = HTTP_GET_WHOLE;
    c->get = get;
    c->head_seen = false;
    if (get->token && buffer_printf(&bearer, "Authorization: Bearer %s", get->token) == STATUS_OK) {
        struct curl_slist *more = curl_slist_append(headers, bearer.data);
        if (more) headers = more;
    }
    snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, get->from, get->to);
    curl_easy_reset(c->curl);
    set_request(c, range, headers);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, why);
    CURLcode code = curl_easy_perform(c->curl);
    if (get->end != HTTP_GET_STOPPED) get->end = end_of(c->curl, code);
    if (get->end == HTTP_GET_WHOLE && !see_head(c)) get->end = HTTP_GET_STOPPED;
    snprintf(get->why, sizeof get->why, "%s",
             code == CURLE_OK ? ""
             : *why           ? why
                              : curl_easy_strerror(code));
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    buffer_free(&bearer);
}

static char *part(CURLU *url, CURLUPart which) {
    char *text = NULL;
    return curl_url_get(url, which, &text, CURLU_DEFAULT_PORT) == CURLUE_OK ? text : NULL;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart which) {
    char *one = part(a, which), *two = part(b, which);
    bool same = one && two && curl_strequal(one, two);
    curl_free(one);
    curl_free(two);
    return same;
}

bool http_same_origin(const char *a, const char *b) {
    CURLU *one = curl_url(), *two = curl_url();
    bool same = one && two && curl_url_set(one, CURLUPART_URL, a, 0) == CURLUE_OK &&
                curl_url_set(two, CURLUPART_URL, b, 0) == CURLUE_OK &&
                same_part(one, two, CURLUPART_SCHEME) && same_part(one, two, CURLUPART_HOST) &&
                same_part(one, two, CURLUPART_PORT);
    curl_url_cleanup(one);
    curl_url_cleanup(two);
    return same;
}

bool http_is_secure(const char *url) {
    return curl_strnequal(url, "https:", 6) != 0;
}

char *http_join(const char *url, const char *location) {
    CURLU *u = curl_url();
    char *text = NULL, *out = NULL;
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_set(u, CURLUPART_URL, location, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK &&
        (curl_strnequal(text, "http://", 7) || curl_strnequal(text, "https://", 8)))
        out = strdup(text);
    curl_free(text);
    curl_url_cleanup(u);
    return out;
}
