#include "weights/failing_malloc.h"

#include <jansson.h>
#include <stdlib.h>

/* The names are the linker's: --wrap=malloc sends every call of malloc to __wrap_malloc. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static long left;
static bool failed, with_jansson;

static bool fails(void) {
    if (left == 0 || --left > 0) return false;
    return failed = true;
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
