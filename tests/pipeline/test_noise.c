/*
 * noise_fill against torch: every tensor of unit/randn.safetensors, whose names tell how it was
 * drawn (cpu.SEED.N.DTYPE, cuda_philox.SEED.N), and the placing on a GPU's threads, which those are
 * too small for.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "pipeline/noise.h"
#include "support/safetensors_reader.h"

static const float TOLERANCE = 2e-6f; /* of another log, sin and cos */

static float *draw(size_t n, uint64_t seed, enum noise_generator g, bool bfloat16) {
    float *out = malloc(n * sizeof *out + 1);
    assert_non_null(out);
    noise_fill(out, n, seed, g, bfloat16);
    return out;
}

static float round_bf16(float x) {
    return float_from_bf16(bf16_from_float(x));
}

static void check_float32(const char *name, const float *expected, const float *got, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(got[i] - expected[i]) <= TOLERANCE))
            fail_msg("%s[%zu] is %.9g, torch has %.9g", name, i, (double)got[i],
                     (double)expected[i]);
}

/* Equal; but a number within the tolerance of the middle between two bfloat16 numbers may round to
 * the other one.  That happens to 2 in a million, so one in a tensor of thousands is all we excuse.
 */
static void check_bfloat16(const char *name, const float *expected, const float *got, size_t n) {
    size_t other_neighbour = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(got[i] == round_bf16(got[i]));
        if (got[i] == expected[i]) continue;
        int step = abs((int)bf16_from_float(got[i]) - (int)bf16_from_float(expected[i]));
        if (step != 1)
            fail_msg("%s[%zu] is %.9g, torch has %.9g", name, i, (double)got[i],
                     (double)expected[i]);
        other_neighbour++;
    }
    if (other_neighbour > 1) fail_msg("%s: %zu of %zu numbers differ", name, other_neighbour, n);
}

static void equals_torch(void **state) {
    (void)state;
    struct safetensors_reader *file = safetensors_reader_open(TEST_DATA "/unit/randn.safetensors");
    int tested[3] = {0};
    for (size_t i = 0; i < safetensors_reader_count(file); i++) {
        const char *name = safetensors_reader_name(file, i);
        char generator[16], dtype[16] = "float32";
        unsigned long long seed;
        size_t n;
        if (sscanf(name, "%15[^.].%llu.%zu.%15s", generator, &seed, &n, dtype) < 3)
            fail_msg("what is %s?", name);
        bool cuda = strcmp(generator, "cuda_philox") == 0,
             bfloat16 = strcmp(dtype, "bfloat16") == 0;
        float *expected = safetensors_reader_floats(file, name);
        float *got = draw(n, seed, cuda ? NOISE_TORCH_CUDA : NOISE_TORCH_CPU, bfloat16);
        assert_int_equal(safetensors_reader_get(file, name).count, n);
        if (bfloat16)
            check_bfloat16(name, expected, got, n);
        else
            check_float32(name, expected, got, n);
        tested[cuda ? 2 : bfloat16]++;
        free(got);
        free(expected);
    }
    safetensors_reader_close(file);
    assert_true(tested[0] > 0 && tested[1] > 0 && tested[2] > 0);
}

/* Of a GPU, torch's first numbers for seed 0 as its users know them (printed with four digits). */
static void cuda_as_printed(void **state) {
    (void)state;
    static const float printed[] = {-0.9247f, -0.4253f, -2.6438f, 0.1452f, -0.1209f, -0.5797f};
    float *got = draw(6, 0, NOISE_TORCH_CUDA, false);
    for (int i = 0; i < 6; i++) assert_true(fabsf(got[i] - printed[i]) < 1e-4f);
    free(got);
}

/* What the first number of every thread is does not depend on how many more it draws, and those are
 * others: normal, and not correlated with the ones a grid before. */
static void cuda_larger_than_the_grid(void **state) {
    (void)state;
    const size_t threads = NOISE_CUDA_THREADS, n = 4 * threads + 1000;
    float *large = draw(n, 7, NOISE_TORCH_CUDA, false);
    float *small = draw(threads, 7, NOISE_TORCH_CUDA, false);
    assert_memory_equal(large, small, threads * sizeof *small);

    double sum = 0, squares = 0, across = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(large[i]));
        sum += large[i];
        squares += (double)large[i] * large[i];
        across += (double)large[i] * large[(i + threads) % n];
    }
    assert_true(fabs(sum / n) < 0.005);
    assert_true(fabs(squares / n - 1) < 0.01);
    assert_true(fabs(across / n) < 0.005);
    free(small);
    free(large);
}

/* Known from another computation of Philox and Box-Muller (numpy): seed 7, thread 5, all four
 * numbers of block 0 and the first of block 1. */
static void cuda_places(void **state) {
    (void)state;
    static const float expected[5] = {-1.12294340f, 1.36838543f, -0.02262844f, -1.29286826f,
                                      0.43670934f};
    const size_t threads = NOISE_CUDA_THREADS;
    float *got = draw(4 * threads + 6, 7, NOISE_TORCH_CUDA, false);
    for (size_t k = 0; k < 5; k++)
        assert_true(fabsf(got[k * threads + 5] - expected[k]) < TOLERANCE);
    free(got);
}

static void seeds(void **state) {
    (void)state;
    const uint64_t low = 7, high = low + (1ull << 32);
    float *a = draw(40, low, NOISE_TORCH_CPU, false);
    float *b = draw(40, high, NOISE_TORCH_CPU, false);
    float *c = draw(40, low, NOISE_TORCH_CUDA, false);
    float *d = draw(40, high, NOISE_TORCH_CUDA, false);
    assert_memory_equal(a, b, 40 * sizeof *a);              /* MT19937 takes 32 bits of it, */
    for (int i = 0; i < 40; i++) assert_true(c[i] != d[i]); /* Philox all 64 */
    free(a);
    free(b);
    free(c);
    free(d);
}

static void nothing_written_beyond(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 15, 16, 17, 33};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (int g = 0; g < 4; g++) {
            float out[40];
            for (int i = 0; i < 40; i++) out[i] = 1e9f;
            noise_fill(out, sizes[s], UINT64_MAX, g & 1 ? NOISE_TORCH_CUDA : NOISE_TORCH_CPU,
                       g & 2);
            for (size_t i = 0; i < 40; i++) assert_true((out[i] == 1e9f) == (i >= sizes[s]));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_torch),
        cmocka_unit_test(cuda_as_printed),
        cmocka_unit_test(cuda_larger_than_the_grid),
        cmocka_unit_test(cuda_places),
        cmocka_unit_test(seeds),
        cmocka_unit_test(nothing_written_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
