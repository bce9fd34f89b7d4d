/*
 * Operands: what only products read, in the device's type for it.  The CPU answers float32; made to
 * answer bfloat16, each operation yields from operands what it yields from the same numbers as
 * floats, and writes into one what it writes into floats, rounded: to the byte, with every table.
 */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "compute/backend.h"
#include "compute/plain.h"

enum { ROWS = 21, HEADS = 3, KV_HEADS = 1, PLACES = 12 };

/* One round over all operations, on operands or on floats; what they write is appended to `got`. */
struct round {
    bool operands;
    int64_t cols;             /* of rows; a multiple of HEADS */
    const float *x, *y, *row; /* [ROWS, cols] twice, exact in bfloat16; [cols] */
    struct linear *linear;    /* cols to cols */
    struct vector *norm, *head_norm;
    float *got;
    int count;
};

static struct tensor take(struct workspace *w, const struct round *r) {
    return r->operands ? tensor_take_operand(w, ROWS, r->cols) : tensor_take(w, ROWS, r->cols);
}

static struct tensor filled(struct workspace *w, const struct round *r, const float *x) {
    struct tensor t = take(w, r);
    tensor_upload(w, t, x);
    return t;
}

static void keep(struct workspace *w, struct round *r, struct tensor t) {
    if (workspace_is_dry(w)) return;
    tensor_download(w, r->got + r->count++ * ROWS * r->cols, t);
}

static void write_rows(struct workspace *w, struct round *r) {
    struct tensor x = tensor_from(w, r->x, ROWS, r->cols);
    struct tensor factor = tensor_from(w, r->row, 1, r->cols), out = take(w, r);
    op_rms_norm(w, out, x, r->norm, 1e-6f);
    keep(w, r, out);
    op_layer_norm_modulate(w, out, x, factor, factor, 1e-6f);
    keep(w, r, out);
    op_channel_norm(w, out, x, r->norm, true);
    keep(w, r, out);
    op_silu(w, out, x);
    keep(w, r, out);
    op_copy(w, out, x);
    keep(w, r, out);
}

static void read_rows(struct workspace *w, struct round *r) {
    struct tensor x = filled(w, r, r->x), y = filled(w, r, r->y);
    int64_t d = r->cols / HEADS;
    op_silu_mul(w, x, x, y);
    keep(w, r, x);
    struct tensor angles = tensor_cols(tensor_from(w, r->y, ROWS, r->cols), 0, d);
    op_norm_rotary(w, y, d, r->head_norm, 1e-6f, angles, ROTARY_HALVES);
    keep(w, r, y);
    y = filled(w, r, r->y);
    op_norm_rotary(w, tensor_cols(y, d, d), d, NULL, 0, angles, ROTARY_INTERLEAVED);
    keep(w, r, y);
    int32_t places[ROWS];
    for (int i = 0; i < ROWS; i++) places[i] = i % 2 ? ROWS - i : -1;
    op_rows(w, y, filled(w, r, r->x), places);
    keep(w, r, y);
}

static void products(struct workspace *w, struct round *r) {
    struct tensor q = filled(w, r, r->x), k = filled(w, r, r->y), out = take(w, r);
    struct tensor residual = tensor_from(w, r->y, ROWS, r->cols);
    op_linear(w, out, q, r->linear, &(struct epilogue){.residual = &residual});
    keep(w, r, out);
    op_linear(w, residual, q, r->linear, NULL); /* from operands into floats */
    keep(w, r, residual);
    int64_t d = r->cols / HEADS;
    const struct attention one = {.heads = HEADS,
                                  .kv_heads = KV_HEADS,
                                  .head_dim = d,
                                  .scale = 0.2f,
                                  .causal = true,
                                  .bears = PRECISION_FLOAT32 | PRECISION_BFLOAT16 | PRECISION_INT8};
    op_attention(w, q, q, tensor_cols(k, 0, d), tensor_cols(k, d, d), &one);
    keep(w, r, q);
}

static void work(struct workspace *w, void *arg) {
    size_t mark = workspace_mark(w);
    write_rows(w, arg);
    workspace_release(w, mark);
    read_rows(w, arg);
    workspace_release(w, mark);
    products(w, arg);
    workspace_release(w, mark);
}

enum { PRODUCT_INTO_FLOATS = 10 }; /* its place in `got` */

static void check(struct compute *c, int64_t cols, enum dtype stored, unsigned bears) {
    size_t n = (size_t)(ROWS * cols);
    float *x = random_bf16_floats(n), *y = random_bf16_floats(n), *row = random_floats(n, 1);
    float *weight = random_bf16_floats((size_t)(cols * cols));
    void *bytes = stored_as(stored, weight, (size_t)(cols * cols));
    struct matrix m = {.dtype = stored, .rows = cols, .cols = cols, .data = bytes};
    struct round r = {.cols = cols, .x = x, .y = y, .row = row};
    assert_int_equal(compute_pack_linear(c, &r.linear, &m, 1, row, bears, NULL), STATUS_OK);
    assert_int_equal(compute_pack_vector(c, &r.norm, row, cols, NULL), STATUS_OK);
    assert_int_equal(compute_pack_vector(c, &r.head_norm, row, cols / HEADS, NULL), STATUS_OK);
    float *got[2];
    for (int operands = 0; operands < 2; operands++) {
        got[operands] = r.got = random_floats(n * PLACES, 1);
        r.operands = operands;
        r.count = 0;
        run_planned(c, work, &r);
        assert_int_equal(r.count, PLACES);
    }
    for (size_t i = 0; i < n * PLACES; i++) {
        float want = got[0][i];
        if (i / n != PRODUCT_INTO_FLOATS) want = float_from_bf16(bf16_from_float(want));
        if (want != got[1][i])
            fail_msg("%s, %lld columns: place %zu is %.9g, not %.9g", compute_kernels(c),
                     (long long)cols, i / n, got[1][i], want);
    }
    for (int i = 0; i < 2; i++) free(got[i]);
    linear_destroy(r.linear);
    vector_destroy(r.norm);
    vector_destroy(r.head_norm);
    free(x);
    free(y);
    free(row);
    free(weight);
    free(bytes);
}

static void all_shapes(struct compute *c) {
    c->operand = DTYPE_BF16;
    static const int64_t cols[] = {6, 42, 1026,
                                   1530}; /* below and beyond what a row's buffer holds */
    for (size_t i = 0; i < sizeof cols / sizeof *cols; i++) {
        check(c, cols[i], DTYPE_F32, PRECISION_FLOAT32);
        check(c, cols[i], DTYPE_BF16, PRECISION_FLOAT32);
        check(c, cols[i], DTYPE_BF16, PRECISION_FLOAT32 | PRECISION_BFLOAT16);
        check(c, cols[i], DTYPE_BF16, PRECISION_FLOAT32 | PRECISION_INT8);
    }
}

static void test_same_as_floats(void **state) {
    (void)state;
    each_kernels(2, all_shapes);
    each_kernels_at(PRECISION_INT8, 2, all_shapes);
}

static struct compute *create(void) {
    struct compute *c;
    assert_int_equal(
        compute_create(&c, &(struct compute_options){.device = "cpu", .threads = 1}, NULL),
        STATUS_OK);
    return c;
}

/* The CPU's own answer, and the memory of another one. */
static void test_type(void **state) {
    (void)state;
    struct compute *c = create();
    struct workspace *w;
    assert_int_equal(workspace_create_dry(&w, c, NULL), STATUS_OK);
    assert_int_equal(tensor_take_operand(w, 2, 3).type, DTYPE_F32);
    c->operand = DTYPE_BF16;
    c->alignment.row = 16;
    size_t mark = workspace_mark(w);
    struct tensor t = tensor_take_operand(w, 32, 9);
    assert_true(t.type == DTYPE_BF16 && t.stride == 16);
    assert_int_equal(workspace_mark(w) - mark, 32 * 16 * 2);
    struct tensor part = tensor_cols(tensor_rows(t, 2, 3), 5, 4);
    assert_true(part.type == DTYPE_BF16 && part.address == t.address + (2 * 16 + 5) * 2);
    workspace_destroy(w);
    compute_destroy(c);
}

/* What must be float32 and is not, or types that differ, are found by the plan. */
static void test_refused(void **state) {
    (void)state;
    struct compute *c = create();
    c->operand = DTYPE_BF16;
    float ones[64] = {0};
    struct vector *v;
    struct linear *l;
    struct conv *kernel;
    struct matrix m = {.dtype = DTYPE_F32, .rows = 8, .cols = 8, .data = ones};
    assert_int_equal(compute_pack_vector(c, &v, ones, 8, NULL), STATUS_OK);
    assert_int_equal(compute_pack_linear(c, &l, &m, 1, NULL, PRECISION_FLOAT32, NULL), STATUS_OK);
    assert_int_equal(compute_pack_conv(c, &kernel, ones, ones, 8, 8, 1, PRECISION_FLOAT32, NULL),
                     STATUS_OK);
    const struct attention one = {.heads = 1, .kv_heads = 1, .head_dim = 8, .scale = 1};
    int32_t places[4] = {0};
    enum { CASES = 14 };
    for (int i = 0; i < CASES; i++) {
        struct workspace *w;
        assert_int_equal(workspace_create_dry(&w, c, NULL), STATUS_OK);
        struct tensor o = tensor_take_operand(w, 4, 8), f = tensor_take(w, 4, 8);
        struct tensor o1 = tensor_row(o, 0), f1 = tensor_row(f, 0);
        struct feature_map om = {o, 2, 2}, fm = {f, 2, 2};
        const struct conv_options stride_1 = {.stride = 1};
        switch (i) {
        case 0: op_rms_norm(w, f, o, v, 0); break;
        case 1: op_layer_norm_modulate(w, f, o, f1, f1, 0); break;
        case 2: op_layer_norm_modulate(w, o, f, o1, f1, 0); break;
        case 3: op_layer_norm_modulate(w, o, f, f1, o1, 0); break;
        case 4: op_channel_norm(w, f, o, v, false); break;
        case 5: op_silu(w, f, o); break;
        case 6: op_norm_rotary(w, f, 8, NULL, 0, o, ROTARY_HALVES); break;
        case 7: op_linear(w, o, o, l, &(struct epilogue){.gate = &o1}); break;
        case 8: op_linear(w, o, o, l, &(struct epilogue){.residual = &o}); break;
        case 9: op_attention(w, o, o, o, f, &one); break;
        case 10: op_attention(w, o, f, o, o, &one); break;
        case 11: op_rows(w, f, o, places); break;
        case 12: op_conv(w, om, fm, kernel, &stride_1); break;
        default: op_conv(w, fm, om, kernel, &stride_1); break;
        }
        if (workspace_check(w, NULL) != STATUS_INTERNAL) fail_msg("case %d", i);
        workspace_destroy(w);
    }
    vector_destroy(v);
    linear_destroy(l);
    conv_destroy(kernel);
    compute_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_as_floats),
                                       cmocka_unit_test(test_type), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
