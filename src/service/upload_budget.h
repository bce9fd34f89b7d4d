/*
 * upload_budget.h - how many bytes of uploads all requests together may hold: no more than the queue
 * and the workers can ever need.  Many clients that send slowly at once could otherwise fill the
 * memory.
 *
 * May be used from any thread.
 */
#ifndef SERVICE_UPLOAD_BUDGET_H
#define SERVICE_UPLOAD_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct upload_budget {
    uint64_t max_bytes;
    atomic_uint_fast64_t held;
};

/* False, and nothing is counted, when that were too many. */
static inline bool upload_budget_hold(struct upload_budget *b, uint64_t bytes) {
    uint64_t held = atomic_fetch_add(&b->held, bytes) + bytes;
    if (held <= b->max_bytes) return true;
    atomic_fetch_sub(&b->held, bytes);
    return false;
}

static inline void upload_budget_release(struct upload_budget *b, uint64_t bytes) {
    atomic_fetch_sub(&b->held, bytes);
}

static inline uint64_t upload_budget_held(struct upload_budget *b) {
    return atomic_load(&b->held);
}

#endif
