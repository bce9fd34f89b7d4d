/*
 * A browser may keep these files but has to ask each time (no-cache) whether they are still the
 * ones: their hash is the entity tag, so that a new version of the program is seen at once and an
 * old one costs a few bytes.
 *
 * The policy lets the page have its own files and nothing else: no inline script or style, nothing
 * from another host, and as pictures only what it made itself (blob:).
 */
#include "http/web.h"

#include <string.h>

#include "http/assets.h"

static const char html[] = "text/html; charset=utf-8", css[] = "text/css; charset=utf-8",
                  script[] = "text/javascript; charset=utf-8", svg[] = "image/svg+xml";

struct web_file {
    const char *path, *type, *data;
    const size_t *size;
    const char *etag;
};

#define FILE_OF(name) asset_##name, &asset_##name##_size, asset_##name##_etag

static const struct web_file files[] = {
    {"/", html, FILE_OF(index_html)},
    {"/app.css", css, FILE_OF(app_css)},
    {"/app.js", script, FILE_OF(app_js)},
    {"/favicon.svg", svg, FILE_OF(favicon_svg)},
    {"/page/api.js", script, FILE_OF(api_js)},
    {"/page/dom.js", script, FILE_OF(dom_js)},
    {"/page/history.js", script, FILE_OF(history_js)},
    {"/page/job.js", script, FILE_OF(job_js)},
    {"/page/key.js", script, FILE_OF(key_js)},
    {"/page/pictures.js", script, FILE_OF(pictures_js)},
    {"/page/settings.js", script, FILE_OF(settings_js)},
    {"/page/viewer.js", script, FILE_OF(viewer_js)},
};

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

static const struct web_file *find_file(const char *path) {
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(path, files[i].path) == 0) return &files[i];
    return NULL;
}

bool web_has(const char *path) {
    return find_file(path) != NULL;
}

void page_web(struct request *r) {
    const struct web_file *file = find_file(r->path);
    const char *known = request_header(r, "If-None-Match");
    struct buffer body = {0};
    bool same = known && strstr(known, file->etag);
    if (!same && buffer_append(&body, file->data, *file->size, NULL) != STATUS_OK) {
        request_refuse(r, HTTP_GPU_OOM, "memory does not suffice for this page");
        return;
    }
    reply_body(&r->reply, same ? 304 : 200, file->type, &body);
    reply_header(&r->reply, "ETag", "%s", file->etag);
    reply_header(&r->reply, "Cache-Control", "no-cache");
    reply_header(&r->reply, "Content-Security-Policy", "%s", policy);
    reply_header(&r->reply, "Referrer-Policy", "no-referrer");
    reply_header(&r->reply, "Cross-Origin-Opener-Policy", "same-origin");
}
