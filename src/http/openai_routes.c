/*
 * One request for n pictures is n edits in a row: each goes to the end of the queue when the one
 * before has ended, so that a client who wants four pictures gets no more of the machine than four
 * clients who want one.  They are jobs of the job store, which tells how far each is; what comes of
 * them is put into the answer, as base64, and the job forgotten.
 *
 * A stream tells of progress in comments: OpenAI's SDK takes any event that it does not know for a
 * partial picture.
 *
 * All of it happens on the library's thread.  Other threads only wake it: the store when a job has
 * moved, the watcher when the client has left.  The client waits suspended, or listens to a stream.
 */
#include "http/openai_routes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "http/edit_route.h"
#include "http/job_routes.h"
#include "http/openai_reply.h"
#include "http/upload.h"

struct image_edits {
    struct server *server;
    struct MHD_Connection *connection;
    char request_id[REQUEST_ID_MAX + 1];
    int holders; /* the request, and the stream where there is one */

    struct edit_order order; /* what all have in common; files and texts until the last has them */
    struct form_options options;
    int64_t deadline; /* of the next one */
    int made;
    struct kept_job *job; /* the one under way; NULL: none */
    struct job_listener listener;
    struct job_view reported; /* to the stream */
    bool reported_any;

    int steps; /* of the last one made, as are these */
    double guidance_scale;
    int width, height;
    double change;      /* of the one that changed least */
    bool same_seed;     /* of any */
    struct buffer body; /* the answer so far, where it is no stream */

    enum http_error error; /* after FAILED */
    char detail[512];

    pthread_mutex_t lock;
    struct event_stream *stream; /* under the lock, as are these; NULL: not wanted, or over */
    bool asleep, news, gone;
};

enum advance { UNDER_WAY, MADE_ONE, MADE_ALL, FAILED };

/* ---- waking and sleeping ---- */

static void wake(struct image_edits *e, bool gone) {
    pthread_mutex_lock(&e->lock);
    e->gone |= gone;
    e->news = true;
    if (e->stream) event_stream_wake(e->stream);
    if (e->asleep) MHD_resume_connection(e->connection);
    e->asleep = false;
    pthread_mutex_unlock(&e->lock);
}

static void on_changed(void *arg) {
    wake(arg, false);
}

static void on_gone(void *arg) {
    wake(arg, true);
}

static bool is_gone(struct image_edits *e) {
    pthread_mutex_lock(&e->lock);
    bool gone = e->gone;
    pthread_mutex_unlock(&e->lock);
    return gone;
}

/* False: there is something new to look at. */
static bool fall_asleep(struct image_edits *e, struct request *r) {
    pthread_mutex_lock(&e->lock);
    bool asleep = e->asleep = !e->news;
    e->news = false;
    if (asleep) request_suspend(r);
    pthread_mutex_unlock(&e->lock);
    return asleep;
}

/* ---- one edit after the other ---- */

static enum advance set_failure(struct image_edits *e, enum http_error error, const char *detail) {
    e->error = error;
    snprintf(e->detail, sizeof e->detail, "%s", detail);
    return FAILED;
}

/* One that still runs is told to stop. */
static void leave_job(struct image_edits *e) {
    if (!e->job) return;
    job_unlisten(e->job, &e->listener);
    job_drop(e->job);
    job_release(e->job);
    e->job = NULL;
}

/* The next edit's order: a copy, or, for the last one, what there is. */
static bool next_order(struct image_edits *e, struct edit_order *out) {
    struct edit_order *all = &e->order;
    uint64_t seed = all->seed + (uint64_t)e->made;
    if (e->made + 1 == e->options.count) {
        *out = *all;
        out->seed = seed;
        memset(all->files, 0, sizeof all->files);
        all->held_bytes = 0;
        all->prompt = all->negative_prompt = NULL;
        return true;
    }
    bool copied = edit_order_copy(out, all);
    out->seed = seed;
    return copied;
}

static enum queue_answer start_next(struct image_edits *e) {
    struct job_store *store = service_jobs(e->server->service);
    struct edit_order order;
    enum queue_answer a = QUEUE_NO_MEMORY;
    if (next_order(e, &order))
        a = job_store_submit(store, &order, e->request_id, e->deadline, &e->job);
    edit_order_free(&order); /* empty, where it was accepted */
    if (a == QUEUE_ACCEPTED) job_listen(e->job, &e->listener);
    return a;
}

static json_t *completed_json(const struct image_edits *e, uint64_t seed, double change) {
    /* Clients in typed languages insist on `usage`; nothing here counts tokens. */
    return json_pack(
        "{s:s, s:i, s:o, s:f, s:s, s:s, s:s, s:o, s:I, s:{s:i, s:i, s:i, s:{s:i, s:i}}}", "type",
        "image_edit.completed", "image_index", e->made, "seed", json_seed(seed), "change", change,
        "background", "opaque", "output_format", openai_format(e->order.format), "quality", "auto",
        "size", json_sprintf("%dx%d", e->width, e->height), "created_at", (json_int_t)time(NULL),
        "usage", "input_tokens", 0, "output_tokens", 0, "total_tokens", 0, "input_tokens_details",
        "image_tokens", 0, "text_tokens", 0);
}

/* Puts the picture of a job that is done into the answer. */
static enum status take_picture(struct image_edits *e, struct buffer *out) {
    static const char event[] = "event: image_edit.completed\ndata: ";
    const struct edit_outcome *o = job_outcome(e->job);
    uint64_t seed = job_order(e->job)->seed;
    size_t before = out->size;
    e->steps = o->steps;
    e->guidance_scale = o->guidance_scale;
    e->width = o->width;
    e->height = o->height;
    if (e->made == 0 || o->change < e->change) e->change = o->change;
    e->same_seed |= o->same_seed;
    enum status s;
    if (e->options.stream) {
        s = buffer_append(out, event, sizeof event - 1, NULL);
        if (s == STATUS_OK)
            s = openai_append_picture(out, completed_json(e, seed, o->change), &o->file);
        if (s == STATUS_OK) s = buffer_append(out, "\n\n", 2, NULL);
    } else {
        s = e->made > 0 ? buffer_append(out, ",", 1, NULL)
                        : buffer_printf(out, "{\"created\":%lld,\"data\":[", (long long)time(NULL));
        if (s == STATUS_OK)
            s = openai_append_picture(
                out, json_pack("{s:o, s:f}", "seed", json_seed(seed), "change", o->change),
                &o->file);
    }
    if (s != STATUS_OK) out->size = before; /* half an event would spoil what follows */
    return s;
}

/* Looks at the edit under way.  If it has ended, its picture is appended to *out and the next one
 * queued. */
static enum advance advance(struct image_edits *e, struct job_view *view, struct buffer *out) {
    job_look(e->job, view);
    if (view->status == JOB_QUEUED || view->status == JOB_RUNNING) return UNDER_WAY;
    const struct edit_outcome *o = job_outcome(e->job);
    enum advance so = MADE_ONE;
    if (o->end != EDIT_DONE)
        so = set_failure(e, edit_error(o->end), o->detail);
    else if (take_picture(e, out) != STATUS_OK)
        so = set_failure(e, HTTP_GPU_OOM, "memory does not suffice for the answer");
    leave_job(e);
    if (so == FAILED) return so;
    e->made++;
    if (e->made == e->options.count) return MADE_ALL;
    e->deadline = clock_now() + (int64_t)(e->server->config->timeout_seconds * 1e9);
    switch (start_next(e)) {
    case QUEUE_ACCEPTED: return so;
    case QUEUE_FULL:
        return set_failure(e, HTTP_QUEUE_FULL,
                           "the queue filled up between two of the pictures; try again later, or "
                           "ask for one at a time");
    case QUEUE_NO_MEMORY:
        return set_failure(e, HTTP_GPU_OOM, "memory does not suffice for another picture");
    default:
        return set_failure(e, HTTP_SHUTTING_DOWN, "the server is shutting down; try again later");
    }
}

/* ---- the stream ---- */

static json_t *progress_json(const struct image_edits *e, const struct job_view *view) {
    if (view->status == JOB_QUEUED)
        return json_pack("{s:i, s:s, s:i}", "image_index", e->made, "stage", "queued", "position",
                         view->position);
    return json_pack("{s:i, s:s, s:i, s:i, s:o}", "image_index", e->made, "stage",
                     firered_stage_name(view->stage), "step", view->step, "of", view->steps,
                     "seconds_left", json_seconds(view->seconds_left));
}

static bool says_the_same(const struct job_view *a, const struct job_view *b) {
    if (a->status != b->status) return false;
    return a->status == JOB_QUEUED ? a->position == b->position
                                   : a->stage == b->stage && a->step == b->step;
}

static bool fill(void *arg, struct buffer *out) {
    struct image_edits *e = arg;
    struct job_view now;
    enum advance so;
    if (is_gone(e)) return false;
    while ((so = advance(e, &now, out)) == MADE_ONE) e->reported_any = false;
    if (so == MADE_ALL) return false;
    if (so == FAILED) {
        event_append(out, "error", openai_error_json(e->error, e->request_id, e->detail, NULL));
        return false;
    }
    if (e->reported_any && says_the_same(&now, &e->reported)) return true;
    e->reported = now;
    e->reported_any = true;
    return event_append_comment(out, "progress", progress_json(e, &now)) == STATUS_OK;
}

static void release(struct image_edits *e) {
    if (--e->holders > 0) return;
    leave_job(e);
    edit_order_free(&e->order);
    buffer_free(&e->body);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

static void on_closed(void *arg) {
    struct image_edits *e = arg;
    leave_job(e);
    pthread_mutex_lock(&e->lock);
    e->stream = NULL;
    pthread_mutex_unlock(&e->lock);
    release(e);
}

static void start_stream(struct request *r, struct image_edits *e) {
    struct event_source source = {.fill = fill, .closed = on_closed, .arg = e};
    struct event_stream *stream = event_stream_create(r->server->streams, &source);
    if (!stream) {
        leave_job(e);
        request_refuse(r, HTTP_GPU_OOM, "memory does not suffice for another stream");
        return;
    }
    e->holders++;
    pthread_mutex_lock(&e->lock);
    e->stream = stream;
    pthread_mutex_unlock(&e->lock);
    r->stream_seconds = r->server->config->timeout_seconds * FIELD_MAX_COUNT;
    reply_events(&r->reply, stream);
    client_watch(r->client, false, on_gone, e); /* events tell who is gone */
}

/* ---- the request ---- */

static void answer(struct request *r, struct image_edits *e) {
    if (buffer_printf(&e->body,
                      "],\"background\":\"opaque\",\"output_format\":\"%s\",\"size\":\"%dx%d\"}",
                      openai_format(e->order.format), e->width, e->height) != STATUS_OK) {
        request_refuse(r, HTTP_GPU_OOM, "memory does not suffice for the answer");
        return;
    }
    reply_body(&r->reply, 200, "application/json", &e->body);
    reply_header(&r->reply, "X-Seed", "%llu", (unsigned long long)e->order.seed);
    reply_header(&r->reply, "X-Steps", "%d", e->steps);
    reply_header(&r->reply, "X-Guidance-Scale", "%.15g", e->guidance_scale);
    reply_header(&r->reply, "X-Model", "%s", service_model_name(r->server->service));
    edit_change_headers(r, e->change, e->same_seed);
}

void image_edits_begin(struct request *r) {
    upload_begin(r, FIELD_OF_OPENAI);
}

/* Answers, as far as it can be answered already. */
static void proceed(struct request *r, struct image_edits *e) {
    struct job_view view;
    for (;;) {
        r->gone = is_gone(e);
        enum advance so = r->gone ? FAILED : advance(e, &view, &e->body);
        if (so == UNDER_WAY && fall_asleep(e, r)) return;
        if (so == UNDER_WAY || so == MADE_ONE) continue;
        client_unwatch(r->client);
        if (so == MADE_ALL)
            answer(r, e);
        else if (!r->gone)
            request_refuse(r, e->error, e->detail);
        return;
    }
}

/* The body has ended: the first edit is queued. */
static void start(struct request *r) {
    struct image_edits *e = calloc(1, sizeof *e);
    if (!e) {
        request_refuse(r, HTTP_GPU_OOM,
                       "memory does not suffice for another request; try again later");
        return;
    }
    r->state = e;
    pthread_mutex_init(&e->lock, NULL);
    e->holders = 1;
    e->server = r->server;
    e->connection = r->connection;
    memcpy(e->request_id, r->id, sizeof e->request_id);
    e->deadline = r->deadline;
    e->listener = (struct job_listener){.changed = on_changed, .arg = e};
    if (!upload_end(r, &e->order, &e->options)) return;
    enum queue_answer a = start_next(e);
    if (a != QUEUE_ACCEPTED) {
        upload_refuse(r, a);
        return;
    }
    if (e->options.stream) {
        start_stream(r, e);
        return;
    }
    client_allow(r->client, 0);
    client_watch(r->client, r->may_probe, on_gone, e);
    proceed(r, e);
}

void image_edits_end(struct request *r) {
    if (r->state)
        proceed(r, r->state);
    else
        start(r);
}

void image_edits_free(struct request *r) {
    client_unwatch(r->client);
    release(r->state);
}

/* ---- the models: the one that is served ---- */

static json_t *model_json(const struct request *r) {
    return json_pack("{s:s, s:s, s:I, s:s}", "id", service_model_name(r->server->service), "object",
                     "model", "created", (json_int_t)r->server->started, "owned_by", "firered");
}

void models_list(struct request *r) {
    reply_json(&r->reply, 200, json_pack("{s:s, s:[o]}", "object", "list", "data", model_json(r)));
}

void models_show(struct request *r) {
    const char *served = service_model_name(r->server->service);
    char detail[400];
    if (strcmp(r->id_in_path, served) == 0 || strcmp(r->id_in_path, "firered") == 0) {
        reply_json(&r->reply, 200, model_json(r));
        return;
    }
    snprintf(detail, sizeof detail, "this server has one model, %.300s", served);
    request_refuse(r, HTTP_MODEL_NOT_FOUND, detail);
}
