/*
 * The operations on single rows: norms, activations, rotary embedding; their accuracy far out, and
 * that a number which is not finite is never hidden.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compute/plain.h"

enum row_op { RMS_NORM, LAYER_NORM, CHANNEL_NORM, CHANNEL_NORM_SILU, SILU, SILU_MUL, ROW_OPS };

struct row_case {
    enum row_op op;
    int64_t rows, cols;
    bool in_place, strided;
    float eps;
    const float *x, *weight, *shift; /* shift is `up` for SILU_MUL */
    struct vector *packed;
    float *got;
};

static void work(struct workspace *w, void *arg) {
    struct row_case *t = arg;
    int64_t edge = t->strided ? 3 : 0;
    struct tensor x = tensor_cols(tensor_take(w, t->rows, t->cols + 2 * edge), edge, t->cols);
    struct tensor y =
        t->in_place ? x : tensor_cols(tensor_take(w, t->rows, t->cols + edge), edge, t->cols);
    struct tensor scale = tensor_take(w, 1, t->cols),
                  shift = tensor_take(w, t->op == SILU_MUL ? t->rows : 1, t->cols);
    tensor_upload(w, x, t->x);
    tensor_upload(w, scale, t->weight);
    tensor_upload(w, shift, t->shift);
    switch (t->op) {
    case RMS_NORM: op_rms_norm(w, y, x, t->packed, t->eps); break;
    case LAYER_NORM: op_layer_norm_modulate(w, y, x, scale, shift, t->eps); break;
    case CHANNEL_NORM: op_channel_norm(w, y, x, t->packed, false); break;
    case CHANNEL_NORM_SILU: op_channel_norm(w, y, x, t->packed, true); break;
    case SILU: op_silu(w, y, x); break;
    default: op_silu_mul(w, y, x, shift); break;
    }
    tensor_download(w, t->got, y);
}

static double *plain(const struct row_case *t) {
    double *y;
    switch (t->op) {
    case RMS_NORM: return plain_rms_norm(t->x, t->rows, t->cols, t->weight, t->eps);
    case LAYER_NORM:
        return plain_layer_norm_modulate(t->x, t->rows, t->cols, t->weight, t->shift, t->eps);
    case CHANNEL_NORM: return plain_channel_norm(t->x, t->rows, t->cols, t->weight, false);
    case CHANNEL_NORM_SILU: return plain_channel_norm(t->x, t->rows, t->cols, t->weight, true);
    default:
        y = malloc((size_t)(t->rows * t->cols) * sizeof *y);
        assert_non_null(y);
        for (int64_t i = 0; i < t->rows * t->cols; i++)
            y[i] = plain_activation(ACTIVATION_SILU, t->x[i]) *
                   (t->op == SILU_MUL ? t->shift[i] : 1.0f);
        return y;
    }
}

static void run_case(struct compute *c, struct row_case *t) {
    assert_int_equal(compute_pack_vector(c, &t->packed, t->weight, t->cols, NULL), STATUS_OK);
    run_planned(c, work, t);
    vector_destroy(t->packed);
}

static void shapes(struct compute *c) {
    static const int64_t rows[] = {1, 5, 97, 200},
                         cols[] = {1, 3, 4, 17, 64, 255, 256, 257, 300, 3072};
    unsigned n = 0;
    for (enum row_op op = 0; op < ROW_OPS; op++)
        for (int r = 0; r < 4; r++)
            for (int k = 0; k < 10; k++, n++) {
                struct row_case t = {.op = op,
                                     .rows = rows[r],
                                     .cols = cols[k],
                                     .in_place = n % 3 == 1,
                                     .strided = n % 2};
                size_t count = (size_t)(t.rows * t.cols);
                float *x = random_floats(count, 3), *weight = random_floats((size_t)t.cols, 2),
                      *shift = random_floats(count, 1);
                t.x = x;
                t.weight = weight;
                t.shift = shift;
                t.eps = 1e-6f;
                t.got = random_floats(count, 1);
                run_case(c, &t);
                double *want = plain(&t);
                double off = distance(t.got, want, count);
                if (!(off < NEAR_FLOAT32))
                    fail_msg("%s: operation %d, %d rows of %d: off by %g", compute_kernels(c),
                             (int)op, (int)t.rows, (int)t.cols, off);
                free(want);
                free(x);
                free(weight);
                free(shift);
                free(t.got);
            }
}

/* Each of the activations against libm, over all that networks produce and far beyond: to 4
 * units in the last place of the result; where the tails vanish, silu to 10^-36 and gelu to a
 * part in 10^7 of the input. */
static void accuracy(struct compute *c) {
    enum { N = 200003 };
    float *x = malloc(N * sizeof *x), *got = malloc(N * sizeof *got), one = 1.0f, zero = 0.0f;
    assert_true(x && got);
    for (int i = 0; i < N; i++) x[i] = (float)(i - N / 2) * (100.0f / (N / 2));
    struct row_case t = {
        .op = SILU, .rows = 1, .cols = N, .x = x, .weight = x, .shift = x, .got = got};
    run_case(c, &t);
    for (int i = 0; i < N; i++) {
        double want = plain_activation(ACTIVATION_SILU, x[i]);
        if (!(fabs(got[i] - want) <= 4 * 6e-8 * fabs(want) + 1e-36))
            fail_msg("%s: silu(%.9g) is %.9g, not %.9g", compute_kernels(c), x[i], got[i], want);
    }
    /* The others are reached through a product with 1. */
    static const enum activation others[] = {ACTIVATION_GELU, ACTIVATION_GELU_TANH};
    for (int a = 0; a < 2; a++) {
        struct linear *l;
        struct workspace *w;
        struct matrix m = {.dtype = DTYPE_F32, .rows = 1, .cols = 1, .data = &one};
        assert_int_equal(compute_pack_linear(c, &l, &m, 1, &zero, PRECISION_FLOAT32, NULL),
                         STATUS_OK);
        assert_int_equal(workspace_create(&w, c,
                                          (struct workspace_size){.device = 2 * N * 16 + (4 << 20)},
                                          NULL, NULL, NULL),
                         STATUS_OK);
        struct tensor in = tensor_from(w, x, N, 1), out = tensor_take(w, N, 1);
        op_linear(w, out, in, l, &(struct epilogue){.activation = others[a]});
        tensor_download(w, got, out);
        assert_int_equal(workspace_check(w, NULL), STATUS_OK);
        for (int i = 0; i < N; i++) {
            double want = plain_activation(others[a], x[i]);
            if (!(fabs(got[i] - want) <= 4 * 6e-8 * fabs(want) + 2e-7 * fabs((double)x[i])))
                fail_msg("%s: activation %d of %.9g is %.9g, not %.9g", compute_kernels(c),
                         (int)others[a], x[i], got[i], want);
        }
        workspace_destroy(w);
        linear_destroy(l);
    }
    free(x);
    free(got);
}

/* Where exp overflows, silu still goes to 0 on the left, and to x on the right. */
static void far_out(struct compute *c) {
    static const float x[] = {-3e38f, -1e38f, -1e20f, -1e10f, -1e4f, -89,   -88.5f,
                              -88,    -87.5f, -87,    87,     88,    88.5f, 89,
                              1e4f,   1e10f,  1e20f,  1e38f,  3e38f, 0};
    enum { N = sizeof x / sizeof *x };
    float got[N];
    for (int tail = 0; tail < 2; tail++) { /* as whole vectors, and one by one */
        struct row_case t = {.op = SILU,
                             .rows = tail ? N : 1,
                             .cols = tail ? 1 : N,
                             .x = x,
                             .weight = x,
                             .shift = x,
                             .got = got};
        run_case(c, &t);
        for (int i = 0; i < N; i++)
            if (!(fabs(got[i] - plain_activation(ACTIVATION_SILU, x[i])) <=
                  1e-6 * fmax(x[i], 1e-28)))
                fail_msg("%s: silu(%g) is %g", compute_kernels(c), x[i], got[i]);
    }
}

/* In every place of a row, so that whole vectors and the rest after them both meet it. */
static void not_finite(struct compute *c) {
    enum { ROWS = 3, COLS = 37 };
    float *x = random_floats((size_t)ROWS * COLS, 1), *weight = random_floats(COLS, 1),
          *up = random_floats((size_t)ROWS * COLS, 1);
    float got[ROWS * COLS];
    for (enum row_op op = 0; op < ROW_OPS; op++)
        for (int at = 0; at < COLS; at++)
            for (int kind = 0; kind < 3; kind++) {
                static const float broken[] = {NAN, INFINITY, -INFINITY};
                float kept = x[COLS + at];
                x[COLS + at] = broken[kind];
                struct row_case t = {op, ROWS, COLS, false, false, 1e-6f, x, weight, up, NULL, got};
                run_case(c, &t);
                for (int i = 0; i < ROWS * COLS; i++) {
                    bool whole_row = kind == 0 && op <= CHANNEL_NORM_SILU;
                    if (i / COLS != 1)
                        assert_true(isfinite(got[i]));
                    else if (i == COLS + at || whole_row) {
                        if (isfinite(got[i]))
                            fail_msg("%s: operation %d hides %f at %d", compute_kernels(c), (int)op,
                                     broken[kind], at);
                        if (kind == 0) assert_true(isnan(got[i]));
                    }
                }
                x[COLS + at] = kept;
            }
    free(x);
    free(weight);
    free(up);
}

/* A constant row has no variance: what comes out is the shift, and what rounding the mean leaves
 * must not be blown up by 1 / sqrt(eps). */
static void constant_rows(struct compute *c) {
    static const float constants[] = {0, 0.1f, 1, -7.3f, 1000.3f, 12345.678f};
    static const int64_t cols[] = {1, 5, 64, 1280, 3072};
    for (int n = 0; n < 6 * 5; n++) {
        struct row_case t = {.op = LAYER_NORM, .rows = 2, .cols = cols[n / 6], .eps = 1e-6f};
        size_t count = (size_t)(2 * t.cols);
        float *x = random_floats(count, 1), *weight = random_floats((size_t)t.cols, 1),
              *shift = random_floats((size_t)t.cols, 1);
        for (size_t i = 0; i < count; i++) x[i] = constants[n % 6];
        t.x = x;
        t.weight = weight;
        t.shift = shift;
        t.got = random_floats(count, 1);
        run_case(c, &t);
        for (size_t i = 0; i < count; i++)
            if (!(fabsf(t.got[i] - shift[i % (size_t)t.cols]) <= 1e-6f))
                fail_msg("%s: %d times %g: %g instead of 0", compute_kernels(c), (int)t.cols,
                         constants[n % 6], t.got[i] - shift[i % (size_t)t.cols]);
        /* All zeros have no length either. */
        t.op = CHANNEL_NORM;
        run_case(c, &t);
        for (size_t i = 0; i < count; i++)
            assert_true(isfinite(t.got[i]) && (x[i] != 0 || t.got[i] == 0));
        free(x);
        free(weight);
        free(shift);
        free(t.got);
    }
}

/* Rows far from zero with little spread: the mean must be subtracted, not cancelled out of a sum of
 * squares. */
static void narrow_rows(struct compute *c) {
    struct row_case t = {.op = LAYER_NORM, .rows = 7, .cols = 3072, .eps = 1e-6f};
    size_t count = (size_t)(t.rows * t.cols);
    float *x = random_floats(count, 1), *weight = random_floats((size_t)t.cols, 1),
          *shift = random_floats((size_t)t.cols, 1);
    for (size_t i = 0; i < count; i++) x[i] += 500;
    t.x = x;
    t.weight = weight;
    t.shift = shift;
    t.got = random_floats(count, 1);
    run_case(c, &t);
    double *want = plain(&t);
    assert_true(distance(t.got, want, count) < NEAR_FLOAT32);
    free(want);
    free(x);
    free(weight);
    free(shift);
    free(t.got);
}

struct rotary_case {
    int64_t rows, cols, head_dim;
    enum rotary_pairs pairs;
    const float *x, *angles, *weight;
    struct vector *norm;
    float *got;
};

static void rotary_work(struct workspace *w, void *arg) {
    struct rotary_case *t = arg;
    struct tensor x = tensor_cols(tensor_take(w, t->rows, t->cols + 7), 2, t->cols);
    struct tensor angles = tensor_cols(tensor_take(w, t->rows, t->head_dim + 1), 1, t->head_dim);
    tensor_upload(w, x, t->x);
    tensor_upload(w, angles, t->angles);
    op_norm_rotary(w, x, t->head_dim, t->norm, 1e-6f, angles, t->pairs);
    tensor_download(w, t->got, x);
}

static void rotary(struct compute *c) {
    static const int64_t rows[] = {1, 6, 97}, dims[] = {2, 16, 20, 80, 128}, heads[] = {1, 3, 24};
    for (int n = 0; n < 3 * 5 * 3 * 4; n++) {
        struct rotary_case t = {.rows = rows[n % 3], .head_dim = dims[n / 3 % 5]};
        t.cols = t.head_dim * heads[n / 15 % 3];
        t.pairs = n / 45 % 2 ? ROTARY_HALVES : ROTARY_INTERLEAVED;
        size_t count = (size_t)(t.rows * t.cols);
        float *x = random_floats(count, 2),
              *angles = random_floats((size_t)(t.rows * t.head_dim), 1);
        float *weight = random_floats((size_t)t.head_dim, 2);
        bool norm = n / 90;
        if (norm)
            assert_int_equal(compute_pack_vector(c, &t.norm, weight, t.head_dim, NULL), STATUS_OK);
        t.x = x;
        t.angles = angles;
        t.got = random_floats(count, 1);
        run_planned(c, rotary_work, &t);
        double *want = plain_norm_rotary(x, t.rows, t.cols, t.head_dim, norm ? weight : NULL, 1e-6f,
                                         angles, t.pairs);
        assert_true(distance(t.got, want, count) < NEAR_FLOAT32);
        x[count - 1] = NAN;
        run_planned(c, rotary_work, &t);
        assert_true(isnan(t.got[count - 1]));
        vector_destroy(t.norm);
        free(want);
        free(x);
        free(angles);
        free(weight);
        free(t.got);
    }
}

#define OVER_KERNELS(NAME, THREADS)                                                                \
    static void test_##NAME(void **state) {                                                        \
        (void)state;                                                                               \
        each_kernels(THREADS, NAME);                                                               \
    }
OVER_KERNELS(shapes, 2)
OVER_KERNELS(accuracy, 1)
OVER_KERNELS(far_out, 1)
OVER_KERNELS(not_finite, 1)
OVER_KERNELS(constant_rows, 1)
OVER_KERNELS(narrow_rows, 2)
OVER_KERNELS(rotary, 2)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),        cmocka_unit_test(test_accuracy),
        cmocka_unit_test(test_far_out),       cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_constant_rows), cmocka_unit_test(test_narrow_rows),
        cmocka_unit_test(test_rotary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
