/*
 * clock.h - the one clock that deadlines and durations are read from: it never jumps.
 */
#ifndef SERVICE_CLOCK_H
#define SERVICE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NANOSECONDS 1000000000LL

/* CLOCK_MONOTONIC in nanoseconds. */
static inline int64_t clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NANOSECONDS + t.tv_nsec;
}

static inline double clock_seconds(int64_t from, int64_t to) {
    return (double)(to - from) / 1e9;
}

/* A moment of clock_now as pthread_cond_timedwait wants it, on a condition made for
 * CLOCK_MONOTONIC. */
static inline struct timespec clock_timespec(int64_t t) {
    return (struct timespec){.tv_sec = t / NANOSECONDS, .tv_nsec = t % NANOSECONDS};
}

#endif
