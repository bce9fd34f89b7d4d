#include "weights/failing_malloc.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The names are the linker's: --wrap=malloc sends every call of malloc to __wrap_malloc. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

/* Several threads may allocate.  Below 0, the failure is behind us. */
static atomic_long left;
static atomic_bool failed;
static bool with_jansson;

static bool fails(void) {
    if (atomic_load(&left) == 0 || atomic_fetch_sub(&left, 1) != 1) return false;
    atomic_store(&failed, true);
    return true;
}

void *__wrap_malloc(size_t n) {
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n) {
    return fails() ? NULL : __real_realloc(p, n);
}

static void *jansson_malloc(size_t n) {
    return with_jansson ? __wrap_malloc(n) : __real_malloc(n);
}

void malloc_watch_jansson(void) {
    json_set_alloc_funcs(jansson_malloc, free);
}

void malloc_fail_at(long n, bool jansson) {
    with_jansson = jansson;
    left = n;
    failed = false;
}

bool malloc_has_failed(void) {
    return failed;
}
