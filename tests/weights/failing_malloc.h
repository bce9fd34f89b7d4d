/*
 * failing_malloc.h - an allocator that fails on demand, for programs linked with
 * --wrap=malloc,calloc,realloc and with failing_malloc.c.  It serves our code and jansson; the C
 * library itself is left alone.
 */
#ifndef TESTS_WEIGHTS_FAILING_MALLOC_H
#define TESTS_WEIGHTS_FAILING_MALLOC_H

#include <stdbool.h>

void malloc_watch_jansson(void);           /* once, before jansson is used */
void malloc_fail_at(long n, bool jansson); /* the n-th allocation from here on fails, n >= 1; 0:
                                              none; `jansson` counts jansson's too */
bool malloc_has_failed(void);              /* whether it came to that since then */

#endif
