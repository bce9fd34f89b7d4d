/*
 * The guard: host code that follows a tensor's address dies of it, whatever the device does
 * meanwhile; what is computed is the same, and what nobody wrote is not a number.
 */
#include "support/unit_test.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "compute/plain.h"
#include "support/child.h"

enum { ROWS = 64, COLS = 61 };

static struct compute *create(bool guard) {
    struct compute *c;
    assert_int_equal(
        compute_create(&c, &(struct compute_options){.device = "cpu", .threads = 2, .guard = guard},
                       NULL),
        STATUS_OK);
    return c;
}

static struct workspace *take(struct compute *c) {
    struct workspace *w;
    assert_int_equal(
        workspace_create(&w, c, (struct workspace_size){.device = 1 << 18}, NULL, NULL, NULL),
        STATUS_OK);
    return w;
}

static _Atomic bool computing, enough;

/* Its operations go on while the other thread reads. */
static void *compute_on(void *arg) {
    struct workspace *w = take(arg);
    float *x = random_floats((size_t)ROWS * COLS, 1);
    struct tensor t = tensor_from(w, x, ROWS, COLS);
    while (!enough) {
        op_silu(w, t, t);
        computing = true;
    }
    free(x);
    workspace_destroy(w);
    return NULL;
}

/* Reads a tensor as if it were its own memory. */
static void read_stray(void *guard) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGSEGV, SIG_DFL); /* a sanitizer has a handler of its own */
    struct compute *c = create(*(bool *)guard);
    struct workspace *w = take(c);
    struct tensor t = tensor_take(w, ROWS, COLS);
    pthread_t other;
    if (pthread_create(&other, NULL, compute_on, c) != 0) _exit(2);
    while (!computing) {
    }
    volatile float stray = *(const volatile float *)(uintptr_t)t.address;
    (void)stray;
    enough = true;
    pthread_join(other, NULL);
    _exit(0);
}

static void test_stray_read(void **state) {
    (void)state;
    bool guard = true, none = false;
    assert_int_equal(child_end(child_fork(read_stray, &guard), 60), 128 + SIGSEGV);
    assert_int_equal(child_end(child_fork(read_stray, &none), 60), 0); /* nobody notices */
}

static void test_fresh_memory(void **state) {
    (void)state;
    struct compute *c = create(true);
    struct workspace *w = take(c);
    float *x = random_floats((size_t)ROWS * COLS, 1), *y = random_floats((size_t)ROWS * COLS, 1);
    for (int again = 0; again < 2; again++) { /* what was written before is gone, too */
        struct tensor t = tensor_take(w, ROWS, COLS);
        assert_int_equal(t.stride, 64); /* rows begin at 16 bytes */
        tensor_download(w, y, t);
        for (int i = 0; i < ROWS * COLS; i++) assert_true(isnan(y[i]));
        tensor_upload(w, t, x);
        tensor_download(w, y, t);
        assert_memory_equal(x, y, ROWS * COLS * sizeof *x);
        workspace_release(w, 0);
    }
    workspace_destroy(w);
    compute_destroy(c);
    free(x);
    free(y);
}

/* Pieces of many sizes, given back in another order: none overlaps another one. */
static void test_pieces(void **state) {
    (void)state;
    enum { N = 40 };
    struct compute *c = create(true);
    struct vector *v[N] = {0};
    float *x = random_floats(100000, 1);
    for (int round = 0; round < 3; round++) {
        for (int i = round; i < N; i += round + 1) {
            vector_destroy(v[i]);
            assert_int_equal(
                compute_pack_vector(c, &v[i], x + i, (i * 977 + round) % 9000 + 1, NULL),
                STATUS_OK);
        }
    }
    struct workspace *w = take(c);
    for (int i = 2; i < N; i += 3) { /* those of the last round */
        int64_t n = ((int64_t)i * 977 + 2) % 9000 + 1;
        float *y = random_floats((size_t)n, 1);
        struct tensor ones = tensor_take(w, 1, n), out = tensor_take(w, 1, n);
        for (int64_t k = 0; k < n; k++) y[k] = 1;
        tensor_upload(w, ones, y);
        op_rms_norm(w, out, ones, v[i], 0);
        tensor_download(w, y, out);
        assert_int_equal(workspace_check(w, NULL), STATUS_OK);
        for (int64_t k = 0; k < n; k++) assert_float_equal(y[k], x[i + k], 1e-6);
        workspace_release(w, 0);
        free(y);
    }
    workspace_destroy(w);
    for (int i = 0; i < N; i++) vector_destroy(v[i]);
    compute_destroy(c);
    free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stray_read),
                                       cmocka_unit_test(test_fresh_memory),
                                       cmocka_unit_test(test_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
