/*
 * The memory of weights that stay: few large pieces of the device's, since each one that a device
 * gives costs it time and is rounded up.  Weights are put one behind the other; a piece goes back
 * when the last of them is destroyed, and gaps are not filled again: a model's weights come and go
 * together.
 *
 * Whoever knows how much there will be says so when the device is made: then there is one piece, of
 * exactly that size.  Else each new piece is as large as all before it together, so that there are
 * few without much of a rest.  On a plan-only device only the sum is kept, of the same sizes.
 */
#include <stdlib.h>

#include "compute/backend.h"

enum { FIRST_BYTES = 1 << 20 };

struct piece {
    struct piece *next;
    uint64_t address;
    size_t size, used;
    int64_t weights; /* that live in it */
};

void weight_memory_init(struct weight_memory *m, uint64_t planned) {
    *m = (struct weight_memory){.planned = planned};
    pthread_mutex_init(&m->mutex, NULL);
}

void weight_memory_destroy(struct weight_memory *m) {
    pthread_mutex_destroy(&m->mutex);
}

static size_t rounded(const struct compute *c, size_t bytes) {
    size_t piece = c->alignment.piece;
    return (bytes + piece - 1) / piece * piece;
}

/* A new piece for at least `bytes`, before all others; NULL when there is no memory. */
static struct piece *add_piece(struct compute *c, size_t bytes) {
    struct weight_memory *m = &c->weights;
    size_t size = !m->pieces ? (size_t)m->planned : m->size;
    if (size < FIRST_BYTES && !(m->planned && !m->pieces)) size = FIRST_BYTES;
    if (size < bytes) size = bytes;
    struct piece *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->address = c->backend->allocate(c, size);
    if (!p->address) {
        free(p);
        return NULL;
    }
    p->size = size;
    p->next = m->pieces;
    m->pieces = p;
    m->size += size;
    return p;
}

uint64_t weight_memory_take(struct compute *c, size_t bytes) {
    struct weight_memory *m = &c->weights;
    uint64_t address = 0;
    bytes = rounded(c, bytes);
    if (!c->plan_only) {
        pthread_mutex_lock(&m->mutex);
        struct piece *p = m->pieces;
        while (p && p->size - p->used < bytes) p = p->next;
        if (!p) p = add_piece(c, bytes);
        if (p) {
            address = p->address + p->used;
            p->used += bytes;
            p->weights++;
        }
        pthread_mutex_unlock(&m->mutex);
        if (!address) return 0;
    }
    atomic_fetch_add(&c->weight_bytes, bytes);
    return address;
}

/* Unlinks and releases the piece that *at points to. */
static void remove_piece(struct compute *c, struct piece **at) {
    struct piece *p = *at;
    *at = p->next;
    c->weights.size -= p->size;
    c->backend->release(c, p->address, p->size);
    free(p);
}

void weight_memory_give(struct compute *c, uint64_t address, size_t bytes) {
    struct weight_memory *m = &c->weights;
    atomic_fetch_sub(&c->weight_bytes, rounded(c, bytes));
    if (c->plan_only) return;
    pthread_mutex_lock(&m->mutex);
    struct piece **at = &m->pieces;
    while (address - (*at)->address >= (*at)->size) at = &(*at)->next;
    if (--(*at)->weights == 0) remove_piece(c, at);
    pthread_mutex_unlock(&m->mutex);
}
