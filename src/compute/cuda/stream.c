/*
 * Lanes, fences, and the device's clock.
 *
 * A lane is a stream: what a workspace asks for runs there in its order, and beside that of other
 * workspaces.  Lanes are kept when their workspace ends, since to make one takes long.  What a part
 * was asked for, the workspace that it is a part of waits for, before the memory goes elsewhere; and a
 * workspace that is none waits for all before it ends.
 *
 * A fence is an event and the number of its recording.  An event is recorded anew once what it marked
 * has been reached; whoever comes with an older number has nothing to wait for.
 *
 * The clock is two events around each operation.  They are read when a phase ends, or when there are
 * TIMED of them: then the host is that far ahead of the card, which is enough.
 */
#include <stdlib.h>

#include "compute/cuda/cuda.h"

enum { FENCE_BITS = 20 }; /* of a number, for which event it is */

enum status cuda_lane_create(struct cuda *d, struct lane *lane, struct error *err) {
    *lane = (struct lane){0};
    cu_result r = d->driver->stream_create(&lane->stream, CU_STREAM_NON_BLOCKING);
    if (r == CU_SUCCESS) return STATUS_OK;
    return fail(err, STATUS_NO_MEMORY, "card %d has no stream left: %s", d->number,
                driver_words(d->driver, r).text);
}

void cuda_lane_destroy(struct cuda *d, struct lane *lane) {
    if (!lane->stream || !cuda_enter(d, NULL)) return;
    for (int i = 0; i < TIMED; i++) {
        const struct timing *t = &lane->timings[i];
        if (t->start) cuda_ok(d, NULL, d->driver->event_destroy(t->start), "the end of a clock");
        if (t->stop) cuda_ok(d, NULL, d->driver->event_destroy(t->stop), "the end of a clock");
    }
    cuda_ok(d, NULL, d->driver->stream_destroy(lane->stream), "the end of a stream");
}

/* ---- fences ---- */

/* An event that may be recorded, and its number; NULL when there is no memory. */
static struct fence_event *next_event(struct cuda *d, struct workspace *w) {
    struct fences *f = &d->fences;
    if (f->count > 0) {
        struct fence_event *e = &f->events[f->next];
        cu_result r = d->driver->event_query(e->event);
        if (r == CU_SUCCESS) return e;
        if (r != CU_NOT_READY && !cuda_ok(d, w, r, "a fence")) return NULL;
    }
    struct fence_event *more = NULL;
    if (f->count < (size_t)1 << FENCE_BITS)
        more = realloc(f->events, (f->count + 1) * sizeof *more);
    if (!more) {
        workspace_fail(w, STATUS_NO_MEMORY, "no memory for a fence");
        return NULL;
    }
    f->events = more;
    more[f->count] = (struct fence_event){0};
    if (!cuda_ok(d, w, d->driver->event_create(&more[f->count].event, CU_EVENT_NO_TIMING),
                 "a fence"))
        return NULL;
    f->next = f->count++;
    return &more[f->next];
}

/* Of all that the lane was asked for; 0 after a failure. */
static uint64_t mark(struct cuda *d, struct workspace *w, const struct lane *lane) {
    struct fences *f = &d->fences;
    uint64_t number = 0;
    pthread_mutex_lock(&f->mutex);
    struct fence_event *e = next_event(d, w);
    if (e && cuda_ok(d, w, d->driver->event_record(e->event, lane->stream), "a fence")) {
        number = ++e->generation << FENCE_BITS | f->next;
        f->next = (f->next + 1) % f->count;
    }
    pthread_mutex_unlock(&f->mutex);
    return number;
}

static void wait_for_mark(struct cuda *d, struct workspace *w, const struct lane *lane,
                          uint64_t number) {
    struct fences *f = &d->fences;
    if (number == 0) return;
    pthread_mutex_lock(&f->mutex);
    const struct fence_event *e = &f->events[number & (((uint64_t)1 << FENCE_BITS) - 1)];
    if (e->generation == number >> FENCE_BITS)
        cuda_ok(d, w, d->driver->stream_wait_event(lane->stream, e->event, 0), "a fence");
    pthread_mutex_unlock(&f->mutex);
}

uint64_t cuda_fence(struct workspace *w) {
    struct cuda *d = cuda_of(w->compute);
    return cuda_enter(d, w) ? mark(d, w, cuda_lane(w)) : 0;
}

void cuda_after(struct workspace *w, uint64_t number) {
    struct cuda *d = cuda_of(w->compute);
    if (cuda_enter(d, w)) wait_for_mark(d, w, cuda_lane(w), number);
}

void cuda_fences_destroy(struct cuda *d) {
    struct fences *f = &d->fences;
    for (size_t i = 0; i < f->count && cuda_enter(d, NULL); i++)
        cuda_ok(d, NULL, d->driver->event_destroy(f->events[i].event), "the end of a fence");
    free(f->events);
    pthread_mutex_destroy(&f->mutex);
}

/* ---- workspaces ---- */

static struct lane *take_lane(struct cuda *d, struct error *err) {
    pthread_mutex_lock(&d->lanes_mutex);
    struct lane *lane = d->lanes;
    if (lane) d->lanes = lane->next;
    pthread_mutex_unlock(&d->lanes_mutex);
    if (lane) return lane;
    lane = malloc(sizeof *lane);
    if (!lane) {
        fail(err, STATUS_NO_MEMORY, "no memory to begin an edit");
        return NULL;
    }
    if (cuda_lane_create(d, lane, err) == STATUS_OK) return lane;
    free(lane);
    return NULL;
}

static void give_lane(struct cuda *d, struct lane *lane) {
    lane->first = lane->count = 0;
    pthread_mutex_lock(&d->lanes_mutex);
    lane->next = d->lanes;
    d->lanes = lane;
    pthread_mutex_unlock(&d->lanes_mutex);
}

enum status cuda_begin(struct workspace *w, struct error *err) {
    struct cuda *d = cuda_of(w->compute);
    if (!cuda_enter(d, NULL)) return compute_health(w->compute, err);
    struct lane *lane = take_lane(d, err);
    if (!lane) return STATUS_NO_MEMORY;
    if (!w->of) wait_for_mark(d, w, lane, mark(d, w, &d->loading)); /* the weights are there */
    w->lane = lane;
    return STATUS_OK;
}

void cuda_end(struct workspace *w) {
    struct cuda *d = cuda_of(w->compute);
    struct lane *lane = w->lane;
    if (cuda_enter(d, NULL)) {
        if (w->of)
            wait_for_mark(d, w, cuda_lane(w->of), mark(d, w, lane));
        else
            cuda_ok(d, NULL, d->driver->stream_wait(lane->stream), "the end of an edit");
    }
    give_lane(d, lane);
}

/* ---- the clock ---- */

/* Waits for the oldest operation whose time is not known yet, and books it. */
static void read_clock(struct cuda *d, struct workspace *w, struct lane *lane) {
    const struct timing *t = &lane->timings[lane->first];
    float milliseconds;
    lane->first = (lane->first + 1) % TIMED;
    lane->count--;
    if (cuda_ok(d, w, d->driver->event_wait(t->stop), "an operation") &&
        cuda_ok(d, w, d->driver->event_elapsed(&milliseconds, t->start, t->stop), "the clock"))
        w->costs[t->kind].seconds += (double)milliseconds / 1e3;
}

static bool record(struct cuda *d, struct workspace *w, const struct lane *lane, cu_event *event) {
    return (*event ||
            cuda_ok(d, w, d->driver->event_create(event, CU_EVENT_DEFAULT), "the clock")) &&
           cuda_ok(d, w, d->driver->event_record(*event, lane->stream), "the clock");
}

void cuda_clock_start(struct workspace *w, enum operation kind) {
    struct cuda *d = cuda_of(w->compute);
    struct lane *lane = w->lane;
    if (!lane || !cuda_enter(d, w)) return;
    if (lane->count == TIMED) read_clock(d, w, lane);
    struct timing *t = &lane->timings[(lane->first + lane->count) % TIMED];
    t->kind = kind;
    record(d, w, lane, &t->start);
}

void cuda_clock_stop(struct workspace *w) {
    struct lane *lane = w->lane;
    if (!lane || !workspace_is_live(w)) return;
    struct timing *t = &lane->timings[(lane->first + lane->count) % TIMED];
    if (record(cuda_of(w->compute), w, lane, &t->stop)) lane->count++;
}

void cuda_wait(struct workspace *w) {
    struct cuda *d = cuda_of(w->compute);
    struct lane *lane = w->lane;
    if (!cuda_enter(d, w)) return;
    if (!cuda_ok(d, w, d->driver->stream_wait(cuda_lane(w)->stream), "what was asked for")) return;
    while (lane && lane->count > 0 && workspace_is_live(w)) read_clock(d, w, lane);
}
