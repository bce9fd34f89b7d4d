/* kernels_avx512.c's twin for CPUs that also multiply pairs of bfloat16, and fours of
 * bytes (Cooper Lake, Zen 4 and later). */
#include <immintrin.h>

#define LANES                 16
#define ROWS                  8
#define MULTIPLY_ADD(a, b, c) ((vec)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define LARGER(a, b)          ((vec)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define DOT_INT8(s, a, b)     ((ivec)_mm512_dpbusd_epi32((__m512i)(s), (__m512i)(a), (__m512i)(b)))
#define WEIGHT_MAX            127
#include "compute/cpu/kernels.inc"

static inline __attribute__((always_inline)) void product_bf16_tile(const int rows, int64_t depth,
                                                                    const uint16_t *const *a,
                                                                    const uint16_t *b, float *c,
                                                                    int64_t ldc, bool add) {
    __m512 s0[ROWS], s1[ROWS];
    const uint16_t *row[ROWS];
    UNROLLED for (int i = 0; i < rows; i++) {
        row[i] = a[i];
        s0[i] = add ? _mm512_loadu_ps(c + i * ldc) : _mm512_setzero_ps();
        s1[i] = add ? _mm512_loadu_ps(c + i * ldc + LANES) : _mm512_setzero_ps();
    }
    for (int64_t k = 0; k < depth; k += 2) {
        __m512bh b0 = (__m512bh)_mm512_loadu_si512(b + k * COLS);
        __m512bh b1 = (__m512bh)_mm512_loadu_si512(b + k * COLS + 2 * LANES);
        UNROLLED for (int i = 0; i < rows; i++) {
            __m512bh x = (__m512bh)_mm512_set1_epi32(*(const int_loose *)(row[i] + k));
            s0[i] = _mm512_dpbf16_ps(s0[i], x, b0);
            s1[i] = _mm512_dpbf16_ps(s1[i], x, b1);
        }
    }
    UNROLLED for (int i = 0; i < rows; i++) {
        _mm512_storeu_ps(c + i * ldc, s0[i]);
        _mm512_storeu_ps(c + i * ldc + LANES, s1[i]);
    }
}

static void product_bf16(int rows, int64_t k, const uint16_t *const *a, const uint16_t *b, float *c,
                         int64_t ldc, bool add) {
    BY_ROWS(product_bf16_tile, rows, k, a, b, c, ldc, add);
}

static float exp2_sum_bf16(uint16_t *out, const float *x, float shift, int64_t n) {
    vec total = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec e = vexp2(load(x + i) - shift);
        _mm256_storeu_si256((__m256i *)(out + i), (__m256i)_mm512_cvtneps_pbh((__m512)e));
        total += e;
    }
    float s = sum(total);
    for (; i < n; i++) {
        float e = vexp2(all(x[i] - shift))[0];
        out[i] = bf16_from_float(e);
        s += e;
    }
    return s;
}

extern const struct kernels kernels_avx512_bf16;
const struct kernels kernels_avx512_bf16 =
    KERNEL_TABLE("avx512-bf16", .product_bf16 = product_bf16, .exp2_sum_bf16 = exp2_sum_bf16);
