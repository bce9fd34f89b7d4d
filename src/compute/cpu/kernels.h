/*
 * kernels.h - the innermost loops, one table per instruction set.
 *
 * The source of all is kernels.inc, written with the compiler's vector types and compiled once for
 * each set; so the sets differ in width, never in method.
 *
 * A product's right-hand side is packed in panels of `cols` columns: panel[k][cols], or for
 * bfloat16 products panel[k/2][cols][2], for 8-bit ones panel[k/4][cols][4].  Its left-hand side
 * is given by a pointer to each row, so that a row may be a matrix's, or the pixel under one tap
 * of a convolution.
 */
#ifndef CPU_KERNELS_H
#define CPU_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/dtype.h"
#include "compute/operations.h"

enum { KERNEL_MAX_COLS = 64 }; /* no table's `cols` is larger */
enum {
    INT8_ZERO = 128,        /* what stands for 0 on an 8-bit product's left-hand side */
    INT8_MAX_DEPTH = 65536, /* of an 8-bit product: 255 * 127 * 65536 is below 2^31 */
};

/* The mean is mean + rest; factor is 1 / sqrt(variance + eps). */
struct row_moments {
    float mean, rest, factor;
};

struct kernels {
    const char *name;
    int rows, cols; /* of a register tile: a product yields up to rows x cols sums at once */

    /* c[i][j] = (add ? c[i][j] : 0) + sum over k of a[i][k] * b[k][j], for i < rows and all cols;
     * c's rows are ldc apart. */
    void (*product)(int rows, int64_t k, const float *const *a, const float *b, float *c,
                    int64_t ldc, bool add);
    void (*product_bf16_weights)(int rows, int64_t k, const float *const *a, const uint16_t *b,
                                 float *c, int64_t ldc, bool add);
    /* bfloat16 times bfloat16, float32 sums; k even.  NULL where the CPU has none. */
    void (*product_bf16)(int rows, int64_t k, const uint16_t *const *a, const uint16_t *b, float *c,
                         int64_t ldc, bool add);
    /* 8-bit products, the left-hand side without sign; k is a multiple of 4.  No sum of up to
     * INT8_MAX_DEPTH overflows as long as no weight is beyond +-int8_max, which is 127, or 64 where
     * pairs of products are added up in 16 bits. */
    void (*product_int8)(int rows, int64_t k, const uint8_t *const *a, const int8_t *b, int32_t *c,
                         int64_t ldc, bool add);
    int int8_max;
    /* The largest magnitude; no finite number when one of x is none. */
    float (*largest)(const float *x, int64_t n);
    /* INT8_ZERO + x * factor, rounded to nearest, ties away from zero; |x * factor| is at most 127. */
    void (*to_int8)(uint8_t *out, const float *x, float factor, int64_t n);
    /* (sums - offsets) * (factor * scales); out may be sums.  n is a multiple of `cols`. */
    void (*from_int8)(float *out, const int32_t *sums, const int32_t *offsets, const float *scales,
                      float factor, int64_t n);
    void (*from_bf16)(float *out, const uint16_t *in, int64_t n); /* n is a multiple of `cols` */
    void (*to_bf16)(uint16_t *out, const float *in, int64_t n);

    float (*dot)(const float *a, const float *b, int64_t n);
    float (*max)(const float *x, int64_t n);
    /* x = 2^(x - shift), where no x is above shift; their sum.  The second is there where
     * product_bf16 is; it adds up before it rounds, and out may begin at or before x. */
    float (*exp2_sum)(float *x, float shift, int64_t n);
    float (*exp2_sum_bf16)(uint16_t *out, const float *x, float shift, int64_t n);
    void (*scale)(float *x, float factor, int64_t n);

    /* out = (x - mean) * factor * (1 + scale[i]) + shift[i], where mean and factor are a row's */
    struct row_moments (*moments)(const float *x, int64_t n, float eps);
    void (*modulate)(float *out, const float *x, struct row_moments m, const float *scale,
                     const float *shift, int64_t n);
    void (*weighted)(float *out, const float *x, const float *weight, float factor,
                     int64_t n); /* x * factor * weight */
    void (*silu)(float *out, const float *x, int64_t n);
    void (*silu_mul)(float *out, const float *gate, const float *up, int64_t n);
    void (*gelu_tanh)(float *x, int64_t n);
    void (*add)(float *x, const float *y, int64_t n); /* x += y */
    /* out = residual + gate * x; gate and residual may be NULL, and residual may be out */
    void (*gate_add)(float *out, const float *x, const float *gate, const float *residual,
                     int64_t n);

    /* The three transforms of conv_winograd.c.  36 results, or sums, stand `step` elements apart.
     * n is a number of channels; for the weights, where 9 taps stand tap_step apart, a multiple of
     * `cols`.  What winograd_output reads of sums and bias goes up to the next multiple of `cols`.
     * pixel: 36 pixels, row after row; out, residual: 16, and where out is NULL nothing is written.
     * doubled: the sums of the third row and column are zeros, and not looked at. */
    void (*winograd_weights)(float *out, int64_t step, const float *taps, int64_t tap_step,
                             int64_t n);
    void (*winograd_input)(float *out, int64_t step, const float *const *pixel, int64_t n);
    void (*winograd_output)(float *const *out, const float *sums, int64_t step, const float *bias,
                            const float *const *residual, bool doubled, int64_t n);
};

/* The best table for that set of precisions that this CPU can run, or the one of that name; NULL
 * when the name is unknown or the CPU lacks it.  Only what is asked for beyond float32 chooses a
 * table that multiplies so. */
const struct kernels *kernels_choose(const char *name, unsigned precisions);

#endif
