/*
 * x86-64-v4: 32 registers of 16 lanes.  Eight rows keep 16 sums in flight, enough to hide the
 * latency of two multiply-add units, and leave the row pointers in general registers.
 */
#include <immintrin.h>

#define LANES                 16
#define ROWS                  8
#define MULTIPLY_ADD(a, b, c) ((vec)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define LARGER(a, b)          ((vec)_mm512_max_ps((__m512)(a), (__m512)(b)))
/* Pairs of products are added up in 16 bits: 2 * 255 * 64 still fits. */
#define DOT_INT8(s, a, b)                                                                          \
    ((s) + (ivec)_mm512_madd_epi16(_mm512_maddubs_epi16((__m512i)(a), (__m512i)(b)),               \
                                   _mm512_set1_epi16(1)))
#define WEIGHT_MAX 64
#include "compute/cpu/kernels.inc"

extern const struct kernels kernels_avx512;
const struct kernels kernels_avx512 = KERNEL_TABLE("avx512", .product_bf16 = NULL);
