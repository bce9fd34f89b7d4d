/*
 * pool.h - the process's worker threads: parallel loops for any number of callers, on a fixed
 * number of cores.
 *
 * A pool of N threads has N-1 workers; whoever calls pool_run works on its own loop too.  Several
 * callers may run loops at the same time: the workers help them all, and as long as callers keep N
 * threads busy themselves the workers stay asleep, so that two edits on two cores do not fight over
 * them.
 *
 * Which thread runs a task is chance.  A task must therefore compute its result from its number
 * alone; then results do not depend on the number of threads.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

#include "firered/status.h"

struct pool;

/* threads: 1 and more; 0 means the cores that this process may run on and has the
 * time for: its affinity and its control groups' quota.  The caller owns *out. */
enum status pool_create(struct pool **out, int threads, struct error *err);
void pool_destroy(struct pool *p); /* NULL is fine; no loop may be running */
int pool_threads(const struct pool *p);

/* Calls task(arg, i, worker) for every i in 0..count-1, in parallel, and returns when all have
 * returned.  `worker` is 0..pool_threads()-1 and no two tasks that run at the same time in one
 * loop share it: index per-thread scratch with it. Tasks must not call pool_run. */
void pool_run(struct pool *p, size_t count, void (*task)(void *arg, size_t i, int worker),
              void *arg);

#endif
