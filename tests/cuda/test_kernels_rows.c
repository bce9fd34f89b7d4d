/*
 * What treats each row on its own, against double precision: norms, rotary embedding, copies, rows
 * by number, activations.
 */
#include "support/unit_test.h"

#include "cuda/card.h"

#include <math.h>
#include <string.h>

static const char *type_name(enum element type) {
    return type == HALF ? "bf16" : "f32";
}

/* ---- norms ---- */

struct norm {
    int rows, cols;
    enum element in, out; /* of one type: in place */
    bool silu;
    double far; /* what rows lie around */
};
enum kind { LAYER, RMS, CHANNEL };

static double *right_norm(enum kind kind, const struct matrix *in, const struct matrix *weight,
                          const struct matrix *shift, bool silu) {
    double *want = doubles(in->rows, in->cols), eps = kind == CHANNEL ? 0 : 1e-6;
    for (int r = 0; r < in->rows; r++) {
        double mean = 0, square = 0;
        for (int c = 0; c < in->cols && kind == LAYER; c++) mean += matrix_get(in, r, c) / in->cols;
        for (int c = 0; c < in->cols; c++) square += pow(matrix_get(in, r, c) - mean, 2) / in->cols;
        for (int c = 0; c < in->cols; c++) {
            double x = (matrix_get(in, r, c) - mean) / sqrt(square + eps);
            double w = matrix_get(weight, 0, c);
            x = kind == LAYER ? x * (1 + w) + matrix_get(shift, 0, c) : x * w;
            want[r * in->cols + c] = silu ? x / (1 + exp(-x)) : x;
        }
    }
    return want;
}

static void check_norm(const char *kernel, enum kind kind, struct norm n) {
    struct matrix *in = matrix_random(n.rows, n.cols, n.cols + 3, n.in, 2);
    struct matrix *weight = matrix_random(1, n.cols, n.cols, FLOAT, 1);
    struct matrix *shift = matrix_random(1, n.cols, n.cols, FLOAT, 1);
    for (int i = 0; n.far != 0 && i < n.rows * n.cols; i++)
        matrix_set(in, i / n.cols, i % n.cols, matrix_get(in, i / n.cols, i % n.cols) + n.far);
    matrix_push(in);
    struct matrix *out = n.in == n.out ? in : matrix_empty(n.rows, n.cols, n.cols + 1, n.out);
    double *want = right_norm(kind, in, weight, shift, n.silu);
    struct norm_args a = {.in = there(in),
                          .out = there(out),
                          .weight = there(weight),
                          .shift = there(shift),
                          .in_stride = in->stride,
                          .out_stride = out->stride,
                          .rows = n.rows,
                          .cols = n.cols,
                          .in_bf16 = n.in == HALF,
                          .out_bf16 = n.out == HALF,
                          .silu = n.silu,
                          .eps = kind == CHANNEL ? 0 : 1e-6f};
    launch(kernel, (struct launch){.x = kind == CHANNEL ? tiles(n.rows, 8) : (unsigned)n.rows}, &a);
    matrix_expect(out, want, n.out == HALF ? 4e-3 : 1e-6,
                  shape("%s %d x %d %s -> %s%s", kernel, n.rows, n.cols, type_name(n.in),
                        type_name(n.out), n.silu ? " silu" : ""));
    card_forget(NULL);
}

static void test_layer_norm_modulate(void **state) {
    (void)state;
    check_norm("layer_norm_modulate", LAYER, (struct norm){3, 3072, FLOAT, HALF, .far = 0});
    check_norm("layer_norm_modulate", LAYER, (struct norm){2, 129, FLOAT, FLOAT, .far = 0});
    check_norm("layer_norm_modulate", LAYER, (struct norm){2, 1000, FLOAT, FLOAT, .far = 4096});
}

static void test_rms_norm(void **state) {
    (void)state;
    check_norm("rms_norm", RMS, (struct norm){3, 3584, FLOAT, HALF, .far = 0});
    check_norm("rms_norm", RMS, (struct norm){5, 33, HALF, HALF, .far = 0});
}

static void test_channel_norm(void **state) {
    (void)state;
    check_norm("channel_norm", CHANNEL, (struct norm){19, 96, FLOAT, FLOAT, .silu = true});
    check_norm("channel_norm", CHANNEL, (struct norm){9, 40, FLOAT, FLOAT, .silu = false});
}

/* A row of zeros stays zeros, and a NaN spoils its row, no other. */
static void test_channel_norm_at_its_edges(void **state) {
    (void)state;
    enum { COLS = 40 };
    struct matrix *x = matrix_random(3, COLS, COLS, FLOAT, 1);
    struct matrix *weight = matrix_random(1, COLS, COLS, FLOAT, 1);
    float want[3 * COLS];
    for (int c = 0; c < COLS; c++) {
        matrix_set(x, 0, c, 0);
        matrix_set(x, 1, c, c == 39 ? NAN : 1);
        matrix_set(x, 2, c, 1);
        want[c] = 0 * (float)matrix_get(weight, 0, c);
        want[COLS + c] = NAN;
        want[2 * COLS + c] = (float)matrix_get(weight, 0, c);
    }
    matrix_push(x);
    struct norm_args a = {.in = there(x),
                          .out = there(x),
                          .weight = there(weight),
                          .in_stride = COLS,
                          .out_stride = COLS,
                          .rows = 3,
                          .cols = COLS};
    launch("channel_norm", (struct launch){.x = 1}, &a);
    matrix_expect_floats(x, want, "channel_norm of zeros, of NaN, of ones");
}

/* ---- rotary embedding ---- */

struct rotary {
    int rows, heads, head_dim;
    bool norm, halves;
    enum element type;
};

static double *right_rotary(const struct rotary *o, const struct matrix *x,
                            const struct matrix *norm, const struct matrix *angles) {
    int d = o->head_dim;
    double *want = doubles(o->rows, o->heads * d);
    for (int r = 0; r < o->rows; r++)
        for (int h = 0; h < o->heads; h++) {
            double square = 0, *to = want + (r * o->heads + h) * d;
            for (int i = 0; i < d; i++) square += pow(matrix_get(x, r, h * d + i), 2) / d;
            double by = norm ? 1 / sqrt(square + 1e-6) : 1;
            for (int i = 0; i < d / 2; i++) {
                int p = o->halves ? i : 2 * i, q = o->halves ? i + d / 2 : 2 * i + 1;
                double u = matrix_get(x, r, h * d + p) * by * (norm ? matrix_get(norm, 0, p) : 1);
                double v = matrix_get(x, r, h * d + q) * by * (norm ? matrix_get(norm, 0, q) : 1);
                double c = matrix_get(angles, r, i), s = matrix_get(angles, r, i + d / 2);
                to[p] = u * c - v * s;
                to[q] = u * s + v * c;
            }
        }
    return want;
}

static void check_rotary(struct rotary o) {
    int d = o.head_dim, cols = o.heads * d;
    struct matrix *x = matrix_random(o.rows, cols, cols + 4, o.type, 1);
    struct matrix *norm = o.norm ? matrix_random(1, d, d, FLOAT, 1) : NULL;
    struct matrix *angles = matrix_empty(o.rows, d, d + 1, FLOAT);
    for (int r = 0; r < o.rows; r++)
        for (int i = 0; i < d / 2; i++) {
            double angle = uniform() * 6.28;
            matrix_set(angles, r, i, cos(angle));
            matrix_set(angles, r, i + d / 2, sin(angle));
        }
    matrix_push(angles);
    double *want = right_rotary(&o, x, norm, angles);
    struct rotary_args a = {.x = there(x),
                            .norm = there(norm),
                            .angles = there(angles),
                            .stride = x->stride,
                            .angle_stride = angles->stride,
                            .rows = o.rows,
                            .heads = o.heads,
                            .head_dim = d,
                            .halves = o.halves,
                            .bf16 = o.type == HALF,
                            .eps = 1e-6f};
    launch("norm_rotary", (struct launch){.x = tiles(o.rows * o.heads, 8)}, &a);
    matrix_expect(x, want, o.type == HALF ? 4e-3 : 1e-6,
                  shape("norm_rotary %d rows, %d heads of %d %s%s%s", o.rows, o.heads, d,
                        o.norm ? "norm " : "", o.halves ? "halves " : "pairs ", type_name(o.type)));
    card_forget(NULL);
}

static void test_norm_rotary(void **state) {
    (void)state;
    check_rotary((struct rotary){5, 3, 128, true, false, HALF});
    check_rotary((struct rotary){7, 2, 80, false, true, FLOAT});
    check_rotary((struct rotary){3, 1, 16, true, true, FLOAT});
}

/* ---- elementwise ---- */

enum what { COPY, SILU, SILU_MUL };

static void check_rows(const char *kernel, enum what what, int rows, int cols, enum element in,
                       enum element out_type) {
    struct matrix *a = matrix_random(rows, cols, cols + 1, in, 2);
    struct matrix *b = matrix_random(rows, cols, cols, in, 1);
    struct matrix *out = matrix_empty(rows, cols, cols + 2, out_type);
    double *want = doubles(rows, cols);
    if (what == SILU) {
        matrix_set(a, 0, 0, -150); /* where e^x is beyond all numbers */
        matrix_set(a, 0, 1, 150);
        matrix_push(a);
    }
    for (int i = 0; i < rows * cols; i++) {
        double x = matrix_get(a, i / cols, i % cols), s = x / (1 + exp(-x));
        if (what == SILU_MUL) s *= matrix_get(b, i / cols, i % cols);
        want[i] = what == COPY ? x : s;
    }
    struct rows_args r = {.a = there(a),
                          .b = there(b),
                          .out = there(out),
                          .a_stride = a->stride,
                          .b_stride = b->stride,
                          .out_stride = out->stride,
                          .rows = rows,
                          .cols = cols,
                          .a_bf16 = in == HALF,
                          .b_bf16 = in == HALF,
                          .out_bf16 = out_type == HALF};
    unsigned y = rows < 3 ? (unsigned)rows : 3; /* so that blocks walk on */
    launch(kernel, (struct launch){.x = tiles(cols, 256), .y = y}, &r);
    matrix_expect(
        out, want, out_type == HALF ? 4e-3 : 1e-6,
        shape("%s %d x %d %s -> %s", kernel, rows, cols, type_name(in), type_name(out_type)));
    card_forget(NULL);
}

static void test_copy(void **state) {
    (void)state;
    check_rows("copy", COPY, 7, 300, HALF, FLOAT);
    check_rows("copy", COPY, 2, 5, FLOAT, HALF);
}

static void test_silu_of(void **state) {
    (void)state;
    check_rows("silu_of", SILU, 3, 257, FLOAT, FLOAT);
}

/* Where e^-x is large its last places are a small part of -x, and must not be lost with them. */
static void test_silu_of_far_below(void **state) {
    (void)state;
    struct matrix *x = matrix_empty(2, 300, 300, FLOAT);
    double *want = doubles(2, 300);
    for (int i = 0; i < 600; i++) matrix_set(x, i / 300, i % 300, -60 - uniform() * 3);
    matrix_push(x);
    for (int i = 0; i < 600; i++) {
        double y = matrix_get(x, i / 300, i % 300);
        want[i] = y / (1 + exp(-y));
    }
    struct rows_args r = {
        .a = there(x), .out = there(x), .a_stride = 300, .out_stride = 300, .rows = 2, .cols = 300};
    launch("silu_of", (struct launch){.x = 2, .y = 2}, &r);
    matrix_expect(x, want, 1e-6, "silu_of around -61");
}

static void test_silu_mul(void **state) {
    (void)state;
    check_rows("silu_mul", SILU_MUL, 5, 270, HALF, HALF);
    check_rows("silu_mul", SILU_MUL, 1, 3, FLOAT, FLOAT);
}

/* ---- rows by number ---- */

static void check_numbered(enum element type, int cols) {
    static const int32_t ids[] = {3, -1, 0, 8, 3};
    struct matrix *in = matrix_random(9, cols, cols + 1, type, 1);
    struct matrix *out = matrix_random(5, cols, cols + 2, type, 1);
    double *want = doubles(5, cols);
    for (int i = 0; i < 5 * cols; i++)
        want[i] = ids[i / cols] < 0 ? matrix_get(out, i / cols, i % cols)
                                    : matrix_get(in, ids[i / cols], i % cols);
    struct numbered_args a = {.in = there(in),
                              .out = there(out),
                              .ids = there(matrix_of(ids, 1, 5, FLOAT)),
                              .in_stride = in->stride,
                              .out_stride = out->stride,
                              .rows = 5,
                              .cols = cols,
                              .bf16 = type == HALF};
    launch("rows", (struct launch){.x = tiles(cols, 256), .y = 2}, &a);
    matrix_expect(out, want, 0, shape("rows by number, %d columns %s", cols, type_name(type)));
    card_forget(NULL);
}

static void test_rows(void **state) {
    (void)state;
    check_numbered(FLOAT, 300);
    check_numbered(HALF, 40);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_layer_norm_modulate, card_forget),
        cmocka_unit_test_teardown(test_rms_norm, card_forget),
        cmocka_unit_test_teardown(test_channel_norm, card_forget),
        cmocka_unit_test_teardown(test_channel_norm_at_its_edges, card_forget),
        cmocka_unit_test_teardown(test_norm_rotary, card_forget),
        cmocka_unit_test_teardown(test_copy, card_forget),
        cmocka_unit_test_teardown(test_silu_of, card_forget),
        cmocka_unit_test_teardown(test_silu_of_far_below, card_forget),
        cmocka_unit_test_teardown(test_silu_mul, card_forget),
        cmocka_unit_test_teardown(test_rows, card_forget),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, card_open, card_close);
}
