/*
 * Stored types, to the bit: rows of random bits in each type and what they mean
 * (tests/data/README.md), all of them, by number, and with scales beside them.
 */
#include "support/unit_test.h"

#include "cuda/card.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/safetensors_reader.h"

static struct safetensors_reader *file;
static struct reader_tensor bits, means;

static void read_type(const char *type) {
    char name[32];
    snprintf(name, sizeof name, "%s.means", type);
    bits = safetensors_reader_get(file, type);
    means = safetensors_reader_get(file, name);
}

/* The rows `ids` of the type's table, or all; times `scales`, of tiles of the table. */
static void check(const char *type, const int32_t *ids, int count, const float *scales,
                  int scale_rows, int scale_cols) {
    static float want[8 * 512];
    char kernel[32];
    snprintf(kernel, sizeof kernel, "unpack_%s", type);
    int rows = (int)means.shape[0], cols = (int)means.shape[1], bytes = (int)bits.shape[1];
    int out_rows = ids ? count : rows, across = (cols + scale_cols - 1) / scale_cols;
    struct matrix *in = matrix_of(bits.data, rows, bytes, BYTE);
    struct matrix *numbers = ids ? matrix_of(ids, 1, count, FLOAT) : NULL;
    struct matrix *beside =
        scales ? matrix_of(scales, (rows + scale_rows - 1) / scale_rows, across, FLOAT) : NULL;
    struct matrix *out = matrix_empty(out_rows, cols, cols + 1, FLOAT);
    for (int r = 0; r < out_rows; r++)
        for (int c = 0; c < cols; c++) {
            int from = ids ? ids[r] : r;
            float by = scales ? scales[from / scale_rows * across + c / scale_cols] : 1;
            want[r * cols + c] = ((const float *)means.data)[from * cols + c] * by;
        }
    struct unpack_args a = {.in = there(in),
                            .out = there(out),
                            .ids = there(numbers),
                            .scales = there(beside),
                            .in_stride = bytes,
                            .out_stride = out->stride,
                            .rows = out_rows,
                            .cols = cols,
                            .scale_rows = scale_rows,
                            .scale_cols = scale_cols};
    launch(kernel, (struct launch){.x = tiles(cols, 256), .y = 2}, &a);
    matrix_expect_floats(out, want,
                         shape("%s%s%s", kernel, ids ? " by number" : "", scales ? " scaled" : ""));
    card_forget(NULL);
}

/* The same to bfloat16: what is unpacked, rounded once. */
static void check_rounded(const char *type) {
    char kernel[32];
    snprintf(kernel, sizeof kernel, "unpack_%s", type);
    int rows = (int)means.shape[0], cols = (int)means.shape[1], bytes = (int)bits.shape[1];
    struct matrix *in = matrix_of(bits.data, rows, bytes, BYTE);
    struct matrix *out = matrix_empty(rows, cols, cols + 2, HALF);
    double *want = doubles(rows, cols);
    for (int i = 0; i < rows * cols; i++) want[i] = bf16_rounded(((const float *)means.data)[i]);
    struct unpack_args a = {.in = there(in),
                            .out = there(out),
                            .in_stride = bytes,
                            .out_stride = out->stride,
                            .rows = rows,
                            .cols = cols,
                            .out_bf16 = 1};
    launch(kernel, (struct launch){.x = tiles(cols, 256), .y = 1}, &a);
    matrix_expect(out, want, 0, shape("%s to bf16", kernel));
    card_forget(NULL);
}

#define TYPE(NAME)                                                                                 \
    static void test_unpack_##NAME(void **state) {                                                 \
        static const int32_t ids[] = {4, 0, 4, 2};                                                 \
        (void)state;                                                                               \
        read_type(#NAME);                                                                          \
        check(#NAME, NULL, 0, NULL, 1, 1);                                                         \
        check(#NAME, ids, 4, NULL, 1, 1);                                                          \
        check_rounded(#NAME);                                                                      \
    }

/* All 256 codes, with a scale for each row, and for tiles that do not fill it. */
#define FLOAT8(NAME)                                                                               \
    static void test_unpack_##NAME(void **state) {                                                 \
        static const float scales[] = {0.37f, -1.5f, 3.0f};                                        \
        (void)state;                                                                               \
        read_type(#NAME);                                                                          \
        check(#NAME, NULL, 0, NULL, 1, 1);                                                         \
        check(#NAME, NULL, 0, scales, 1, 256);                                                     \
        check(#NAME, NULL, 0, scales, 128, 100);                                                   \
    }

/* clang-format off */
#define TYPES(X)                                                                                   \
    X(bf16) X(f16) X(q4_0) X(q4_1) X(q5_0) X(q5_1) X(q8_0) X(iq4_nl) X(q2_k) X(q3_k) X(q4_k)       \
    X(q5_k) X(q6_k) X(iq4_xs)
/* clang-format on */
TYPES(TYPE)
FLOAT8(e4m3)
FLOAT8(e5m2)

/* Scales belong to the table's rows, whichever of them are asked for. */
static void test_scales_of_rows_by_number(void **state) {
    static const int32_t ids[] = {3, 1};
    static const float scales[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    (void)state;
    read_type("q8_0");
    check("q8_0", ids, 2, scales, 1, 512);
    check("q8_0", ids, 2, scales, 2, 200); /* three tiles across */
}

static void test_unpack_f32(void **state) {
    static const int32_t ids[] = {5, 5, 0};
    (void)state;
    read_type("q8_0"); /* any floats */
    bits = means;
    bits.shape[1] = means.shape[1] * 4;
    check("f32", NULL, 0, NULL, 1, 1);
    check("f32", ids, 3, NULL, 1, 1);
}

static int open_all(void **state) {
    file = safetensors_reader_open(TEST_DATA "/unit/stored_numbers.safetensors");
    return card_open(state);
}

static int close_all(void **state) {
    safetensors_reader_close(file);
    return card_close(state);
}

#define ROW(NAME) cmocka_unit_test_teardown(test_unpack_##NAME, card_forget),

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TYPES(ROW) ROW(e4m3) ROW(e5m2) ROW(f32)
            cmocka_unit_test_teardown(test_scales_of_rows_by_number, card_forget),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, open_all, close_all);
}
