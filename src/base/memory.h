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

/* Bytes of addresses that the process's own limits (ulimit -v and -d) leave it.  UINT64_MAX where
 * there is no limit. */
uint64_t memory_addresses_left(void);

#endif
