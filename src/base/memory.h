/*
 * memory.h - how much memory this process may still take.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdint.h>

/* Bytes that can be taken without swapping or being killed: the smallest of what the system has
 * available and what is left in the process's control groups.  Linux grants more on paper than there is, so a large allocation that succeeds proves
 * nothing.  UINT64_MAX where nothing is known. */
uint64_t memory_available(void);

#endif
