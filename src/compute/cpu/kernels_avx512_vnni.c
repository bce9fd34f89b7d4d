/* kernels_avx512.c's twin for CPUs that also multiply fours of bytes (Cascade Lake, Ice Lake and
 * later). */
#include <immintrin.h>

#define LANES                 16
#define ROWS                  8
#define MULTIPLY_ADD(a, b, c) ((vec)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define LARGER(a, b)          ((vec)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define DOT_INT8(s, a, b)     ((ivec)_mm512_dpbusd_epi32((__m512i)(s), (__m512i)(a), (__m512i)(b)))
#define WEIGHT_MAX            127
#include "compute/cpu/kernels.inc"

extern const struct kernels kernels_avx512_vnni;
const struct kernels kernels_avx512_vnni = KERNEL_TABLE("avx512-vnni", .product_bf16 = NULL);
