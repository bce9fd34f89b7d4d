/*
 * op_linear: every shape around the edges of tiles, blocks and slices, every way of storing
 * weights, every epilogue.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compute/plain.h"

struct linear_case {
    int64_t rows, depth, out;
    int parts;
    enum dtype dtype;
    bool exact, bias, gate, residual, in_place, strided;
    enum activation activation;

    struct linear *l;
    float *x, *gates, *residuals, *got; /* host */
};

static void work(struct workspace *w, void *arg) {
    struct linear_case *t = arg;
    /* A strided case lives in the middle of wider matrices. */
    int64_t edge = t->strided ? 3 : 0;
    struct tensor x =
        tensor_cols(tensor_rows(tensor_take(w, t->rows + edge, t->depth + 2 * edge), edge, t->rows),
                    edge, t->depth);
    struct tensor y = tensor_cols(tensor_take(w, t->rows, t->out + 2 * edge), edge, t->out);
    struct tensor r = t->in_place ? y : tensor_take(w, t->rows, t->out);
    struct tensor gate = tensor_take(w, 1, t->out);
    tensor_upload(w, x, t->x);
    tensor_upload(w, gate, t->gates);
    tensor_upload(w, r, t->residuals);
    struct epilogue e = {.activation = t->activation,
                         .gate = t->gate ? &gate : NULL,
                         .residual = t->residual ? &r : NULL};
    bool none = t->activation == ACTIVATION_NONE && !t->gate && !t->residual;
    op_linear(w, y, x, t->l, none ? NULL : &e);
    tensor_download(w, t->got, y);
}

/* How far the output lies from `want`, beside what it is made of: |x||w| of each output, spread over
 * its products, and what the epilogue adds.  An output whose products cancel out is as exact as
 * they are, not as itself: against its own size it would be off by any factor. */
static double error_of(const struct linear_case *t, const float *weight, const float *bias,
                       const double *want) {
    double off = 0, size = 0;
    for (int64_t i = 0; i < t->rows * t->out; i++) {
        const float *x = t->x + i / t->out * t->depth, *w = weight + i % t->out * t->depth;
        double xx = 0, ww = 0;
        for (int64_t d = 0; d < t->depth; d++) {
            xx += (double)x[d] * x[d];
            ww += (double)w[d] * w[d];
        }
        double added = t->bias ? bias[i % t->out] : 0, gate = t->gate ? t->gates[i % t->out] : 1,
               residual = t->residual ? t->residuals[i] : 0, diff = t->got[i] - want[i];
        off += diff * diff;
        size += gate * gate * (xx * ww / (double)t->depth + added * added) + residual * residual;
    }
    return off == 0 ? 0 : sqrt(off / size);
}

static void check_case(struct compute *c, struct linear_case *t) {
    size_t weights = (size_t)(t->out * t->depth), outs = (size_t)(t->rows * t->out);
    float *weight = t->dtype == DTYPE_F32 ? random_floats(weights, 2) : random_bf16_floats(weights);
    float *bias = random_floats((size_t)t->out, 3);
    char *stored = stored_as(t->dtype, weight, weights);
    struct matrix parts[3];
    struct error err;
    for (int i = 0; i < t->parts; i++) {
        int64_t from = t->out * i / t->parts, to = t->out * (i + 1) / t->parts;
        parts[i] =
            (struct matrix){.dtype = t->dtype,
                            .rows = to - from,
                            .cols = t->depth,
                            .data = stored + dtype_bytes(t->dtype, (size_t)(from * t->depth))};
    }
    enum status s = compute_pack_linear(c, &t->l, parts, (size_t)t->parts, t->bias ? bias : NULL,
                                        t->exact ? PRECISION_FLOAT32 : PRECISION_BFLOAT16, &err);
    if (s != STATUS_OK) fail_msg("%s", err.text);
    assert_true(compute_weight_bytes(c) >= weights * (t->dtype == DTYPE_F32 && t->exact ? 4 : 2));

    t->x = random_floats((size_t)(t->rows * t->depth), 1);
    t->gates = random_floats((size_t)t->out, 2);
    t->residuals = random_floats(outs, 2);
    t->got = random_floats(outs, 1);
    run_planned(c, work, t);
    struct plain_epilogue e = {t->activation, t->gate ? t->gates : NULL,
                               t->residual ? t->residuals : NULL};
    double *want = plain_linear(t->x, t->rows, t->depth, weight, t->bias ? bias : NULL, t->out, &e);
    double off = error_of(t, weight, bias, want);
    if (!(off < (multiplies_bf16(c) && !t->exact ? NEAR_BFLOAT16 : NEAR_FLOAT32)))
        fail_msg("%s: rows %d depth %d out %d parts %d %s exact %d bias %d activation %d gate %d "
                 "residual %d: off by %g",
                 compute_kernels(c), (int)t->rows, (int)t->depth, (int)t->out, t->parts,
                 dtype_name(t->dtype), t->exact, t->bias, (int)t->activation, t->gate, t->residual,
                 off);
    linear_destroy(t->l);
    free(want);
    free(weight);
    free(bias);
    free(stored);
    free(t->x);
    free(t->gates);
    free(t->residuals);
    free(t->got);
}

/* Every combination of sizes; what else a case has changes from one to the next. */
static void sizes(struct compute *c) {
    static const int64_t rows[] = {1, 5, 6, 8, 95, 96, 97, 200},
                         wide[] = {1, 3, 17, 64, 255, 256, 257, 300};
    unsigned n = 0;
    for (int r = 0; r < 8; r++)
        for (int d = 0; d < 8; d++)
            for (int o = 0; o < 8; o++, n++) {
                struct linear_case t = {.rows = rows[r], .depth = wide[d], .out = wide[o]};
                t.parts = wide[o] >= 3 ? 1 + (int)(n % 3) : 1;
                t.dtype = (enum dtype)(n / 3 % 3);
                t.exact = n % 2;
                t.bias = n % 5 > 1;
                t.activation = (enum activation)(n % 4);
                t.gate = n % 7 > 3;
                t.residual = n % 11 > 4;
                t.in_place = n % 11 > 7;
                t.strided = n % 13 > 6;
                check_case(c, &t);
            }
}

/* Every combination of everything else, at one awkward size. */
static void options(struct compute *c) {
    for (unsigned n = 0; n < 3 * 3 * 4 * 64; n++) {
        struct linear_case t = {.rows = 13, .depth = 37, .out = 67};
        t.exact = n & 1;
        t.bias = n & 2;
        t.gate = n & 4;
        t.residual = n & 8;
        t.in_place = n & 16;
        t.strided = n & 32;
        t.activation = (enum activation)(n / 64 % 4);
        t.dtype = (enum dtype)(n / 256 % 3);
        t.parts = 1 + (int)(n / 768);
        check_case(c, &t);
    }
}

/* Wider than a block of columns, deeper than several slices; and just around a slice. */
static void blocks(struct compute *c) {
    for (int n = 0; n < 3 * 2; n++) {
        struct linear_case t = {.rows = n % 2 ? 50 : 7,
                                .depth = 511 + n / 2,
                                .out = 33,
                                .parts = 1,
                                .dtype = DTYPE_BF16};
        check_case(c, &t);
        t.exact = true;
        check_case(c, &t);
    }
    for (int kind = 0; kind < 4; kind++) {
        struct linear_case t = {.rows = 101, .depth = 1025, .out = 801, .parts = 2, .bias = true};
        t.dtype = kind & 1 ? DTYPE_BF16 : DTYPE_F32;
        t.exact = kind & 2;
        check_case(c, &t);
    }
}

/* A row's result must not depend on how many others there are: a few rows take another way than
 * many. */
static void rows_alone(struct compute *c) {
    enum { ROWS = 97, DEPTH = 600, OUT = 70 };
    float *weight = random_bf16_floats((size_t)OUT * DEPTH),
          *x = random_floats((size_t)ROWS * DEPTH, 1);
    float *all = random_floats((size_t)ROWS * OUT, 1), *few = random_floats((size_t)ROWS * OUT, 1);
    void *bf16 = stored_as(DTYPE_BF16, weight, (size_t)OUT * DEPTH);
    for (int kind = 0; kind < 3; kind++) {
        struct matrix m = {.dtype = kind ? DTYPE_BF16 : DTYPE_F32,
                           .rows = OUT,
                           .cols = DEPTH,
                           .data = kind ? bf16 : weight};
        struct linear_case t = {.rows = ROWS,
                                .depth = DEPTH,
                                .out = OUT,
                                .x = x,
                                .got = all,
                                .gates = weight,
                                .residuals = few};
        assert_int_equal(compute_pack_linear(c, &t.l, &m, 1, NULL,
                                             kind < 2 ? PRECISION_FLOAT32 : PRECISION_BFLOAT16,
                                             NULL),
                         STATUS_OK);
        run_planned(c, work, &t);
        t.got = few;
        for (t.rows = 1; t.rows < 40; t.rows += 5) {
            run_planned(c, work, &t);
            assert_memory_equal(few, all, (size_t)(t.rows * OUT) * sizeof *all);
        }
        linear_destroy(t.l);
    }
    free(bf16);
    free(weight);
    free(x);
    free(all);
    free(few);
}

struct broken_case {
    struct linear *l;
    const float *x, *residual;
    float *y;
    enum activation activation;
};

enum { B_ROWS = 9, B_DEPTH = 37, B_OUT = 41 };

static void broken_work(struct workspace *w, void *arg) {
    struct broken_case *t = arg;
    struct tensor x = tensor_from(w, t->x, B_ROWS, B_DEPTH), y = tensor_take(w, B_ROWS, B_OUT);
    op_linear(w, y, x, t->l, &(struct epilogue){.activation = t->activation});
    tensor_download(w, t->y, y);
}

/* A number that is not finite stays so in every output that depends on it, and in no other. */
static void not_finite(struct compute *c) {
    static const float broken[] = {NAN, INFINITY};
    float *weight = random_bf16_floats((size_t)B_OUT * B_DEPTH);
    for (int i = 0; i < B_OUT * B_DEPTH; i++) weight[i] = weight[i] == 0 ? 0.5f : weight[i];
    void *bf16 = stored_as(DTYPE_BF16, weight, (size_t)B_OUT * B_DEPTH);
    for (int n = 0; n < 2 * 4 * 4; n++) {
        struct broken_case t = {.activation = (enum activation)(n / 2 % 4)};
        struct matrix m = {.dtype = n & 8 ? DTYPE_BF16 : DTYPE_F32,
                           .rows = B_OUT,
                           .cols = B_DEPTH,
                           .data = n & 8 ? bf16 : weight};
        assert_int_equal(compute_pack_linear(c, &t.l, &m, 1, NULL,
                                             n & 16 ? PRECISION_FLOAT32 : PRECISION_BFLOAT16, NULL),
                         STATUS_OK);
        float *x = random_floats((size_t)B_ROWS * B_DEPTH, 1);
        float y[B_ROWS * B_OUT];
        int row = n % B_ROWS;
        x[row * B_DEPTH + n] = broken[n % 2];
        t.x = x;
        t.y = y;
        run_planned(c, broken_work, &t);
        for (int i = 0; i < B_ROWS * B_OUT; i++) {
            bool activated =
                n % 2 &&
                t.activation != ACTIVATION_NONE; /* of minus infinity some are 0: rightly finite */
            if (i / B_OUT != row)
                assert_true(isfinite(y[i]));
            else if (!activated || weight[i % B_OUT * B_DEPTH + n] > 0)
                assert_false(isfinite(y[i]));
        }
        free(x);
        linear_destroy(t.l);
    }
    free(bf16);
    free(weight);
}

/* Scales beside the weights count as if the weights had been multiplied before. */
static void scaled(struct compute *c) {
    enum { TILE_ROWS = 6, TILE_COLUMNS = 16, TILES = 3 * 7 };
    size_t n = (size_t)B_OUT * B_DEPTH;
    float *weight = random_bf16_floats(n), *product = random_floats(n, 1);
    float *x = random_floats((size_t)B_ROWS * B_DEPTH, 1), *scales = random_floats(TILES, 1);
    void *bf16 = stored_as(DTYPE_BF16, weight, n);
    for (size_t i = 0; i < n; i++)
        product[i] = weight[i] * scales[i / B_DEPTH / TILE_ROWS * 3 + i % B_DEPTH / TILE_COLUMNS];
    const struct matrix beside = {.dtype = DTYPE_BF16,
                                  .rows = B_OUT,
                                  .cols = B_DEPTH,
                                  .data = bf16,
                                  .scales = {scales, TILE_ROWS, TILE_COLUMNS}},
                        inside = {
                            .dtype = DTYPE_F32, .rows = B_OUT, .cols = B_DEPTH, .data = product};
    for (unsigned bears = PRECISION_FLOAT32; bears <= PRECISION_BFLOAT16; bears <<= 1) {
        float got[B_ROWS * B_OUT], want[B_ROWS * B_OUT];
        struct broken_case t = {.x = x};
        for (int k = 0; k < 2; k++) {
            assert_int_equal(
                compute_pack_linear(c, &t.l, k ? &inside : &beside, 1, NULL, bears, NULL),
                STATUS_OK);
            t.y = k ? want : got;
            run_planned(c, broken_work, &t);
            linear_destroy(t.l);
        }
        assert_memory_equal(got, want, sizeof got);
    }
    free(weight);
    free(product);
    free(x);
    free(scales);
    free(bf16);
}

static void test_sizes(void **state) {
    (void)state;
    each_kernels(2, sizes);
}

static void test_options(void **state) {
    (void)state;
    each_kernels(1, options);
}

static void test_blocks(void **state) {
    (void)state;
    each_kernels(2, blocks);
}

static void test_rows_alone(void **state) {
    (void)state;
    each_kernels(2, rows_alone);
}

static void test_not_finite(void **state) {
    (void)state;
    each_kernels(1, not_finite);
}

static void test_scaled(void **state) {
    (void)state;
    each_kernels(1, scaled);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),      cmocka_unit_test(test_options),
        cmocka_unit_test(test_blocks),     cmocka_unit_test(test_rows_alone),
        cmocka_unit_test(test_not_finite), cmocka_unit_test(test_scaled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
