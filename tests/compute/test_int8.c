/*
 * op_linear with 8-bit products.  Sums of whole numbers are exact, so much here is equal, not near:
 * every table with the plain formula, tables with each other, many threads with one.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compute/plain.h"
#include "support/device.h"

struct int8_case {
    int64_t rows, depth, out;
    const float *x, *weight, *bias; /* bias: or NULL */
    float *y;                       /* result */
    struct linear *l;
};

static void work(struct workspace *w, void *arg) {
    struct int8_case *t = arg;
    struct tensor x = tensor_from(w, t->x, t->rows, t->depth), y = tensor_take(w, t->rows, t->out);
    op_linear(w, y, x, t->l, NULL);
    tensor_download(w, t->y, y);
}

static void run(struct compute *c, struct int8_case *t) {
    struct matrix m = {.dtype = DTYPE_F32, .rows = t->out, .cols = t->depth, .data = t->weight};
    assert_int_equal(compute_pack_linear(c, &t->l, &m, 1, t->bias, PRECISION_INT8, NULL),
                     STATUS_OK);
    run_planned(c, work, t);
    linear_destroy(t->l);
}

/* ---- against the formula ---- */

static void as_the_formula(struct compute *c) {
    static const int64_t rows[] = {1, 7, 97}, depths[] = {1, 3, 4, 5, 511, 513, 1030},
                         outs[] = {1, 17, 400};
    for (int n = 0; n < 3 * 7 * 3; n++) {
        struct int8_case t = {.rows = rows[n % 3], .depth = depths[n / 3 % 7], .out = outs[n / 21]};
        size_t size = (size_t)(t.rows * t.out);
        float *x = random_floats((size_t)(t.rows * t.depth), 3),
              *weight = random_floats((size_t)(t.out * t.depth), 0.1f),
              *bias = random_floats((size_t)t.out, 1);
        t.x = x;
        t.weight = weight;
        t.bias = n % 2 ? bias : NULL;
        t.y = random_floats(size, 1);
        run(c, &t);
        double *want = plain_linear_int8(x, t.rows, t.depth, weight, t.bias, t.out, int8_max(c));
        double off = distance(t.y, want, size);
        if (!(off < 1e-6))
            fail_msg("%s: rows %d depth %d out %d: off by %g", compute_kernels(c), (int)t.rows,
                     (int)t.depth, (int)t.out, off);
        free(want);
        free(t.y);
        free(x);
        free(weight);
        free(bias);
    }
}

static void test_as_the_formula(void **state) {
    (void)state;
    each_kernels_at(PRECISION_INT8, 2, as_the_formula);
}

/* ---- tables, threads and neighbours ---- */

enum { ROWS = 211, DEPTH = 777, OUT = 433 };

static void compute_with(const char *kernels, int threads, struct int8_case *t) {
    struct compute *c;
    struct compute_options options = {.device = test_device(),
                                      .threads = threads,
                                      .precisions = PRECISION_INT8,
                                      .kernels = kernels};
    assert_int_equal(compute_create(&c, &options, NULL), STATUS_OK);
    memset(t->y, 0xff, (size_t)(t->rows * t->out) * sizeof *t->y);
    run(c, t);
    compute_destroy(c);
}

/* What the tables with 7 bits and with 8 bits gave first. */
static float *first_of[2];

static void the_same_everywhere(struct compute *c) {
    static float *x, *weight, *bias;
    if (!x) {
        x = random_floats(ROWS * DEPTH, 5);
        weight = random_floats((size_t)OUT * DEPTH, 0.2f);
        bias = random_floats(OUT, 1);
    }
    float **first = &first_of[int8_max(c) == 127], *y = random_floats(ROWS * OUT, 1);
    struct int8_case t = {
        .rows = ROWS, .depth = DEPTH, .out = OUT, .x = x, .weight = weight, .bias = bias, .y = y};
    static const int threads[] = {1, 2, 3, 5};
    for (int i = 0; i < 4; i++) {
        compute_with(compute_kernels(c), threads[i], &t);
        if (!*first) {
            *first = random_floats(ROWS * OUT, 1);
            memcpy(*first, y, ROWS * OUT * sizeof *y);
        }
        assert_memory_equal(*first, y, ROWS * OUT * sizeof *y);
    }
    for (t.rows = 1; t.rows < 100; t.rows += 13) {
        run(c, &t);
        assert_memory_equal(*first, y, (size_t)t.rows * OUT * sizeof *y);
    }
    free(y);
}

static void test_the_same_everywhere(void **state) {
    (void)state;
    each_kernels_at(PRECISION_INT8, 1, the_same_everywhere);
    free(first_of[0]);
    free(first_of[1]);
}

/* ---- the largest sums ---- */

/* Every number as large as it can be.  Two neighbouring products are up to 2 * 255 * 127 then, which
 * 16 bits do not hold; 2 * 255 * 64 they do. */
static void nothing_saturates(struct compute *c) {
    enum { N_ROWS = 9, N_OUT = 65, MOST = 65536 };
    for (int64_t depth = 2; depth <= MOST; depth = depth < 1024 ? depth * 8 : depth * 64)
        for (int signs = 0; signs < 4; signs++) {
            float row_sign = signs & 1 ? -1.0f : 1.0f, column_sign = signs & 2 ? -1.0f : 1.0f;
            float *x = random_floats((size_t)(N_ROWS * depth), 1),
                  *weight = random_floats((size_t)(N_OUT * depth), 1),
                  *y = random_floats(N_ROWS * N_OUT, 1);
            for (int64_t i = 0; i < N_ROWS * depth; i++) x[i] = row_sign;
            for (int64_t i = 0; i < N_OUT * depth; i++) weight[i] = column_sign;
            struct int8_case t = {
                .rows = N_ROWS, .depth = depth, .out = N_OUT, .x = x, .weight = weight, .y = y};
            run(c, &t);
            double want = (double)(row_sign * column_sign) * (double)depth;
            for (int i = 0; i < N_ROWS * N_OUT; i++)
                if (!(fabs(y[i] - want) <= 1e-6 * (double)depth))
                    fail_msg("%s: depth %d: %g, not %g", compute_kernels(c), (int)depth, y[i],
                             want);
            free(x);
            free(weight);
            free(y);
        }
}

static void test_nothing_saturates(void **state) {
    (void)state;
    each_kernels_at(PRECISION_INT8, 1, nothing_saturates);
}

/* ---- numbers at the edge ---- */

enum { E_ROWS = 5, E_DEPTH = 21, E_OUT = 37 };

/* A row or a column that has a number which is not finite gives none that is; others do not know. */
static void not_finite(struct compute *c) {
    static const float broken[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (int n = 0; n < 8; n++) {
        bool in_weight = n >= 4;
        float *x = random_floats(E_ROWS * E_DEPTH, 1), *weight = random_floats(E_OUT * E_DEPTH, 1);
        float y[E_ROWS * E_OUT];
        (in_weight ? weight : x)[3 * E_DEPTH + n] = broken[n % 4];
        struct int8_case t = {
            .rows = E_ROWS, .depth = E_DEPTH, .out = E_OUT, .x = x, .weight = weight, .y = y};
        run(c, &t);
        for (int i = 0; i < E_ROWS * E_OUT; i++)
            assert_int_equal(!isfinite(y[i]), (in_weight ? i % E_OUT : i / E_OUT) == 3);
        free(x);
        free(weight);
    }
}

static void test_not_finite(void **state) {
    (void)state;
    each_kernels_at(PRECISION_INT8, 1, not_finite);
}

/* Zeros, and numbers so small that their scale has no inverse, give the bias and nothing else. */
static void zeros(struct compute *c) {
    static const float smallest[] = {0.0f, -0.0f, 1e-45f, 1e-38f};
    float *bias = random_floats(E_OUT, 1), *some = random_floats(E_OUT * E_DEPTH, 1);
    float none[E_OUT * E_DEPTH], y[E_ROWS * E_OUT];
    for (int n = 0; n < 8; n++) {
        for (int i = 0; i < E_OUT * E_DEPTH; i++) none[i] = smallest[n % 4];
        struct int8_case t = {.rows = E_ROWS, .depth = E_DEPTH, .out = E_OUT, .bias = bias, .y = y};
        t.x = n < 4 ? none : some;
        t.weight = n < 4 ? some : none;
        run(c, &t);
        for (int i = 0; i < E_ROWS * E_OUT; i++) assert_true(y[i] == bias[i % E_OUT]);
    }
    free(bias);
    free(some);
}

static void test_zeros(void **state) {
    (void)state;
    each_kernels_at(PRECISION_INT8, 1, zeros);
}

/* ---- which layers, and their memory ---- */

static uint64_t bytes_of(struct compute *c, int64_t depth, int64_t out, unsigned bears) {
    float *weight = random_floats((size_t)(out * depth), 1);
    struct matrix m = {.dtype = DTYPE_F32, .rows = out, .cols = depth, .data = weight};
    struct linear *l;
    assert_int_equal(compute_pack_linear(c, &l, &m, 1, NULL, bears, NULL), STATUS_OK);
    uint64_t bytes = compute_weight_bytes(c);
    linear_destroy(l);
    free(weight);
    return bytes;
}

/* A layer that bears it takes a byte for each weight; one that does not, or whose sums would
 * overflow, is as without. */
static void bytes(struct compute *c) {
    const uint64_t weights = 1024 * 256,
                   columns = 256 * (uint64_t)int8_column_floats(c) * sizeof(float);
    assert_int_equal(bytes_of(c, 1024, 256, PRECISION_INT8), weights + columns);
    assert_true(bytes_of(c, 1024, 256, PRECISION_BFLOAT16) >= 2 * weights);
    assert_true(bytes_of(c, 65537, 1, PRECISION_INT8) >= 2 * 65537);
}

static void test_bytes(void **state) {
    (void)state;
    each_kernels_at(PRECISION_INT8, 1, bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_formula),
        cmocka_unit_test(test_the_same_everywhere),
        cmocka_unit_test(test_nothing_saturates),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
