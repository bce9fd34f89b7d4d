/*
 * counting_malloc.h - how much memory is taken, and what happens when there is none.
 *
 * In a plain build this replaces malloc and its kin for the whole process, libraries included
 * (glibc).  With COUNT_OWN_CALLS_ONLY, for sanitizers, which have a malloc of their own, only calls
 * from code that is linked statically are seen (the linker's --wrap), and peaks are then those of
 * our own code.
 */
#ifndef TEST_IMAGE_COUNTING_MALLOC_H
#define TEST_IMAGE_COUNTING_MALLOC_H

#include <stddef.h>

/* From here on the nth allocation (from 1) fails, once; 0: none does.  Starts all counts again. */
void counting_start(long nth);
/* Lets allocations succeed again; counts stay for the functions below. */
void counting_stop(void);

long counting_calls(void); /* allocations since the start */
long counting_live(void);  /* blocks taken since the start and not given back */
size_t counting_peak(
    void); /* most bytes that were held at one time, of those taken since the start */

#endif
