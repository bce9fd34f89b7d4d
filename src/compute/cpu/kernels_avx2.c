/* x86-64-v3: 16 registers of 8 lanes; 6 x 2 sums, 2 for the panel, 1 for the row. */
#include <immintrin.h>

#define LANES                 8
#define ROWS                  6
#define MULTIPLY_ADD(a, b, c) ((vec)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define LARGER(a, b)          ((vec)_mm256_max_ps((__m256)(a), (__m256)(b)))
/* Pairs of products are added up in 16 bits: 2 * 255 * 64 still fits. */
#define DOT_INT8(s, a, b)                                                                          \
    ((s) + (ivec)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)(a), (__m256i)(b)),               \
                                   _mm256_set1_epi16(1)))
#define WEIGHT_MAX 64
#include "compute/cpu/kernels.inc"

extern const struct kernels kernels_avx2;
const struct kernels kernels_avx2 = KERNEL_TABLE("avx2", .product_bf16 = NULL);
