/*
 * Products against sums in double precision: one row, rows and columns that fill no tile, depths
 * that fill no step, every epilogue.  8-bit rows and scales are right to the number, by the CPU's
 * arithmetic.
 */
#include "support/unit_test.h"

#include "cuda/card.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct product {
    const char *kernel;
    int rows, cols, depth, activation;
    bool bias, gate, residual, out_bf16;
    /* filled in: */
    enum element type; /* of the operands */
    int row_tile, col_tile, threads;
    struct matrix *a, *b, *row_scales, *col_scales;
};

static double activated(double x, int activation) {
    switch (activation) {
    case ACT_SILU: return x / (1 + exp(-x));
    case ACT_GELU: return 0.5 * x * (1 + erf(x * 0.7071067811865476));
    case ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    default: return x;
    }
}

static double *right_product(const struct product *p, const struct matrix *bias,
                             const struct matrix *gate, const struct matrix *residual) {
    double *want = doubles(p->rows, p->cols);
    for (int r = 0; r < p->rows; r++)
        for (int c = 0; c < p->cols; c++) {
            double sum = 0;
            for (int k = 0; k < p->depth; k++)
                sum += matrix_get(p->a, r, k) * matrix_get(p->b, c, k);
            if (p->row_scales)
                sum *= matrix_get(p->row_scales, 0, r) * matrix_get(p->col_scales, 0, c);
            if (bias) sum += matrix_get(bias, 0, c);
            sum = activated(sum, p->activation);
            if (gate) sum *= matrix_get(gate, 0, c);
            if (residual) sum += matrix_get(residual, r, c);
            want[r * p->cols + c] = sum;
        }
    return want;
}

/* a and b are there; runs the product and compares. */
static void check(struct product p) {
    struct matrix *bias = p.bias ? matrix_random(1, p.cols, p.cols, FLOAT, 1) : NULL;
    struct matrix *gate = p.gate ? matrix_random(1, p.cols, p.cols, FLOAT, 1) : NULL;
    int stride = p.cols + 5 + p.cols % 2;
    struct matrix *out = p.residual
                             ? matrix_random(p.rows, p.cols, stride, FLOAT, 1)
                             : matrix_empty(p.rows, p.cols, stride, p.out_bf16 ? HALF : FLOAT);
    struct gemm_args g = {.a = there(p.a),
                          .b = there(p.b),
                          .out = there(out),
                          .bias = there(bias),
                          .gate = there(gate),
                          .residual = p.residual ? there(out) : NULL,
                          .row_scales = there(p.row_scales),
                          .col_scales = there(p.col_scales),
                          .a_stride = p.a->stride,
                          .b_stride = p.b->stride,
                          .out_stride = stride,
                          .residual_stride = stride,
                          .rows = p.rows,
                          .cols = p.cols,
                          .depth = p.depth,
                          .activation = p.activation,
                          .out_bf16 = p.out_bf16};
    double *want = right_product(&p, bias, gate, p.residual ? out : NULL);
    unsigned grid = tiles(p.rows, p.row_tile) * tiles(p.cols, p.col_tile);
    launch(p.kernel, (struct launch){.x = grid, .threads = (unsigned)p.threads}, &g);
    matrix_expect(out, want, p.out_bf16 ? 4e-3 : 2e-6,
                  shape("%s %d x %d x %d, act %d%s%s%s%s", p.kernel, p.rows, p.depth, p.cols,
                        p.activation, p.bias ? " bias" : "", p.gate ? " gate" : "",
                        p.residual ? " residual" : "", p.out_bf16 ? " to bf16" : ""));
    card_forget(NULL);
}

static void check_float(struct product p, enum element type, int row_tile, int col_tile,
                        int threads) {
    int unit = 16 / (int)type; /* rows begin at multiples of 16 bytes; of 4 for float32 */
    int stride = type == FLOAT ? p.depth + 3 : (p.depth + unit - 1) / unit * unit + unit;
    p.a = matrix_random(p.rows, p.depth, stride, type, 1);
    p.b = matrix_random(p.cols, p.depth, stride, type, 1 / sqrt(p.depth));
    p.row_tile = row_tile;
    p.col_tile = col_tile;
    p.threads = threads;
    check(p);
}

static void test_gemm_bf16(void **state) {
    static const struct product cases[] = {
        {.rows = 1, .cols = 8, .depth = 8},
        {.rows = 129,
         .cols = 130,
         .depth = 200,
         .activation = ACT_GELU_TANH,
         .bias = true,
         .gate = true,
         .residual = true},
        {.rows = 128,
         .cols = 128,
         .depth = 96,
         .activation = ACT_SILU,
         .bias = true,
         .out_bf16 = true},
        {.rows = 257, .cols = 33, .depth = 340, .activation = ACT_GELU, .bias = true},
        {.rows = 70,
         .cols = 259,
         .depth = 65,
         .activation = ACT_GELU_TANH,
         .bias = true,
         .gate = true,
         .residual = true},
        {.rows = 3, .cols = 5, .depth = 7, .out_bf16 = true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct product p = cases[i];
        p.kernel = "gemm_bf16";
        check_float(p, HALF, 128, 128, 256);
    }
}

static void test_gemm_bf16_small(void **state) {
    static const struct product cases[] = {
        {.rows = 1,
         .cols = 64,
         .depth = 256,
         .activation = ACT_GELU_TANH,
         .bias = true,
         .gate = true,
         .residual = true},
        {.rows = 5,
         .cols = 130,
         .depth = 340,
         .activation = ACT_SILU,
         .bias = true,
         .out_bf16 = true},
        {.rows = 32, .cols = 65, .depth = 33, .activation = ACT_GELU, .bias = true},
        {.rows = 33, .cols = 129, .depth = 600},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct product p = cases[i];
        p.kernel = "gemm_bf16_small";
        check_float(p, HALF, 32, 64, 128);
    }
}

static void test_gemm_f32(void **state) {
    static const struct product cases[] = {
        {.rows = 1, .cols = 1, .depth = 1},
        {.rows = 67,
         .cols = 130,
         .depth = 37,
         .activation = ACT_GELU_TANH,
         .bias = true,
         .gate = true,
         .residual = true},
        {.rows = 65, .cols = 27, .depth = 130, .activation = ACT_GELU, .bias = true},
        {.rows = 64, .cols = 64, .depth = 48, .activation = ACT_SILU, .out_bf16 = true},
        {.rows = 600, .cols = 70, .depth = 20, .gate = true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct product p = cases[i];
        p.kernel = "gemm_f32";
        check_float(p, FLOAT, 64, 64, 256);
    }
}

/* ---- 8 bits ---- */

static float largest(const struct matrix *m, int row) {
    float most = 0;
    for (int k = 0; k < m->cols; k++) most = fmaxf(most, fabsf((float)matrix_get(m, row, k)));
    return most;
}

/* round_rows of `in`: its numbers, with zeros to `stride`, and its scales. */
static void check_rounding(const struct matrix *in, struct matrix *out, struct matrix *scales) {
    struct round_args a = {.in = there(in),
                           .out = there(out),
                           .scales = there(scales),
                           .in_stride = in->stride,
                           .out_stride = out->stride,
                           .rows = in->rows,
                           .cols = in->cols,
                           .in_bf16 = in->type == HALF};
    double *want = doubles(out->rows, out->cols), *factors = doubles(1, in->rows);
    for (int r = 0; r < in->rows; r++) {
        float most = largest(in, r);
        bool usable = most > 1e-36f;
        float factor = usable ? 127.0f / most * 2.0f : 0; /* as compute/cpu has it */
        factors[r] = usable ? most / 127.0f : 0;
        for (int k = 0; k < in->cols; k++) {
            int32_t twice = (int32_t)((float)matrix_get(in, r, k) * factor);
            want[r * out->cols + k] = (twice + 1 + (twice >> 31)) >> 1;
        }
    }
    launch("round_rows", (struct launch){.x = (unsigned)in->rows}, &a);
    matrix_expect(out, want, 0, shape("round_rows %d x %d", in->rows, in->cols));
    matrix_expect(scales, factors, 0, shape("round_rows %d scales", in->rows));
}

static void test_round_rows(void **state) {
    (void)state;
    struct matrix *in = matrix_random(5, 700, 701, FLOAT, 3);
    for (int k = 0; k < in->cols; k++) {
        matrix_set(in, 1, k, 0);
        matrix_set(in, 2, k, k % 2 ? 1e-37 : -1e-38); /* too small for its factor */
        matrix_set(in, 3, k, (k % 255 - 127) / 2.0);  /* halves: away from zero */
    }
    matrix_push(in);
    check_rounding(in, matrix_empty(5, 704, 704, BYTE), matrix_empty(1, 5, 5, FLOAT));
    struct matrix *half = matrix_random(3, 33, 34, HALF, 1);
    check_rounding(half, matrix_empty(3, 48, 48, BYTE), matrix_empty(1, 3, 3, FLOAT));
}

/* A number that is none spoils its row's scale, and no other's. */
static void test_round_rows_not_finite(void **state) {
    (void)state;
    struct matrix *in = matrix_random(3, 300, 300, FLOAT, 1),
                  *out = matrix_empty(3, 304, 304, BYTE), *scales = matrix_empty(1, 3, 3, FLOAT);
    matrix_set(in, 0, 299, NAN);
    matrix_set(in, 2, 31, INFINITY);
    matrix_push(in);
    struct round_args a = {.in = there(in),
                           .out = there(out),
                           .scales = there(scales),
                           .in_stride = 300,
                           .out_stride = 304,
                           .rows = 3,
                           .cols = 300};
    launch("round_rows", (struct launch){.x = 3}, &a);
    float want[3] = {NAN, largest(in, 1) / 127.0f, NAN};
    matrix_expect_floats(scales, want, "scales of rows that are not finite");
}

static void test_gemm_int8(void **state) {
    static const struct product cases[] = {
        {.rows = 3, .cols = 17, .depth = 40},
        {.rows = 130,
         .cols = 140,
         .depth = 330,
         .activation = ACT_GELU_TANH,
         .bias = true,
         .gate = true,
         .residual = true},
        {.rows = 40, .cols = 129, .depth = 64, .out_bf16 = true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct product p = cases[i];
        int stride = (p.depth + 15) / 16 * 16;
        struct matrix *a = matrix_random(p.rows, p.depth, p.depth + 3, FLOAT, 1);
        struct matrix *b = matrix_random(p.cols, p.depth, p.depth + 1, FLOAT, 1 / sqrt(p.depth));
        p.kernel = "gemm_int8";
        p.a = matrix_empty(p.rows, stride, stride, BYTE);
        p.b = matrix_empty(p.cols, stride, stride, BYTE);
        p.row_scales = matrix_empty(1, p.rows, p.rows, FLOAT);
        p.col_scales = matrix_empty(1, p.cols, p.cols, FLOAT);
        check_rounding(a, p.a, p.row_scales);
        check_rounding(b, p.b, p.col_scales);
        p.row_tile = p.col_tile = 128;
        p.threads = 256;
        check(p);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_gemm_bf16, card_forget),
        cmocka_unit_test_teardown(test_gemm_bf16_small, card_forget),
        cmocka_unit_test_teardown(test_gemm_f32, card_forget),
        cmocka_unit_test_teardown(test_round_rows, card_forget),
        cmocka_unit_test_teardown(test_round_rows_not_finite, card_forget),
        cmocka_unit_test_teardown(test_gemm_int8, card_forget),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, card_open, card_close);
}
