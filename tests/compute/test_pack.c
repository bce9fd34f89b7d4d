/*
 * Packing: what it reports to have read, and the memory that weights get.
 */
#include "support/unit_test.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "compute/backend.h"
#include "compute/plain.h"
#include "support/device.h"

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
static void check_reports(struct compute *c, enum dtype dtype, unsigned bears) {
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
    assert_int_equal(compute_pack_linear(c, &quiet.l, parts, 2, NULL, bears, NULL), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        parts[i].packed = report;
        parts[i].packed_arg = &r;
    }
    assert_int_equal(compute_pack_linear(c, &loud.l, parts, 2, NULL, bears, NULL), STATUS_OK);
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

/* ---- memory ---- */

enum { WEIGHTS = 200 };

static struct {
    const struct backend *cpu;
    struct backend table;
    int given, left; /* pieces: how many the device gives, and how many it will yet give */
    size_t bytes;
} device;

static uint64_t allocate(struct compute *c, size_t bytes) {
    if (device.left-- <= 0) return 0;
    device.given++;
    device.bytes += bytes;
    return device.cpu->allocate(c, bytes);
}

static void release(struct compute *c, uint64_t memory, size_t bytes) {
    device.given--;
    device.bytes -= bytes;
    device.cpu->release(c, memory, bytes);
}

static struct compute *counting(uint64_t weight_bytes, bool plan_only, int pieces) {
    struct compute *c;
    struct compute_options options = {.device = test_device(),
                                      .threads = 1,
                                      .weight_bytes = weight_bytes,
                                      .plan_only = plan_only};
    assert_int_equal(compute_create(&c, &options, NULL), STATUS_OK);
    device.cpu = c->backend;
    device.table = *c->backend;
    device.table.allocate = allocate;
    device.table.release = release;
    device.left = pieces;
    c->backend = &device.table;
    return c;
}

struct packed {
    struct linear *linears[WEIGHTS];
    struct conv *convs[WEIGHTS];
    struct vector *vectors[WEIGHTS];
};

static enum status pack_all(struct compute *c, struct packed *p, const float *x) {
    memset(p, 0, sizeof *p);
    enum status s = STATUS_OK;
    for (int i = 0; i < WEIGHTS && s == STATUS_OK; i++) {
        struct matrix m = {.dtype = DTYPE_F32, .rows = 1 + i, .cols = 33, .data = x};
        s = compute_pack_linear(c, &p->linears[i], &m, 1, x, PRECISION_FLOAT32, NULL);
        if (s == STATUS_OK) s = compute_pack_vector(c, &p->vectors[i], x, 1 + i, NULL);
        if (s == STATUS_OK)
            s = compute_pack_conv(c, &p->convs[i], x, x, 1 + i, 3, 3, PRECISION_FLOAT32, NULL);
    }
    return s;
}

static void destroy_all(struct packed *p) {
    for (int i = 0; i < WEIGHTS; i++) {
        linear_destroy(p->linears[i]);
        vector_destroy(p->vectors[i]);
        conv_destroy(p->convs[i]);
    }
}

/* One piece of the planned size; without a plan a few; all go back. */
static void test_pieces(void **state) {
    (void)state;
    static struct packed p;
    float *x = random_floats(WEIGHTS * 33, 1);
    struct compute *c = counting(0, true, 0);
    assert_int_equal(pack_all(c, &p, x), STATUS_OK);
    uint64_t planned = compute_weight_bytes(c);
    assert_true(planned > WEIGHTS * WEIGHTS / 2 * (33 + 27) * sizeof(float));
    destroy_all(&p);
    assert_int_equal(compute_weight_bytes(c), 0);
    compute_destroy(c);

    for (int known = 0; known < 2; known++) {
        c = counting(known ? planned : 0, false, 100);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(pack_all(c, &p, x), STATUS_OK);
            assert_int_equal(compute_weight_bytes(c), planned);
            assert_true(device.given <= (known ? 1 : 5) && device.bytes >= planned);
            if (known) assert_int_equal(device.bytes, planned);
            destroy_all(&p);
            assert_int_equal(compute_weight_bytes(c), 0);
            assert_int_equal(device.given, 0);
            assert_int_equal(device.bytes, 0);
        }
        compute_destroy(c);
    }
    free(x);
}

/* Memory that ends in the middle: said, and nothing is left behind. */
static void test_no_more(void **state) {
    (void)state;
    static struct packed p;
    float *x = random_floats(WEIGHTS * 33, 1);
    for (int pieces = 0; pieces < 3; pieces++) {
        struct compute *c = counting(0, false, pieces);
        assert_int_equal(pack_all(c, &p, x), STATUS_NO_MEMORY);
        destroy_all(&p);
        assert_int_equal(compute_weight_bytes(c), 0);
        assert_int_equal(device.given, 0);
        compute_destroy(c);
    }
    free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reports),
                                       cmocka_unit_test(test_pieces),
                                       cmocka_unit_test(test_no_more)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
