/*
 * Parallel loops: every index exactly once, whoever else runs loops at the same time; no two tasks
 * of one loop share a worker's number at a time; what tasks wrote is there when the loop has
 * returned.
 */
#include "support/unit_test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"

enum { MOST_WORKERS = 8 };

struct loop_check {
    struct pool *pool;
    size_t count;
    unsigned char *seen; /* [count], plain memory: the thread sanitizer watches it */
    atomic_int inside[MOST_WORKERS];
    atomic_int shared, strange; /* tasks that found their number taken; numbers out of range */
};

static void task(void *arg, size_t i, int worker) {
    struct loop_check *l = arg;
    if (worker < 0 || worker >= pool_threads(l->pool) || i >= l->count) {
        l->strange++;
        return;
    }
    if (atomic_fetch_add(&l->inside[worker], 1) != 0) l->shared++;
    l->seen[i]++;
    if (i % 64 == 0) sched_yield();
    atomic_fetch_sub(&l->inside[worker], 1);
}

/* cmocka's assertions belong to the main thread, so the others bring back a verdict. */
static bool loop_is_right(struct pool *pool, size_t count) {
    struct loop_check l = {.pool = pool, .count = count, .seen = calloc(count + 1, 1)};
    if (!l.seen) return false;
    pool_run(pool, count, task, &l);
    bool right = l.shared == 0 && l.strange == 0;
    for (size_t i = 0; i < count; i++) right = right && l.seen[i] == 1;
    free(l.seen);
    return right;
}

static struct pool *create(int threads) {
    struct pool *p;
    struct error err;
    if (pool_create(&p, threads, &err) != STATUS_OK) fail_msg("%s", err.text);
    if (threads) assert_int_equal(pool_threads(p), threads);
    return p;
}

static void test_sizes(void **state) {
    (void)state;
    static const size_t counts[] = {0, 1, 2, 3, 7, 64, 1000};
    for (int threads = 1; threads <= MOST_WORKERS; threads++) {
        struct pool *p = create(threads);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            assert_true(loop_is_right(p, counts[i]));
        pool_destroy(p);
    }
}

static void test_all_cores(void **state) {
    (void)state;
    struct pool *p = create(0);
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    assert_int_equal(pool_threads(p), CPU_COUNT(&set));
    pool_destroy(p);
    pool_destroy(create(3)); /* never used */
    pool_destroy(NULL);
}

struct caller {
    struct pool *pool;
    int number;
    bool right;
};

static void *call_many(void *arg) {
    struct caller *c = arg;
    c->right = true;
    for (int i = 0; i < 300; i++)
        c->right = loop_is_right(c->pool, (size_t)((i * 37 + c->number * 11) % 200)) && c->right;
    return NULL;
}

static void test_many_callers(void **state) {
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        struct pool *p = create(threads);
        struct caller callers[6];
        pthread_t ids[6];
        for (int i = 0; i < 6; i++) {
            callers[i] = (struct caller){p, i, false};
            assert_int_equal(pthread_create(&ids[i], NULL, call_many, &callers[i]), 0);
        }
        for (int i = 0; i < 6; i++) {
            pthread_join(ids[i], NULL);
            assert_true(callers[i].right);
        }
        pool_destroy(p);
    }
}

static void add_up(void *arg, size_t i, int worker) {
    (void)worker;
    uint64_t *x = arg;
    x[i] = x[i] * 3 + i;
}

/* A loop sees all that the loop before it wrote, whichever threads did. */
static void test_loops_in_order(void **state) {
    (void)state;
    struct pool *p = create(4);
    uint64_t x[100] = {0}, want[100] = {0};
    for (int n = 0; n < 500; n++) {
        pool_run(p, 100, add_up, x);
        for (size_t i = 0; i < 100; i++) add_up(want, i, 0);
    }
    assert_memory_equal(x, want, sizeof x);
    pool_destroy(p);
}

static void wait_for_others(void *arg, size_t i, int worker) {
    (void)i, (void)worker;
    atomic_int *here = arg;
    atomic_fetch_add(here, 1);
    for (int tries = 0; atomic_load(here) < 3 && tries < 1000000; tries++) sched_yield();
}

/* Three tasks that wait for one another end only if three threads run them. */
static void test_really_parallel(void **state) {
    (void)state;
    struct pool *p = create(3);
    atomic_int here = 0;
    pool_run(p, 3, wait_for_others, &here);
    assert_int_equal(atomic_load(&here), 3);
    pool_destroy(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),           cmocka_unit_test(test_all_cores),
        cmocka_unit_test(test_many_callers),    cmocka_unit_test(test_loops_in_order),
        cmocka_unit_test(test_really_parallel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
