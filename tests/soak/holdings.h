/*
 * holdings.h - what a server holds: memory, descriptors, threads.  For the tests that ask whether it
 * holds more after hard work than before.
 */
#ifndef TESTS_SOAK_HOLDINGS_H
#define TESTS_SOAK_HOLDINGS_H

#include "http/harness.h"

struct holdings {
    int descriptors, threads;
};

/* Once nothing goes on: edits whose clients left have ended, and connections that linger are
 * closed. */
struct holdings count_idle(struct server_process *s);

/* What of its memory is in use now. */
long resident_kb(pid_t pid);

/* Sorts the values. */
long median(long *values, size_t count);

/* A number from the environment. */
int setting(const char *name, int usual);

#endif
