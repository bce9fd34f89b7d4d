/*
 * Copies between host and device.  Only from pinned memory does the driver copy without stopping for
 * it, so everything passes through a ring of pinned chunks: rows are written into one by all threads,
 * in the form that the device wants them, while the ones before are on their way.
 */
#include <stdlib.h>
#include <string.h>

#include "compute/cuda/cuda.h"

enum { TASK_BYTES = 1 << 18 };

enum status cuda_ring_create(struct cuda *d, struct error *err) {
    struct ring *ring = &d->ring;
    for (int i = 0; i < RING_CHUNKS; i++) {
        struct chunk *chunk = &ring->chunks[i];
        cu_result r = d->driver->event_create(&chunk->copied, CU_EVENT_NO_TIMING);
        if (r == CU_SUCCESS) chunk->memory = cuda_reserve_host(&d->base, CHUNK_BYTES);
        if (r != CU_SUCCESS || !chunk->memory)
            return fail(err, STATUS_NO_MEMORY, "no memory for copies to card %d", d->number);
    }
    return STATUS_OK;
}

void cuda_ring_destroy(struct cuda *d) {
    struct ring *ring = &d->ring;
    for (int i = 0; i < RING_CHUNKS; i++) {
        struct chunk *chunk = &ring->chunks[i];
        if (chunk->under_way && cuda_enter(d, NULL))
            cuda_ok(d, NULL, d->driver->event_wait(chunk->copied), "a copy");
        if (chunk->memory) cuda_release_host(&d->base, chunk->memory, CHUNK_BYTES);
        if (chunk->copied && cuda_enter(d, NULL))
            cuda_ok(d, NULL, d->driver->event_destroy(chunk->copied), "the end of a copy");
    }
    pthread_mutex_destroy(&ring->mutex);
    pthread_cond_destroy(&ring->given);
}

static void give_chunk(struct cuda *d, struct chunk *chunk) {
    pthread_mutex_lock(&d->ring.mutex);
    chunk->taken = false;
    pthread_cond_broadcast(&d->ring.given);
    pthread_mutex_unlock(&d->ring.mutex);
}

/* A chunk that may be written; NULL after a failure. */
static struct chunk *take_chunk(struct cuda *d, struct workspace *w) {
    struct ring *ring = &d->ring;
    pthread_mutex_lock(&ring->mutex);
    while (ring->chunks[ring->next].taken) pthread_cond_wait(&ring->given, &ring->mutex);
    struct chunk *chunk = &ring->chunks[ring->next];
    ring->next = (ring->next + 1) % RING_CHUNKS;
    chunk->taken = true;
    pthread_mutex_unlock(&ring->mutex);
    bool under_way = chunk->under_way;
    chunk->under_way = false;
    if (!under_way || cuda_ok(d, w, d->driver->event_wait(chunk->copied), "a copy")) return chunk;
    give_chunk(d, chunk);
    return NULL;
}

/* A part of a span that fits into a chunk: whole rows, or a part of one. */
struct piece {
    int64_t row, rows;
    size_t from, width;
};

static struct piece piece_at(struct span s, int64_t row, size_t from) {
    if (s.width > CHUNK_BYTES) {
        size_t rest = s.width - from;
        return (struct piece){row, 1, from, rest < CHUNK_BYTES ? rest : CHUNK_BYTES};
    }
    int64_t most = CHUNK_BYTES / (int64_t)s.width, rest = s.rows - row;
    return (struct piece){row, rest < most ? rest : most, 0, s.width};
}

/* To the piece after p. */
static void step_on(const struct piece *p, struct span s, int64_t *row, size_t *from) {
    *from += p->width;
    if (*from < s.width) return;
    *from = 0;
    *row += p->rows;
}

/* ---- the host's side ---- */

struct filling {
    struct piece piece;
    char *memory;
    int64_t rows_per_task;
    const struct source *source; /* or */
    const struct sink *sink;
};

static void fill_rows(void *arg, size_t task, int worker) {
    (void)worker;
    const struct filling *f = arg;
    const struct piece *p = &f->piece;
    int64_t first = (int64_t)task * f->rows_per_task, end = first + f->rows_per_task;
    for (int64_t r = first; r < end && r < p->rows; r++) {
        char *at = f->memory + (size_t)r * p->width;
        if (f->source)
            f->source->write(f->source->arg, at, p->row + r, p->from, p->width);
        else
            f->sink->read(f->sink->arg, at, p->row + r, p->from, p->width);
    }
}

static void fill(struct cuda *d, struct filling f) {
    f.rows_per_task = TASK_BYTES / (int64_t)f.piece.width + 1;
    pool_run(d->pool, (size_t)tiles_of(f.piece.rows, f.rows_per_task), fill_rows, &f);
}

/* ---- the device's side ---- */

static uint64_t address_of(struct span s, const struct piece *p) {
    return s.address + (size_t)p->row * s.pitch + p->from;
}

/* Of a single row there is none, and it may be larger than the driver takes. */
static size_t pitch_of(struct span s, const struct piece *p) {
    return p->rows > 1 ? s.pitch : p->width;
}

void cuda_send(struct workspace *w, struct span to, struct source from) {
    struct cuda *d = cuda_of(w->compute);
    const struct cuda_driver *driver = d->driver;
    int64_t row = 0;
    size_t at = 0;
    while (to.width > 0 && row < to.rows && workspace_is_live(w) && cuda_enter(d, w)) {
        struct chunk *chunk = take_chunk(d, w);
        if (!chunk) return;
        struct piece p = piece_at(to, row, at);
        fill(d, (struct filling){.piece = p, .memory = chunk->memory, .source = &from});
        const struct cu_copy copy = {.from_type = CU_MEMORY_HOST,
                                     .from_host = chunk->memory,
                                     .from_pitch = p.width,
                                     .to_type = CU_MEMORY_DEVICE,
                                     .to_device = address_of(to, &p),
                                     .to_pitch = pitch_of(to, &p),
                                     .width = p.width,
                                     .height = (size_t)p.rows};
        cu_stream stream = cuda_lane(w)->stream;
        chunk->under_way = cuda_ok(d, w, driver->copy(&copy, stream), "a copy") &&
                           cuda_ok(d, w, driver->event_record(chunk->copied, stream), "a copy");
        give_chunk(d, chunk);
        step_on(&p, to, &row, &at);
        if (from.done && at == 0) from.done(from.arg, p.row, p.rows);
    }
}

void cuda_fetch(struct workspace *w, struct span from, struct sink to) {
    struct cuda *d = cuda_of(w->compute);
    const struct cuda_driver *driver = d->driver;
    int64_t row = 0;
    size_t at = 0;
    while (from.width > 0 && row < from.rows && workspace_is_live(w) && cuda_enter(d, w)) {
        struct chunk *chunk = take_chunk(d, w);
        if (!chunk) return;
        struct piece p = piece_at(from, row, at);
        const struct cu_copy copy = {.from_type = CU_MEMORY_DEVICE,
                                     .from_device = address_of(from, &p),
                                     .from_pitch = pitch_of(from, &p),
                                     .to_type = CU_MEMORY_HOST,
                                     .to_host = chunk->memory,
                                     .to_pitch = p.width,
                                     .width = p.width,
                                     .height = (size_t)p.rows};
        cu_stream stream = cuda_lane(w)->stream;
        if (cuda_ok(d, w, driver->copy(&copy, stream), "a copy") &&
            cuda_ok(d, w, driver->stream_wait(stream), "a copy"))
            fill(d, (struct filling){.piece = p, .memory = chunk->memory, .sink = &to});
        give_chunk(d, chunk);
        step_on(&p, from, &row, &at);
    }
}

static void write_bytes(const void *arg, void *to, int64_t row, size_t from, size_t bytes) {
    (void)row;
    memcpy(to, (const char *)arg + from, bytes);
}

void cuda_send_bytes(struct workspace *w, uint64_t to, const void *from, size_t n) {
    cuda_send(w, (struct span){to, 1, n, n}, (struct source){.write = write_bytes, .arg = from});
}
