/*
 * One mutex guards the list of running loops; tasks are handed out by an atomic counter per loop,
 * so the mutex is taken only when a thread joins or leaves a loop.  A loop lives on its caller's
 * stack: the caller takes it off the list, then waits until the last helper has left.
 */
#include "base/pool.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cgroup.h"

struct loop {
    void (*task)(void *arg, size_t i, int worker);
    void *arg;
    size_t count;
    atomic_size_t next;
    int helpers; /* workers inside; under the pool's mutex */
    struct loop *link;
};

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t work; /* a loop came, or a thread became free, or the end */
    pthread_cond_t left; /* a helper left a loop */
    struct loop *loops;
    int threads, busy; /* busy: callers and workers inside a loop */
    int started;
    bool ending;
    pthread_t *workers;
};

struct worker_start {
    struct pool *pool;
    int index;
};

static void work_on(struct loop *l, int worker) {
    for (size_t i; (i = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed)) < l->count;)
        l->task(l->arg, i, worker);
}

static struct loop *loop_with_work(struct pool *p) {
    for (struct loop *l = p->loops; l; l = l->link)
        if (atomic_load_explicit(&l->next, memory_order_relaxed) < l->count) return l;
    return NULL;
}

static void *worker_main(void *arg) {
    struct worker_start start = *(struct worker_start *)arg;
    free(arg);
    struct pool *p = start.pool;
    pthread_mutex_lock(&p->mutex);
    while (!p->ending) {
        struct loop *l = p->busy < p->threads ? loop_with_work(p) : NULL;
        if (!l) {
            pthread_cond_wait(&p->work, &p->mutex);
            continue;
        }
        p->busy++;
        l->helpers++;
        pthread_mutex_unlock(&p->mutex);
        work_on(l, start.index);
        pthread_mutex_lock(&p->mutex);
        p->busy--;
        if (--l->helpers == 0) pthread_cond_broadcast(&p->left);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

void pool_run(struct pool *p, size_t count, void (*task)(void *arg, size_t i, int worker),
              void *arg) {
    struct loop l = {.task = task, .arg = arg, .count = count};
    if (count < 2 || p->threads < 2) {
        work_on(&l, 0);
        return;
    }
    pthread_mutex_lock(&p->mutex);
    l.link = p->loops;
    p->loops = &l;
    p->busy++;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);

    work_on(&l, 0);

    pthread_mutex_lock(&p->mutex);
    struct loop **at = &p->loops;
    while (*at != &l) at = &(*at)->link;
    *at = l.link;
    p->busy--;
    while (l.helpers > 0) pthread_cond_wait(&p->left, &p->mutex);
    if (p->loops) pthread_cond_broadcast(&p->work); /* our core is free for somebody else's loop */
    pthread_mutex_unlock(&p->mutex);
}

/* A quota of one and a half is worth two threads: with one, a third of it would stay unused. */
static int usable_cores(void) {
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    double quota = ceil(cgroup_processors(""));
    if (quota < cores) cores = (int)quota;
    return cores > 0 ? cores : 1;
}

enum status pool_create(struct pool **out, int threads, struct error *err) {
    *out = NULL;
    if (threads <= 0) threads = usable_cores();
    struct pool *p = calloc(1, sizeof *p);
    if (!p) return fail(err, STATUS_NO_MEMORY, "no memory for the worker threads");
    p->threads = threads;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->left, NULL);
    p->workers = calloc((size_t)threads, sizeof *p->workers);
    bool ok = p->workers != NULL;
    for (int i = 1; ok && i < threads; i++) {
        struct worker_start *start = malloc(sizeof *start);
        ok = start != NULL;
        if (!ok) break;
        *start = (struct worker_start){p, i};
        ok = pthread_create(&p->workers[i], NULL, worker_main, start) == 0;
        if (ok)
            p->started = i;
        else
            free(start);
    }
    if (!ok) {
        pool_destroy(p);
        return fail(err, STATUS_NO_MEMORY, "cannot start %d worker threads; set THREADS lower",
                    threads);
    }
    *out = p;
    return STATUS_OK;
}

void pool_destroy(struct pool *p) {
    if (!p) return;
    pthread_mutex_lock(&p->mutex);
    p->ending = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
    for (int i = 1; i <= p->started; i++) pthread_join(p->workers[i], NULL);
    pthread_cond_destroy(&p->left);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->mutex);
    free(p->workers);
    free(p);
}

int pool_threads(const struct pool *p) {
    return p->threads;
}
