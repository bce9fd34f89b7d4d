/*
 * The job belongs to the service once it is accepted: when the stream of its events breaks, the
 * next one begins with the current state, and nothing is lost but a redrawn bar.
 */
#include "cli/edit_remote.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/event_reader.h"
#include "cli/interrupt.h"
#include "image/decode.h"

enum { MAX_RECONNECTS = 5 };
static const double SILENCE_SECONDS = 25; /* the service gives a sign of life every ten */
static const double DROP_SECONDS = 1.5;   /* a courtesy, which Ctrl-C waits for */

struct following {
    struct edit_made *made;
    struct progress *progress;
    struct event_reader reader;
    bool heard; /* anything on this stream */
    bool ended;
    enum status outcome; /* once it ended */
    struct error *err;
};

/* ---- the request ---- */

/* The sentence of an answer that is an error: the service's own "detail" where it has one, and the
 * request id. */
static enum status refused(const struct http_exchange *e, struct error *err) {
    const char *detail = NULL, *id = NULL;
    json_t *root = e->body.data ? json_loadb(e->body.data, e->body.size, 0, NULL) : NULL;
    if (root) json_unpack(root, "{s?:s, s?:s}", "detail", &detail, "request_id", &id);
    if (detail && id)
        fail(err, STATUS_IO, "the server refuses: %.300s (request %.100s)", detail, id);
    else if (detail)
        fail(err, STATUS_IO, "the server refuses: %.400s", detail);
    else
        fail(err, STATUS_IO, "the server answers with status %d, and not in firered's way",
             e->status);
    json_decref(root);
    return STATUS_IO;
}

static bool add_text(curl_mime *form, const char *name, const char *value) {
    curl_mimepart *part = curl_mime_addpart(form);
    return part && curl_mime_name(part, name) == CURLE_OK &&
           curl_mime_data(part, value, CURL_ZERO_TERMINATED) == CURLE_OK;
}

__attribute__((format(printf, 3, 4))) static bool add(curl_mime *form, const char *name,
                                                      const char *format, ...) {
    char value[64];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    return add_text(form, name, value);
}

static bool add_picture(curl_mime *form, const struct buffer *bytes) {
    curl_mimepart *part = curl_mime_addpart(form);
    return part && curl_mime_name(part, "image") == CURLE_OK &&
           curl_mime_filename(part, "picture") == CURLE_OK &&
           curl_mime_data(part, bytes->data, bytes->size) == CURLE_OK;
}

static bool fill_form(curl_mime *form, const struct edit_request *r, const struct buffer *pictures,
                      uint64_t seed) {
    static const char *const formats[] = {
        [PICTURE_PNG] = "png", [PICTURE_JPEG] = "jpeg", [PICTURE_WEBP] = "webp"};
    bool good = form && add_text(form, "prompt", r->prompt) &&
                add_text(form, "output_format", formats[r->format]) &&
                add(form, "seed", "%llu", (unsigned long long)seed);
    for (size_t i = 0; i < r->input_count; i++) good = good && add_picture(form, &pictures[i]);
    if (r->negative_prompt) good = good && add_text(form, "negative_prompt", r->negative_prompt);
    if (r->steps > 0) good = good && add(form, "steps", "%d", r->steps);
    if (r->guidance_scale >= 0)
        good = good && add(form, "guidance_scale", "%.17g", r->guidance_scale);
    if (r->input_size) good = good && add_text(form, "size", "input");
    if (r->width > 0)
        good = good && add(form, "width", "%d", r->width) && add(form, "height", "%d", r->height);
    return good;
}

/* It becomes a part of a path. */
static bool is_id(const char *id) {
    size_t n = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_");
    return n > 0 && n < 200 && !id[n];
}

/* Sets *path to the job's own, malloc'ed. */
static enum status submit(char **path, struct http_client *client, const struct edit_request *r,
                          const struct buffer *pictures, uint64_t seed, struct error *err) {
    curl_mime *form = curl_mime_init(client->curl);
    struct http_exchange e = {.method = "POST",
                              .path = "/v1/jobs",
                              .form = form,
                              .silence = SILENCE_SECONDS,
                              .cancelled = interrupt_cancelled};
    enum status s = fill_form(form, r, pictures, seed)
                        ? http_client_run(client, &e, err)
                        : fail(err, STATUS_NO_MEMORY, "no memory for the request");
    if (s == STATUS_OK && e.status != 202) s = refused(&e, err);
    if (s == STATUS_OK) {
        const char *id = NULL;
        struct buffer name = {0};
        json_t *root = json_loadb(e.body.data, e.body.size, 0, NULL);
        if (!root || json_unpack(root, "{s:s}", "id", &id) != 0 || !is_id(id))
            s = fail(err, STATUS_IO, "%.200s took the job and named none: it is no firered server",
                     client->base);
        else if (buffer_printf(&name, "/v1/jobs/%s", id) != STATUS_OK)
            s = fail(err, STATUS_NO_MEMORY, "no memory for the job's name");
        *path = name.data;
        json_decref(root);
    }
    curl_mime_free(form);
    buffer_free(&e.body);
    return s;
}

/* ---- following ---- */

static void on_stage(struct following *f, const json_t *data) {
    const char *stage = json_string_value(json_object_get(data, "stage"));
    struct firered_progress now = {.stage = FIRERED_STAGE_ENCODE};
    if (stage && strcmp(stage, firered_stage_name(FIRERED_STAGE_DECODE)) == 0)
        now.stage = FIRERED_STAGE_DECODE;
    if (stage && strcmp(stage, firered_stage_name(FIRERED_STAGE_DENOISE)) != 0)
        progress_edit(f->progress, &now);
}

static void on_step(struct following *f, const json_t *data) {
    int step = 0, of = 0;
    if (json_unpack((json_t *)data, "{s:i, s:i}", "step", &step, "of", &of) != 0) return;
    if (step < 0 || of < 1 || step > of) return;
    const json_t *left = json_object_get(data, "seconds_left");
    progress_steps(f->progress, step, of, json_is_number(left) ? json_number_value(left) : -1);
}

static void on_done(struct following *f, const json_t *data) {
    struct edit_made *m = f->made;
    const char *note = "";
    f->ended = true;
    f->outcome = STATUS_OK;
    m->change = -1;
    if (json_unpack((json_t *)data, "{s:i, s:i, s:i, s:F, s?F, s?s}", "width", &m->width, "height",
                    &m->height, "steps", &m->steps, "guidance_scale", &m->guidance_scale, "change",
                    &m->change, "note", &note) != 0)
        f->outcome = fail(f->err, STATUS_IO, "the server ended the edit without saying how");
    snprintf(m->note, sizeof m->note, "%s", note);
}

static void on_error(struct following *f, const json_t *data) {
    const char *detail = "the server does not say why", *id = "unknown";
    json_unpack((json_t *)data, "{s?:s, s?:s}", "detail", &detail, "request_id", &id);
    f->ended = true;
    f->outcome =
        fail(f->err, STATUS_IO, "the server's edit failed: %.300s (request %.100s)", detail, id);
}

static bool on_event(void *following, const char *name, const char *text) {
    struct following *f = following;
    json_t *data = json_loads(text, 0, NULL);
    f->heard = true;
    if (!data) return true;
    if (strcmp(name, "queued") == 0)
        progress_queued(f->progress, (int)json_integer_value(json_object_get(data, "position")));
    else if (strcmp(name, "stage") == 0)
        on_stage(f, data);
    else if (strcmp(name, "step") == 0)
        on_step(f, data);
    else if (strcmp(name, "done") == 0)
        on_done(f, data);
    else if (strcmp(name, "error") == 0)
        on_error(f, data);
    json_decref(data);
    return !f->ended;
}

static bool on_bytes(void *following, const char *bytes, size_t size) {
    return event_reader_feed(&((struct following *)following)->reader, bytes, size);
}

static enum status follow(struct following *f, struct http_client *client, const char *job,
                          struct error *err) {
    char path[512];
    snprintf(path, sizeof path, "%s/events", job);
    for (int failures = 0;; failures++) {
        f->reader = (struct event_reader){.event = on_event, .arg = f};
        f->heard = false;
        struct http_exchange e = {.method = "GET",
                                  .path = path,
                                  .sink = on_bytes,
                                  .silence = SILENCE_SECONDS,
                                  .cancelled = interrupt_cancelled,
                                  .arg = f};
        enum status s = http_client_run(client, &e, err);
        if (s == STATUS_OK && e.status != 200) s = refused(&e, err);
        bool final = s == STATUS_CANCELLED || e.silent || (e.status >= 400 && e.status < 500);
        buffer_free(&e.body);
        event_reader_free(&f->reader);
        if (f->ended) return f->outcome;
        if (f->heard) failures = 0;
        if (final) return s;
        if (failures == MAX_RECONNECTS)
            return s != STATUS_OK ? s
                                  : fail(err, STATUS_IO,
                                         "the server ends its events before the edit has ended");
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
}

/* ---- the result ---- */

/* Whoever stands between may have answered, with a page of his own. */
static enum status check_picture(const struct buffer *file, enum picture_format wanted,
                                 const struct http_client *client, struct error *err) {
    struct picture_header header;
    if (picture_probe(&header, file->data, file->size, NULL) == STATUS_OK &&
        header.format == wanted)
        return STATUS_OK;
    return fail(err, STATUS_IO, "%.200s answers with something that is no %s picture", client->base,
                picture_format_name(wanted));
}

/* It goes into a report, which a terminal may show. */
static char *copy_harmless(const char *text) {
    struct error clean;
    fail(&clean, STATUS_OK, "%s", text);
    return strdup(clean.text);
}

static enum status fetch(struct edit_made *out, struct http_client *client, const char *job,
                         enum picture_format format, struct error *err) {
    char path[512];
    snprintf(path, sizeof path, "%s/result", job);
    struct http_exchange e = {.method = "GET",
                              .path = path,
                              .silence = SILENCE_SECONDS,
                              .cancelled = interrupt_cancelled};
    enum status s = http_client_run(client, &e, err);
    if (s == STATUS_OK && e.status != 200) s = refused(&e, err);
    if (s == STATUS_OK) s = check_picture(&e.body, format, client, err);
    if (s == STATUS_OK) {
        const char *model = http_client_header(client, "X-Model");
        out->model = copy_harmless(model ? model : "unknown");
        if (!out->model) s = fail(err, STATUS_NO_MEMORY, "no memory for the model's name");
        out->file = e.body;
        e.body = (struct buffer){0};
    }
    buffer_free(&e.body);
    return s;
}

/* Cancels what runs, forgets what is done, also after Ctrl-C; a service that cannot be reached forgets by itself. */
static void drop(struct http_client *client, const char *job) {
    struct http_exchange e = {.method = "DELETE", .path = job, .seconds = DROP_SECONDS};
    http_client_run(client, &e, NULL);
    buffer_free(&e.body);
}

enum status edit_remote(struct edit_made *out, struct http_client *client,
                        const struct edit_request *r, const struct buffer *pictures, uint64_t seed,
                        struct progress *progress, struct error *err) {
    char *job = NULL;
    struct following f = {.made = out, .progress = progress, .err = err};
    enum status s = submit(&job, client, r, pictures, seed, err);
    if (s == STATUS_OK) s = follow(&f, client, job, err);
    progress_end(progress);
    if (s == STATUS_OK) s = fetch(out, client, job, r->format, err);
    if (job) drop(client, job);
    free(job);
    return s;
}
