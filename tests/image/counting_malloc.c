/*
 * The blocks of a run are kept in a list, so that freeing one from before it does not disturb the
 * counts.  One thread only.
 */
#include "counting_malloc.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef COUNT_OWN_CALLS_ONLY
#define NAMED(f) __wrap_##f
#define REAL(f)  __real_##f
#else
#define NAMED(f) f
#define REAL(f)  __libc_##f
#endif

void *REAL(malloc)(size_t n);
void *REAL(realloc)(void *p, size_t n);
void REAL(free)(void *p);
void *NAMED(malloc)(size_t n);
void *NAMED(calloc)(size_t n, size_t each);
void *NAMED(realloc)(void *p, size_t n);
void NAMED(free)(void *p);

enum { RING = 4096 };

static struct {
    bool on;
    long calls, fail_at, live;
    size_t held, peak;
    struct {
        void *block;
        size_t size;
    } blocks[RING]; /* those of this run that are alive; a decode takes a few dozen */
} now;

void counting_start(long nth) {
    memset(&now, 0, sizeof now);
    now.fail_at = nth;
    now.on = true;
}

void counting_stop(void) {
    now.on = false;
}

long counting_calls(void) {
    return now.calls;
}

long counting_live(void) {
    return now.live;
}

size_t counting_peak(void) {
    return now.peak;
}

static bool refused(void) {
    return now.on && ++now.calls == now.fail_at;
}

static void *taken(void *p, size_t n) {
    for (int i = 0; now.on && p && i < RING; i++)
        if (!now.blocks[i].block) {
            now.blocks[i].block = p;
            now.blocks[i].size = n;
            now.live++;
            now.held += n;
            if (now.held > now.peak) now.peak = now.held;
            break;
        }
    return p;
}

static void given_back(const void *p) {
    for (int i = 0; now.live > 0 && p && i < RING; i++)
        if (now.blocks[i].block == p) {
            now.blocks[i].block = NULL;
            now.live--;
            now.held -= now.blocks[i].size;
            return;
        }
}

void *NAMED(malloc)(size_t n) {
    return refused() ? NULL : taken(REAL(malloc)(n), n);
}

void *NAMED(calloc)(size_t n, size_t each) {
    size_t bytes;
    if (refused() || __builtin_mul_overflow(n, each, &bytes)) return NULL;
    void *p = REAL(malloc)(bytes);
    if (p) memset(p, 0, bytes);
    return taken(p, bytes);
}

void *NAMED(realloc)(void *p, size_t n) {
    if (refused()) return NULL;
    void *moved = REAL(realloc)(p, n);
    if (moved) given_back(p);
    return moved ? taken(moved, n) : NULL;
}

void NAMED(free)(void *p) {
    given_back(p);
    REAL(free)(p);
}
