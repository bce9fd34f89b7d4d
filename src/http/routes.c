/*
 * The table, and the search in it: the first row whose path fits and whose method is the request's.
 * The page's files are one row, whose paths web.c knows.
 */
#include "http/routes.h"

#include <stdio.h>
#include <string.h>

#include "http/edit_route.h"
#include "http/job_routes.h"
#include "http/openai_routes.h"
#include "http/pages.h"
#include "http/upload.h"
#include "http/web.h"

static const struct route route_table[] = {
    {"POST", "/edit", .begin = edit_begin, .body = upload_body, .end = edit_end, .log = edit_log,
     .free = edit_free},
    {"POST", "/v1/jobs", .begin = edit_begin, .body = upload_body, .end = job_submit},
    {"GET", "/v1/jobs/{id}", .end = job_show},
    {"DELETE", "/v1/jobs/{id}", .end = job_delete},
    {"GET", "/v1/jobs/{id}/events", .end = job_events},
    {"GET", "/v1/jobs/{id}/result", .end = job_result},
    {"POST", "/v1/images/edits", .openai = true, .begin = image_edits_begin, .body = upload_body,
     .end = image_edits_end, .free = image_edits_free},
    {"GET", "/v1/models", .openai = true, .end = models_list},
    {"GET", "/v1/models/{rest}", .openai = true, .end = models_show},
    {"GET", "/health", .open = true, .probe = true, .end = page_health},
    {"GET", "/ready", .open = true, .probe = true, .end = page_ready},
    {"GET", "/metrics", .end = page_metrics},
    {"GET", "/info", .end = page_info},
    {"GET", "/openapi.json", .end = page_openapi},
    {"GET", "/docs", .end = page_docs},
};

static const struct route web_route = {"GET", "/", .open = true, .end = page_web};

const struct route route_unknown = {NULL, "unknown", .open = true};

/* Of the table's rows and those beside them; NULL behind the last. */
static const struct route *row(const struct route *more, size_t i) {
    enum { ROWS = sizeof route_table / sizeof *route_table };
    if (i < ROWS) return &route_table[i];
    return more && more[i - ROWS].path ? &more[i - ROWS] : NULL;
}

bool route_takes(const struct route *route, const char *method) {
    if (!route->method) return false;
    return strcmp(route->method, method) == 0 ||
           (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

const struct route *route_find(const struct route *more, const char *method, const char *path,
                               char id[ID_IN_PATH_SIZE]) {
    const struct route *other = &route_unknown, *r;
    id[0] = '\0';
    if (web_has(path)) return &web_route;
    for (size_t i = 0; (r = row(more, i)); i++) {
        if (!path_matches(r->path, path, id)) continue;
        if (route_takes(r, method)) return r;
        if (other == &route_unknown) other = r;
    }
    return other;
}

/* Copies a path, but for empty segments and such as repeat the one before. */
static void copy_without_repeats(char *out, size_t size, const char *path) {
    size_t n = 0, last = 0, last_size = 0;
    while (*path) {
        path += strspn(path, "/");
        size_t segment = strcspn(path, "/");
        bool again = segment == last_size && memcmp(out + last, path, segment) == 0;
        if (segment && !again && n + segment + 2 <= size) {
            out[n++] = '/';
            memcpy(out + n, path, segment);
            last = n;
            last_size = segment;
            n += segment;
        }
        path += segment;
    }
    if (n == 0) out[n++] = '/';
    out[n] = '\0';
}

const char *route_meant(const struct route *more, const char *path) {
    char likely[256], id[ID_IN_PATH_SIZE];
    copy_without_repeats(likely, sizeof likely, path);
    const struct route *route = route_find(more, "GET", likely, id);
    return route == &route_unknown ? NULL : route->path;
}

static void allow_method(char out[ROUTE_ALLOW_SIZE], const char *method) {
    size_t n = strlen(out);
    snprintf(out + n, ROUTE_ALLOW_SIZE - n, "%s%s, ", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

void route_allow(const struct route *more, const struct route *route, char out[ROUTE_ALLOW_SIZE]) {
    const struct route *r;
    out[0] = '\0';
    if (route == &web_route) allow_method(out, route->method);
    for (size_t i = 0; (r = row(more, i)); i++)
        if (strcmp(r->path, route->path) == 0) allow_method(out, r->method);
    size_t n = strlen(out);
    snprintf(out + n, ROUTE_ALLOW_SIZE - n, "OPTIONS");
}

bool path_matches(const char *pattern, const char *path, char id[ID_IN_PATH_SIZE]) {
    size_t before = strcspn(pattern, "{");
    if (!pattern[before]) return strcmp(pattern, path) == 0;
    if (strncmp(pattern, path, before) != 0) return false;
    bool rest = pattern[before + 1] == 'r';
    const char *behind = strchr(pattern + before, '}') + 1;
    path += before;
    size_t n = strcspn(path, rest ? "" : "/");
    if (n == 0 || n >= ID_IN_PATH_SIZE || strcmp(behind, path + n) != 0) return false;
    memcpy(id, path, n);
    id[n] = '\0';
    return true;
}
