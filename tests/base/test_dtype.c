/*
 * Every one of the 65536 numbers of both 16-bit formats, against their definition; rounding to
 * bfloat16 against a search for the nearest.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"

/* A number of IEEE's pattern: sign, `bits` of exponent, `digits` of mantissa. */
static double meaning(unsigned h, int bits, int digits) {
    unsigned mantissa = h & ((1u << digits) - 1), exponent = h >> digits & ((1u << bits) - 1);
    int bias = (1 << (bits - 1)) - 1;
    double sign = h >> 15 ? -1 : 1;
    if (exponent == (1u << bits) - 1) return mantissa ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexp(mantissa, 1 - bias - digits);
    return sign * ldexp(1.0 + ldexp(mantissa, -digits), (int)exponent - bias);
}

static void check_same(unsigned h, float got, double want) {
    if (isnan(want) ? !isnan(got) : (double)got != want || !signbit(got) != !signbit(want))
        fail_msg("%04x is %a, not %a", h, (double)got, want);
}

static void test_all_numbers(void **state) {
    (void)state;
    uint16_t *all = malloc(65536 * 2);
    float *f16 = malloc(65536 * sizeof *f16), *bf16 = malloc(65536 * sizeof *bf16);
    assert_true(all && f16 && bf16);
    for (unsigned h = 0; h < 65536; h++) all[h] = (uint16_t)h;
    floats_from(f16, all, DTYPE_F16, 65536);
    floats_from(bf16, all, DTYPE_BF16, 65536);
    for (unsigned h = 0; h < 65536; h++) {
        check_same(h, float_from_f16((uint16_t)h), meaning(h, 5, 10));
        check_same(h, f16[h], meaning(h, 5, 10));
        check_same(h, float_from_bf16((uint16_t)h), meaning(h, 8, 7));
        check_same(h, bf16[h], meaning(h, 8, 7));
        uint16_t back = bf16_from_float(bf16[h]);
        if (isnan(bf16[h]))
            assert_true(isnan(float_from_bf16(back)));
        else
            assert_int_equal(back, h);
    }
    free(all);
    free(f16);
    free(bf16);
}

/* Between each two neighbours: just below the middle, the middle, just above it; both signs. */
static void test_rounding(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x7f80; h++)
        for (uint32_t sign = 0; sign <= 0x8000; sign += 0x8000) {
            uint32_t low = (h | sign) << 16;
            assert_int_equal(bf16_from_float(float_from_bits(low | 1)), h | sign);
            assert_int_equal(bf16_from_float(float_from_bits(low | 0x7fff)), h | sign);
            assert_int_equal(bf16_from_float(float_from_bits(low | 0x8000)),
                             (h + h % 2) | sign); /* a tie goes to even */
            assert_int_equal(bf16_from_float(float_from_bits(low | 0x8001)), (h + 1) | sign);
            assert_int_equal(bf16_from_float(float_from_bits(low | 0xffff)), (h + 1) | sign);
        }
    /* Not a number stays none, even where only the lowest bit says so. */
    static const uint32_t nans[] = {0x7f800001, 0xff800001, 0x7fffffff,
                                    0xffffffff, 0x7fc00000, 0x7f80ffff};
    for (int i = 0; i < 6; i++)
        assert_true(isnan(float_from_bf16(bf16_from_float(float_from_bits(nans[i])))));
}

static void test_unaligned(void **state) {
    (void)state;
    char bytes[16];
    float x = 1.5f, out[2];
    uint16_t h[2] = {0x3c00, 0xc000};
    memcpy(bytes + 1, &x, 4);
    floats_from(out, bytes + 1, DTYPE_F32, 1);
    assert_true(out[0] == 1.5f);
    memcpy(bytes + 1, h, 4);
    floats_from(out, bytes + 1, DTYPE_F16, 2);
    assert_true(out[0] == 1.0f && out[1] == -2.0f);
    floats_from(out, bytes, DTYPE_BF16, 0);
}

static void every_type_has_a_whole_row(void **state) {
    (void)state;
    for (int t = 0; t < DTYPE_COUNT; t++) {
        const struct dtype_info *info = dtype_info((enum dtype)t);
        assert_non_null(info->name);
        assert_non_null(info->widen);
        assert_true(info->block_elements > 0 && info->block_bytes > 0);
        assert_int_equal(dtype_bytes((enum dtype)t, 3 * info->block_elements),
                         3 * info->block_bytes);
    }
    float sums[3] = {1.5f, -2.00001f, 1e-3f};
    const uint16_t rounded[3] = {bf16_from_float(1.5f), bf16_from_float(-2.00001f),
                                 bf16_from_float(1e-3f)};
    dtype_info(DTYPE_BF16)->narrow(sums, sums, 3);
    assert_memory_equal(sums, rounded, sizeof rounded);
    assert_int_equal(dtype_bytes(DTYPE_F32, 5), 20);
    assert_int_equal(dtype_bytes(DTYPE_BF16, 5), 10);
    assert_int_equal(dtype_bytes(DTYPE_F16, 5), 10);
    assert_string_equal(dtype_name(DTYPE_F32), "float32");
    assert_string_equal(dtype_name(DTYPE_BF16), "bfloat16");
    assert_string_equal(dtype_name(DTYPE_F16), "float16");
}

/* A matrix [3, 5] of ones, scaled in pieces that begin and end anywhere. */
static void scales_are_a_grid(void **state) {
    (void)state;
    enum { ROWS = 3, COLUMNS = 5, ALL = ROWS * COLUMNS };
    static const float data[6] = {2, 3, 5, 7, 11, 13};
    static const struct {
        struct scales scales;
        float expected[ALL];
    } cases[] = {
        {{NULL, 0, 0}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
        {{data, ROWS, COLUMNS}, {2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
        {{data, 1, COLUMNS}, {2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5}},
        {{data, 2, 2}, {2, 2, 3, 3, 5, 2, 2, 3, 3, 5, 7, 7, 11, 11, 13}},
        {{data, 1, 4}, {2, 2, 2, 2, 3, 5, 5, 5, 5, 7, 11, 11, 11, 11, 13}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t from = 0; from <= ALL; from++)
            for (size_t n = 0; n <= ALL - from; n++) {
                float x[ALL];
                for (size_t k = 0; k < n; k++) x[k] = 1;
                floats_scale(x, &cases[i].scales, COLUMNS, from, n);
                for (size_t k = 0; k < n; k++) assert_true(x[k] == cases[i].expected[from + k]);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_numbers), cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_unaligned), cmocka_unit_test(every_type_has_a_whole_row),
        cmocka_unit_test(scales_are_a_grid)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
