/*
 * hub_blob_fetch's thread opens, starts the workers, hashes what they bring, and publishes.  A
 * worker takes the next segment, then a lane, and stays with the segment until it is whole.  What
 * has once been counted as there is never written again: the hash has perhaps seen it already.
 *
 * In sequence (`whole`) there is one worker; a segment is then only the place where the map counts.
 */
#include "hub/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/hash.h"
#include "hub/part_file.h"

enum {
    HASH_BLOCK = 1 << 20,
    PROGRESS_BYTES = 1 << 16, /* less is no progress: the server could go on like that for ever */
    HOPS = 10,
    REFUSALS = 2, /* of a fresh URL, before it is asked for without a range */
};

struct fetch {
    const struct hub_blob *blob;
    const struct hub_file *file;
    struct hub_part part;
    pthread_mutex_t lock;
    pthread_cond_t grown;      /* a segment grew, a worker ended */
    pthread_mutex_t resolving; /* held by who fetches a new URL */
    struct hub_place place;
    unsigned place_number; /* counts up with each URL */
    int hops;              /* redirects since it was resolved */
    uint32_t next;         /* the first segment that nobody has taken */
    int workers;
    bool whole;         /* one connection, from front to back */
    bool no_ranges;     /* and no Range in its requests */
    bool must_be_whole; /* a worker found out: stop, and begin again like that */
    bool failed;
    enum status status;
    struct error error;
};

/* One request for bytes; `worker` is the state of its answer. */
struct worker {
    struct fetch *fetch;
    uint32_t segment;
    uint64_t skip; /* bytes of the answer that are there already */
    uint64_t came;
    bool wants_range;
    char problem[160]; /* why the head was refused */
    int write_error;
};

static bool ended(struct fetch *f) {
    pthread_mutex_lock(&f->lock);
    bool yes = f->failed || f->must_be_whole;
    pthread_mutex_unlock(&f->lock);
    return yes || hub_remote_ended(f->blob->remote);
}

/* The first failure is the one that is reported. */
static void give_up(struct fetch *f, enum status status, const struct error *why) {
    pthread_mutex_lock(&f->lock);
    if (!f->failed) {
        f->failed = true;
        f->status = status;
        f->error = *why;
    }
    pthread_cond_broadcast(&f->grown);
    pthread_mutex_unlock(&f->lock);
}

static void become_whole(struct fetch *f, bool no_ranges) {
    pthread_mutex_lock(&f->lock);
    f->must_be_whole = true;
    f->no_ranges |= no_ranges;
    pthread_cond_broadcast(&f->grown);
    pthread_mutex_unlock(&f->lock);
}

/* Whether the answer is what was asked for; `problem` says what is wrong with it. */
static bool on_head(void *arg, struct http_get *get) {
    struct worker *w = arg;
    struct fetch *f = w->fetch;
    uint64_t size = f->file->size;
    if (get->status == 206 && w->wants_range) {
        if (get->has_range && get->range_from == get->from &&
            (!get->range_total || get->range_total == size))
            return true;
        snprintf(w->problem, sizeof w->problem,
                 "the server sends other bytes than it was asked for");
        return false;
    }
    if (get->status != 200) return true; /* a refusal, read and judged at its end */
    if (get->has_length && get->length != size) {
        snprintf(w->problem, sizeof w->problem, "the server has %llu bytes of it, the list %llu",
                 (unsigned long long)get->length, (unsigned long long)size);
        return false;
    }
    if (w->wants_range && !f->whole) {
        become_whole(f, true);
        return false;
    }
    w->skip = w->wants_range ? get->from : 0;
    if (!w->wants_range) w->skip = hub_part_start(w->segment) + f->part.done[w->segment];
    return true;
}

/* Writes what belongs into the segment; in sequence it goes on into the next ones. */
static bool write_piece(struct worker *w, const char *bytes, size_t size) {
    struct fetch *f = w->fetch;
    while (size) {
        uint64_t left = hub_part_length(&f->part, w->segment) - f->part.done[w->segment];
        if (left == 0) {
            if (!f->whole || w->segment + 1 == f->part.segments) return false;
            w->segment++;
            continue;
        }
        size_t n = size < left ? size : (size_t)left;
        w->write_error = hub_part_write(&f->part, w->segment, bytes, n);
        if (w->write_error) return false;
        atomic_fetch_add(f->blob->there, n);
        w->came += n;
        bytes += n;
        size -= n;
    }
    pthread_mutex_lock(&f->lock);
    pthread_cond_broadcast(&f->grown);
    pthread_mutex_unlock(&f->lock);
    return true;
}

static bool on_body(void *arg, const char *bytes, size_t size) {
    struct worker *w = arg;
    atomic_fetch_add(w->fetch->blob->received, size);
    size_t skip = w->skip < size ? (size_t)w->skip : size;
    w->skip -= skip;
    return hub_lanes_slow_down(w->fetch->blob->remote->lanes, size) &&
           (skip == size || write_piece(w, bytes + skip, size - skip));
}

/* What a refusal says goes into a sentence, not into the file. */
struct refusal_text {
    struct worker *worker;
    struct http_get *get;
    char text[400];
    size_t size;
    double wait;    /* that 429 asks for */
    char *location; /* of a redirect, absolute; NULL: none that can be followed */
};

static bool on_any_head(void *arg, struct http_get *get) {
    struct refusal_text *r = arg;
    r->get = get;
    return on_head(r->worker, get);
}

static bool on_any_body(void *arg, const char *bytes, size_t size) {
    struct refusal_text *r = arg;
    if (r->get->status == 200 || r->get->status == 206) return on_body(r->worker, bytes, size);
    size_t n = sizeof r->text - 1 - r->size;
    if (n > size) n = size;
    memcpy(r->text + r->size, bytes, n);
    r->size += n;
    return true;
}

static bool any_cancelled(void *arg) {
    return ended(((struct refusal_text *)arg)->worker->fetch);
}

/* A new URL, unless another worker has fetched one since `number`. */
static enum status resolve_again(struct fetch *f, unsigned number, struct error *err) {
    struct hub_place place;
    enum status s = STATUS_OK;
    pthread_mutex_lock(&f->resolving);
    pthread_mutex_lock(&f->lock);
    bool old = f->place_number == number;
    pthread_mutex_unlock(&f->lock);
    if (old) {
        s = hub_remote_resolve(f->blob->remote, f->blob->commit, f->file, &place, err);
        if (s == STATUS_OK) {
            pthread_mutex_lock(&f->lock);
            free(f->place.url);
            f->place = place;
            f->place_number++;
            f->hops = 0;
            pthread_mutex_unlock(&f->lock);
        }
    }
    pthread_mutex_unlock(&f->resolving);
    return s;
}

struct tries {
    int count, waits, refusals;
    uint64_t since; /* bytes since the count began */
};

static uint64_t missing_of(const struct worker *w) {
    const struct fetch *f = w->fetch;
    if (!f->whole) return hub_part_length(&f->part, w->segment) - f->part.done[w->segment];
    return f->part.size - hub_part_start(w->segment) - f->part.done[w->segment];
}

static bool is_redirect(const struct http_get *get) {
    return get->end == HTTP_GET_WHOLE && get->status >= 301 && get->status <= 308 &&
           get->status != 304;
}

/* Runs one request for what is missing.  Sets *number to the URL's. */
static void request(struct worker *w, struct http_connection *lane, struct http_get *get,
                    struct refusal_text *text, unsigned *number, char **url) {
    struct fetch *f = w->fetch;
    const struct hub_options *o = f->blob->remote->options;
    uint64_t from = hub_part_start(w->segment) + f->part.done[w->segment];
    pthread_mutex_lock(&f->lock);
    *url = strdup(f->place.url);
    bool token = f->place.with_token;
    *number = f->place_number;
    bool ranges = !f->no_ranges;
    pthread_mutex_unlock(&f->lock);
    w->came = w->skip = 0;
    w->problem[0] = '\0';
    w->write_error = 0;
    w->wants_range = ranges && (from > 0 || missing_of(w) < f->file->size);
    *text = (struct refusal_text){.worker = w};
    *get = (struct http_get){.url = *url ? *url : "",
                             .token = token ? o->token : NULL,
                             .ranged = w->wants_range,
                             .from = from,
                             .to = from + missing_of(w) - 1,
                             .route = &o->route,
                             .seconds = o->seconds,
                             .head = on_any_head,
                             .body = on_any_body,
                             .cancelled = any_cancelled,
                             .arg = text};
    http_get_run(lane, get);
    const char *location = http_get_header(lane, "Location");
    if (is_redirect(get) && location) text->location = http_join(get->url, location);
    if (get->status == 429) text->wait = hub_wait_asked(lane);
}

/* The sentence for a file that does not come. */
static enum status explain(const struct worker *w, const struct http_get *get,
                           const struct refusal_text *text, struct error *err) {
    const struct fetch *f = w->fetch;
    const char *path = f->file->path;
    if (*w->problem) return fail(err, STATUS_IO, "%s cannot be fetched: %s", path, w->problem);
    if (get->end == HTTP_GET_WHOLE && get->status != 200 && get->status != 206)
        return fail(err, STATUS_IO, "%s cannot be fetched: its server answers with status %d: %s",
                    path, get->status, hub_shown(text->text, text->size).text);
    struct error why;
    hub_unreachable(f->blob->remote->options, get, &why);
    return fail(err, get->end == HTTP_GET_CANCELLED ? STATUS_CANCELLED : STATUS_IO,
                "%s cannot be fetched: %.350s", path, why.text);
}

/* The disk did not take it: a sentence, or one connection from front to back. */
static enum status cannot_write(struct worker *w, struct error *err) {
    struct fetch *f = w->fetch;
    if (w->write_error == EFBIG && !f->whole) {
        become_whole(f, false);
        return STATUS_OK;
    }
    return hub_cache_fail(f->blob->cache, w->write_error, f->part.path, err);
}

/* The file's server sends on to another: that one is asked from now on, by all workers. */
static enum status follow(struct fetch *f, const struct http_get *get, struct refusal_text *text,
                          unsigned number, struct error *err) {
    const char *endpoint = f->blob->remote->options->endpoint;
    if (!text->location || (http_is_secure(get->url) && !http_is_secure(text->location)))
        return fail(err, STATUS_IO, "%s cannot be fetched: its server redirects %s", f->file->path,
                    text->location ? "from https to http" : "to what is no address");
    pthread_mutex_lock(&f->lock);
    bool old = f->place_number == number;
    bool too_many = old && ++f->hops > HOPS;
    if (old && !too_many) {
        free(f->place.url);
        f->place = (struct hub_place){text->location, http_same_origin(text->location, endpoint)};
        f->place_number++;
        text->location = NULL;
    }
    pthread_mutex_unlock(&f->lock);
    return too_many ? fail(err, STATUS_IO,
                           "%s cannot be fetched: its server redirects more than %d times",
                           f->file->path, HOPS)
                    : STATUS_OK;
}

/* After a request that did not bring all: what to do before the next one.  STATUS_OK: try again. */
static enum status mend(struct worker *w, const struct http_get *get, struct refusal_text *text,
                        unsigned number, struct tries *t, double *wait, struct error *err) {
    struct fetch *f = w->fetch;
    const struct hub_options *o = f->blob->remote->options;
    *wait = 0;
    t->since += w->came;
    if (t->since >= PROGRESS_BYTES) *t = (struct tries){0};
    if (get->end == HTTP_GET_CERTIFICATE || get->end == HTTP_GET_IMPOSSIBLE)
        return explain(w, get, text, err);
    if (get->end == HTTP_GET_WHOLE && get->status == 429 && ++t->waits <= HUB_WAITS) {
        *wait = text->wait;
        hub_say(o, HUB_EVENT_WAIT, "the server of %s asks to wait for %.0f s", f->file->path,
                *wait);
        return STATUS_OK;
    }
    if (is_redirect(get)) return follow(f, get, text, number, err);
    if (++t->count > HUB_RETRIES) return explain(w, get, text, err);
    bool refused = get->end == HTTP_GET_WHOLE && get->status >= 400 && get->status < 500 &&
                   get->status != 408 && get->status != 429;
    if (!refused) {
        *wait = hub_pause(o, t->count);
        return STATUS_OK;
    }
    t->refusals++;
    if (t->refusals > REFUSALS && w->wants_range) {
        become_whole(f, true);
        return STATUS_OK;
    }
    if (t->refusals > REFUSALS) return explain(w, get, text, err);
    *wait = t->refusals > 1 ? hub_pause(o, 1) : 0;
    return resolve_again(f, number, err);
}

/* Brings the worker's segment, or in sequence all that follows, to its end. */
static enum status bring(struct worker *w, struct error *err) {
    struct fetch *f = w->fetch;
    struct tries tries = {0};
    enum status s = STATUS_OK;
    while (s == STATUS_OK && missing_of(w) > 0 && !ended(f)) {
        struct http_get get;
        struct refusal_text text;
        unsigned number;
        double wait = 0;
        char *url = NULL;
        struct http_connection *lane = hub_lanes_take(f->blob->remote->lanes);
        bool asked = !ended(f);
        if (asked) request(w, lane, &get, &text, &number, &url);
        hub_lanes_give(f->blob->remote->lanes, lane);
        if (asked && w->write_error)
            s = cannot_write(w, err);
        else if (asked && missing_of(w) > 0 && !ended(f))
            s = mend(w, &get, &text, number, &tries, &wait, err);
        free(url);
        if (asked) free(text.location);
        for (; wait > 0 && !ended(f); wait -= 0.1)
            if (!hub_sleep(f->blob->remote->options, wait < 0.1 ? wait : 0.1)) break;
    }
    return s;
}

/* The next segment that is not whole; false: none is left. */
static bool take_segment(struct worker *w) {
    struct fetch *f = w->fetch;
    bool last = false;
    pthread_mutex_lock(&f->lock);
    while (f->next < f->part.segments &&
           f->part.done[f->next] == hub_part_length(&f->part, f->next))
        f->next++;
    bool taken = f->next < f->part.segments;
    w->segment = f->next;
    if (taken) f->next = f->whole ? f->part.segments : f->next + 1;
    if (taken && f->next == f->part.segments) last = true;
    pthread_mutex_unlock(&f->lock);
    if (last && f->blob->all_taken) f->blob->all_taken(f->blob->arg);
    return taken;
}

static void *work(void *arg) {
    struct worker w = {.fetch = arg};
    struct error err;
    while (!ended(w.fetch) && take_segment(&w)) {
        enum status s = bring(&w, &err);
        if (s != STATUS_OK) give_up(w.fetch, s, &err);
    }
    pthread_mutex_lock(&w.fetch->lock);
    w.fetch->workers--;
    pthread_cond_broadcast(&w.fetch->grown);
    pthread_mutex_unlock(&w.fetch->lock);
    return NULL;
}

/* How far the file is there without a gap. */
static uint64_t prefix_of(const struct fetch *f, uint32_t *segment) {
    const struct hub_part *p = &f->part;
    while (*segment < p->segments &&
           __atomic_load_n(&p->done[*segment], __ATOMIC_ACQUIRE) == hub_part_length(p, *segment))
        ++*segment;
    if (*segment == p->segments) return p->size;
    return hub_part_start(*segment) + __atomic_load_n(&p->done[*segment], __ATOMIC_ACQUIRE);
}

/* Has the disk begin with what was hashed, so that the fsync at the end has little left to do. */
static void write_back(struct fetch *f, uint64_t *from, uint64_t to) {
    if (to - *from < HUB_SEGMENT_BYTES) return;
    sync_file_range(f->part.fd, (off_t)*from, (off_t)(to - *from), SYNC_FILE_RANGE_WRITE);
    *from = to;
}

/* Hashes what is there as it grows, to the end or until the workers are gone.  Returns the digits,
 * or "" when bytes are missing. */
static enum status hash_all(struct fetch *f, char digits[HUB_HASH_SIZE], struct error *err) {
    struct hub_hash *hash = NULL;
    char *block = malloc(HASH_BLOCK);
    uint64_t at = 0, written = 0;
    uint32_t segment = 0;
    enum status s = block ? hub_hash_create(&hash, f->file, err)
                          : fail(err, STATUS_NO_MEMORY, "no memory for a hash");
    digits[0] = '\0';
    while (s == STATUS_OK && at < f->file->size) {
        uint64_t there = prefix_of(f, &segment);
        pthread_mutex_lock(&f->lock);
        bool workers = f->workers > 0;
        bool lost = f->failed || f->must_be_whole;
        if (at == there && workers && !lost && prefix_of(f, &segment) == there)
            pthread_cond_wait(&f->grown, &f->lock);
        pthread_mutex_unlock(&f->lock);
        if (at == there && (!workers || lost)) {
            if (lost || prefix_of(f, &segment) == at) break;
            continue;
        }
        size_t n = there - at < HASH_BLOCK ? (size_t)(there - at) : HASH_BLOCK;
        if (n == 0) continue;
        ssize_t got = pread(f->part.fd, block, n, (off_t)at);
        if (got <= 0) {
            s = fail(err, STATUS_IO, "cannot read %s again: %s", f->part.path,
                     got < 0 ? strerror(errno) : "it became shorter");
            break;
        }
        hub_hash_add(hash, block, (size_t)got);
        at += (uint64_t)got;
        write_back(f, &written, at);
    }
    hub_hash_end(hash, digits);
    if (at < f->file->size) digits[0] = '\0';
    free(block);
    return s;
}

static int start_workers(struct fetch *f, pthread_t threads[HUB_CONNECTIONS_MAX]) {
    int wanted = f->whole ? 1 : hub_lanes_count(f->blob->remote->lanes), started = 0;
    if ((uint32_t)wanted > f->part.segments) wanted = (int)f->part.segments;
    f->next = 0;
    f->workers = wanted;
    while (started < wanted && pthread_create(&threads[started], NULL, work, f) == 0) started++;
    pthread_mutex_lock(&f->lock);
    f->workers -= wanted - started;
    pthread_mutex_unlock(&f->lock);
    return started;
}

/* In sequence nothing counts but what is there without a gap. */
static void forget_behind_gap(struct fetch *f) {
    uint32_t i = 0;
    while (i < f->part.segments && f->part.done[i] == hub_part_length(&f->part, i)) i++;
    for (i++; i < f->part.segments; i++) {
        atomic_fetch_sub(f->blob->there, f->part.done[i]);
        f->part.done[i] = 0;
    }
}

/* One go at the whole file: workers and hash.  *digits is "" when it ended before all was there. */
static enum status run(struct fetch *f, char digits[HUB_HASH_SIZE], struct error *err) {
    pthread_t threads[HUB_CONNECTIONS_MAX];
    f->failed = f->must_be_whole = false;
    if (f->whole) forget_behind_gap(f);
    int started = start_workers(f, threads);
    if (started == 0 && f->part.segments > 0)
        return fail(err, STATUS_NO_MEMORY, "no thread to fetch %s with", f->file->path);
    enum status s = hash_all(f, digits, err);
    if (s != STATUS_OK) give_up(f, s, err);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    if (f->failed) {
        *err = f->error;
        return f->status;
    }
    return hub_remote_ended(f->blob->remote) ? fail(err, STATUS_CANCELLED, "interrupted")
                                             : STATUS_OK;
}

/* Runs once, and again where the go before found that it has to be in sequence, or without ranges. */
static enum status run_as_it_can(struct fetch *f, char digits[HUB_HASH_SIZE], struct error *err) {
    enum status s = run(f, digits, err);
    for (int again = 0; again < 2 && s == STATUS_OK && f->must_be_whole; again++) {
        f->whole = true;
        s = run(f, digits, err);
    }
    if (s == STATUS_OK && !*digits && f->file->size > 0)
        s = fail(err, STATUS_IO,
                 "%s cannot be fetched: its server gives neither ranges nor the whole",
                 f->file->path);
    return s;
}

static void take_back(struct fetch *f) {
    atomic_fetch_sub(f->blob->there, hub_part_there(&f->part));
}

/* From the first byte or from where it stands to a blob.  *wrong: the hash was. */
static enum status fetch_part(struct fetch *f, bool own, bool fresh, bool *vanished, bool *wrong,
                              struct error *err) {
    char digits[HUB_HASH_SIZE] = "";
    *wrong = *vanished = false;
    enum status s = hub_part_open(&f->part, f->blob->cache, f->file, own, fresh, err);
    if (s == STATUS_OK) {
        atomic_fetch_add(f->blob->there, hub_part_there(&f->part));
        f->whole = f->no_ranges = fresh && f->whole;
        s = run_as_it_can(f, digits, err);
    }
    if (s == STATUS_OK && strcmp(digits, f->file->hash) != 0) {
        *wrong = true;
        s = fail(err, STATUS_IO, "%s came wrong twice: its hash is not the one that the hub lists",
                 f->file->path);
        take_back(f);
        hub_part_discard(&f->part);
    }
    if (s == STATUS_OK) {
        s = hub_part_publish(&f->part, f->file->hash, err);
        *vanished = s == STATUS_CANCELLED;
        if (*vanished) {
            take_back(f);
            hub_part_discard(&f->part);
            s = fail(err, STATUS_IO, "%s was deleted again and again while it was fetched",
                     f->part.path);
        }
    }
    if (own && s != STATUS_OK) hub_part_discard(&f->part);
    hub_part_close(&f->part);
    return s;
}

static enum status fetch_large(const struct hub_blob *b, bool own, struct error *err) {
    struct fetch f = {.blob = b, .file = b->file};
    pthread_mutex_init(&f.lock, NULL);
    pthread_mutex_init(&f.resolving, NULL);
    pthread_cond_init(&f.grown, NULL);
    enum status s = hub_remote_resolve(b->remote, b->commit, b->file, &f.place, err);
    bool fresh = false, wrong = false, vanished = false;
    for (int wrongs = 0, losses = 0; s == STATUS_OK;) {
        s = fetch_part(&f, own, fresh, &vanished, &wrong, err);
        wrongs += wrong;
        losses += vanished;
        if (s == STATUS_OK || !(wrong || vanished) || wrongs > 1 || losses > 2) break;
        hub_say(b->remote->options, HUB_EVENT_NOTE,
                wrong ? "%s came with a wrong hash: it is fetched once more"
                      : "%s was deleted while it was fetched: it is fetched once more",
                b->file->path);
        fresh = true;
        f.whole = wrong;
        s = hub_cache_make(b->cache, err);
    }
    free(f.place.url);
    pthread_cond_destroy(&f.grown);
    pthread_mutex_destroy(&f.resolving);
    pthread_mutex_destroy(&f.lock);
    return s;
}

static enum status fetch_small(const struct hub_blob *b, struct error *err) {
    struct buffer bytes = {0};
    char *path;
    enum status s = hub_cache_path(b->cache, &path, err, "blobs/%s", b->file->hash);
    const struct buffer *all = b->known ? b->known : &bytes;
    if (b->all_taken) b->all_taken(b->arg);
    if (s == STATUS_OK && !b->known)
        s = hub_remote_read(b->remote, b->commit, b->file, &bytes, err);
    if (s == STATUS_OK)
        s = hub_cache_write(b->cache, path, all->data ? all->data : "", all->size, err);
    if (s == STATUS_OK) {
        atomic_fetch_add(b->there, b->file->size);
        atomic_fetch_add(b->received, b->file->size);
    }
    buffer_free(&bytes);
    free(path);
    return s;
}

enum status hub_blob_fetch(const struct hub_blob *b, struct error *err) {
    int lock;
    enum status s = hub_cache_make(b->cache, err);
    if (s == STATUS_OK) s = hub_cache_lock(b->cache, b->file->hash, b->file->path, &lock, err);
    if (s != STATUS_OK) return s;
    if (!b->again && hub_cache_has_blob(b->cache, b->file))
        atomic_fetch_add(b->there, b->file->size); /* another process was here first */
    else if (b->known || (!b->file->lfs && b->file->size <= HUB_SEGMENT_BYTES))
        s = fetch_small(b, err);
    else
        s = fetch_large(b, lock < 0, err);
    hub_cache_unlock(lock);
    return s;
}
