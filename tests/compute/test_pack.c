/*
 * Packing: what it reports to have read.
 */
#include "support/unit_test.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "compute/plain.h"

enum { OUT = 97, DEPTH = 70, FIRST = 33, ROWS = 3 };

struct reported {
    const char *from;                                /* of what was stored */
    atomic_uchar times[OUT * DEPTH * sizeof(float)]; /* each byte */
};

/* Overwrites what is reported with NaN: who reads it afterwards gives other results. */
static void report(void *arg, const void *data, size_t bytes) {
    struct reported *r = arg;
    char *at = (char *)(uintptr_t)data;
    memset(at, 0xff, bytes);
    for (size_t i = 0; i < bytes; i++) atomic_fetch_add(&r->times[at - r->from + (ptrdiff_t)i], 1);
}

struct product {
    struct linear *l;
    const float *x;
    float y[ROWS * OUT];
};

static void multiply(struct workspace *w, void *arg) {
    struct product *p = arg;
    struct tensor y = tensor_take(w, ROWS, OUT);
    op_linear(w, y, tensor_from(w, p->x, ROWS, DEPTH), p->l, NULL);
    tensor_download(w, p->y, y);
}

/* Two matrices, one below the other, packed with and without somebody who is told. */
static void check_reports(struct compute *c, enum dtype dtype, enum precision coarsest) {
    static struct reported r;
    static struct product quiet, loud;
    float *weight = random_bf16_floats(OUT * DEPTH), *x = random_floats(ROWS * DEPTH, 1);
    size_t row = dtype_bytes(dtype, DEPTH);
    char *stored = stored_as(dtype, weight, OUT * DEPTH);
    struct matrix parts[] = {
        {.dtype = dtype, .rows = FIRST, .cols = DEPTH, .data = stored},
        {.dtype = dtype, .rows = OUT - FIRST, .cols = DEPTH, .data = stored + FIRST * row}};
    memset(&r, 0, sizeof r);
    r.from = stored;
    quiet.x = loud.x = x;
    assert_int_equal(compute_pack_linear(c, &quiet.l, parts, 2, NULL, coarsest, NULL), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        parts[i].packed = report;
        parts[i].packed_arg = &r;
    }
    assert_int_equal(compute_pack_linear(c, &loud.l, parts, 2, NULL, coarsest, NULL), STATUS_OK);
    for (size_t i = 0; i < OUT * row; i++) assert_int_equal(r.times[i], 1);
    run_planned(c, multiply, &quiet);
    run_planned(c, multiply, &loud);
    assert_memory_equal(quiet.y, loud.y, sizeof quiet.y);
    linear_destroy(quiet.l);
    linear_destroy(loud.l);
    free(stored);
    free(weight);
    free(x);
}

static void reports(struct compute *c) {
    check_reports(c, DTYPE_F32, PRECISION_FLOAT32);
    check_reports(c, DTYPE_BF16, PRECISION_BFLOAT16);
    check_reports(c, DTYPE_F16, PRECISION_INT8);
}

/* Every element is reported once, after it was read. */
static void test_reports(void **state) {
    (void)state;
    each_kernels(2, reports);
    each_kernels_at(PRECISION_INT8, 2, reports);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reports)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
