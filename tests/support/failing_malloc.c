/*
 * The blocks of a run are kept in a list, so that freeing one from before it does not disturb the
 * counts.  While nothing is counted, every call goes straight through.
 */
#include "support/failing_malloc.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#if MALLOC_SERVES_LIBRARIES
#define NAMED(f) f
#define REAL(f)  __libc_##f
#else
#define NAMED(f) __wrap_##f
#define REAL(f)  __real_##f
#endif

void *REAL(malloc)(size_t n);
void *REAL(realloc)(void *p, size_t n);
void REAL(free)(void *p);
void *NAMED(malloc)(size_t n);
void *NAMED(calloc)(size_t n, size_t each);
void *NAMED(realloc)(void *p, size_t n);
void NAMED(free)(void *p);

enum { MAX_BLOCKS = 4096 }; /* more than that at one time are not counted */

static atomic_bool counting;
static atomic_long live;
static bool jansson_counted;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { /* under the lock */
    long calls, fail_at;
    size_t held, peak;
    struct {
        void *address;
        size_t size;
    } blocks[MAX_BLOCKS]; /* those of this run that are alive */
} now;

void malloc_fail_at(long n) {
    pthread_mutex_lock(&lock);
    memset(&now, 0, sizeof now);
    now.fail_at = n;
    atomic_store(&live, 0);
    atomic_store(&counting, true);
    pthread_mutex_unlock(&lock);
}

void malloc_fail_no_more(void) {
    atomic_store(&counting, false);
}

bool malloc_has_failed(void) {
    pthread_mutex_lock(&lock);
    bool failed = now.fail_at > 0 && now.calls >= now.fail_at;
    pthread_mutex_unlock(&lock);
    return failed;
}

long malloc_live(void) {
    return atomic_load(&live);
}

size_t malloc_peak(void) {
    pthread_mutex_lock(&lock);
    size_t peak = now.peak;
    pthread_mutex_unlock(&lock);
    return peak;
}

bool malloc_fails_next(void) {
    if (!atomic_load(&counting)) return false;
    pthread_mutex_lock(&lock);
    bool fails = ++now.calls == now.fail_at;
    pthread_mutex_unlock(&lock);
    return fails;
}

static void *taken(void *p, size_t n) {
    if (!p || !atomic_load(&counting)) return p;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (!now.blocks[i].address) {
            now.blocks[i].address = p;
            now.blocks[i].size = n;
            atomic_fetch_add(&live, 1);
            now.held += n;
            if (now.held > now.peak) now.peak = now.held;
            break;
        }
    pthread_mutex_unlock(&lock);
    return p;
}

static void given_back(uintptr_t address) {
    if (!address || atomic_load(&live) == 0) return;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_BLOCKS; i++)
        if ((uintptr_t)now.blocks[i].address == address) {
            now.blocks[i].address = NULL;
            atomic_fetch_sub(&live, 1);
            now.held -= now.blocks[i].size;
            break;
        }
    pthread_mutex_unlock(&lock);
}

void *NAMED(malloc)(size_t n) {
    return malloc_fails_next() ? NULL : taken(REAL(malloc)(n), n);
}

void *NAMED(calloc)(size_t n, size_t each) {
    size_t bytes;
    if (malloc_fails_next() || __builtin_mul_overflow(n, each, &bytes)) return NULL;
    void *p = REAL(malloc)(bytes);
    if (p) memset(p, 0, bytes);
    return taken(p, bytes);
}

void *NAMED(realloc)(void *p, size_t n) {
    uintptr_t before = (uintptr_t)p;
    if (malloc_fails_next()) return NULL;
    void *moved = REAL(realloc)(p, n);
    if (moved) given_back(before);
    return taken(moved, n);
}

void NAMED(free)(void *p) {
    given_back((uintptr_t)p);
    REAL(free)(p);
}

static void *jansson_malloc(size_t n) {
    return jansson_counted ? NAMED(malloc)(n) : REAL(malloc)(n);
}

void malloc_count_jansson(bool counted) {
    jansson_counted = counted;
    json_set_alloc_funcs(jansson_malloc, NAMED(free));
}
