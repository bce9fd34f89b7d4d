/*
 * clock.h - the one clock that deadlines and durations are read from: it never jumps.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define NANOSECONDS 1000000000LL

/* CLOCK_MONOTONIC in nanoseconds. */
static inline int64_t clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NANOSECONDS + t.tv_nsec;
}

/* From one moment to another, in seconds. */
static inline double clock_seconds(int64_t from, int64_t to) {
    return (double)(to - from) / 1e9;
}

/* Now, in seconds, for who only takes differences. */
static inline double clock_now_seconds(void) {
    return clock_seconds(0, clock_now());
}

/* A condition whose waits may end at a moment of this clock, as clock_timespec gives it. */
static inline void clock_cond_init(pthread_cond_t *cond) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* A moment of clock_now as pthread_cond_timedwait wants it. */
static inline struct timespec clock_timespec(int64_t t) {
    return (struct timespec){.tv_sec = t / NANOSECONDS, .tv_nsec = t % NANOSECONDS};
}

#endif
