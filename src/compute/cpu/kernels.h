/*
 * kernels.h - the innermost loops, one table per instruction set.
 *
 * The source of all is kernels.inc, written with the compiler's vector types and compiled once for
 * each set; so the sets differ in width, never in method.
 *
 * A product's right-hand side is packed in panels of `cols` columns: panel[k][cols], or for
 * bfloat16 products panel[k/2][cols][2].  Its left-hand side is given by a pointer to each row, so
 * that a row may be a matrix's, or the pixel under one tap of a convolution.
 */
#ifndef CPU_KERNELS_H
#define CPU_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/dtype.h"

enum { KERNEL_MAX_COLS = 64 }; /* no table's `cols` is larger */

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
    void (*from_bf16)(float *out, const uint16_t *in, int64_t n); /* n is a multiple of `cols` */
    void (*to_bf16)(uint16_t *out, const float *in, int64_t n);

    float (*dot)(const float *a, const float *b, int64_t n);
    float (*max)(const float *x, int64_t n);
    float (*exp_sum)(float *x, float shift, int64_t n); /* x = exp(x - shift); their sum */
    void (*scale)(float *x, float factor, int64_t n);

    /* out = (x - mean) * factor * (1 + scale[i]) + shift[i], mean and factor taken from x */
    void (*layer_norm_modulate)(float *out, const float *x, const float *scale, const float *shift,
                                int64_t n, float eps);
    void (*weighted)(float *out, const float *x, const float *weight, float factor,
                     int64_t n); /* x * factor * weight */
    void (*silu)(float *out, const float *x, int64_t n);
    void (*silu_mul)(float *out, const float *gate, const float *up, int64_t n);
    void (*gelu_tanh)(float *x, int64_t n);
    void (*add)(float *x, const float *y, int64_t n); /* x += y */
    void (*gate_add)(float *x, const float *gate, const float *residual,
                     int64_t n); /* x = residual + gate * x; each may be NULL */

    /* The three transforms of conv_winograd.c.  36 results, or sums, stand `step` numbers apart.
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

/* The best table that this CPU can run, or the one of that name; NULL when the name is unknown
 * or the CPU lacks it. low_precision asks for one with bfloat16 products and gets the best
 * without when there is none. */
const struct kernels *kernels_choose(const char *name, bool low_precision);

#endif
