/*
 * failing_malloc.h - an allocator that fails on demand and counts what is taken, for tests that
 * CMake's firered_failing_malloc() links with it.
 *
 * By default it serves the code that is linked statically, ours (the linker's --wrap).  With
 * EVERYTHING it replaces malloc and its kin for the whole process, libraries included, except under
 * sanitizers, which have a malloc of their own: MALLOC_SERVES_LIBRARIES says which.
 *
 * Several threads may allocate while it counts.
 */
#ifndef SUPPORT_FAILING_MALLOC_H
#define SUPPORT_FAILING_MALLOC_H

#include <stdbool.h>
#include <stddef.h>

#ifndef MALLOC_SERVES_LIBRARIES
#define MALLOC_SERVES_LIBRARIES 0
#endif

/* From here on the n-th allocation (from 1) fails, once; 0: none does.  Starts all counts again. */
void malloc_fail_at(long n);
/* Lets allocations succeed again; counts stay for the functions below. */
void malloc_fail_no_more(void);

/* Counts an allocation of a library, which the test's own wrapper is about to make, and says
 * whether that is the one that fails. */
bool malloc_fails_next(void);
/* Whether jansson's allocations, by default not ours to fail, count too. */
void malloc_count_jansson(bool counted);

/* Of those since the start: */
bool malloc_has_failed(void);
long malloc_live(void);   /* blocks that were not given back */
size_t malloc_peak(void); /* the most bytes that were held at one time */

#endif
