/*
 * args.h - what the host hands to each kernel: one struct per kernel, passed by value, read by C and
 * by CUDA C++ alike, so that no argument can be forgotten or swapped.
 *
 * Strides count elements from one row to the next.  `bf16` flags say that a tensor's elements are
 * bfloat16; else they are float32.  Where a kernel copies 16 bytes at a time the host has made sure
 * that base and stride are multiples of 16 bytes (see each kernel's heading).
 *
 * How each is launched.  tiles(n, t) is n / t rounded up; a grid's x, then y; threads of a block.
 *
 *   gemm_bf16, gemm_int8      tiles(rows, 128) * tiles(cols, 128)                     256
 *   gemm_bf16_small           tiles(rows, 32) * tiles(cols, 64)                       128
 *   gemm_f32                  tiles(rows, 64) * tiles(cols, 64)                       256
 *   attention_128, _80, _64   tiles(queries, 128), heads                              256
 *                             and 4 * 64 * (2 * head_dim + 16) bytes of shared memory
 *   attention_f32, _wide      tiles(queries, 32), heads                               256
 *                             and 32 * (head_dim + 1) * 4 bytes; heads to 128, to 512
 *   conv_split                tiles(pixels, 128), tiles(out channels, 96)             256
 *   conv_f32                  tiles(pixels, 32), tiles(out channels, 32)              256
 *   round_rows, rms_norm, layer_norm_modulate      rows                               256
 *   channel_norm, guide       tiles(rows, 8)                                          256
 *   norm_rotary               tiles(rows * heads, 8)                                  256
 *   all others                tiles(cols, 256), rows or fewer                         256
 */
#ifndef KERNELS_ARGS_H
#define KERNELS_ARGS_H

#include <stdint.h>

enum { ACT_NONE, ACT_SILU, ACT_GELU, ACT_GELU_TANH };

/* out = residual + gate * act(a b^T + bias); a: [rows, depth], b: [cols, depth]. */
struct gemm_args {
    const void *a, *b;
    void *out;
    const float *bias, *gate, *residual;  /* NULL: zeros, ones, zeros */
    const float *row_scales, *col_scales; /* 8-bit products: a sum is worth their product */
    int64_t a_stride, b_stride, out_stride, residual_stride;
    int32_t rows, cols, depth, activation, out_bf16;
};

/* out[i] = softmax(scale q[i] k^T) v for each head; key j is seen by query i if it is in i's segment
 * and, when causal, j <= i + keys - queries. */
struct attention_args {
    const void *q, *k, *v;
    void *out;
    const int32_t *segments; /* segment_count + 1 row numbers, in device memory; or NULL */
    int64_t q_stride, k_stride, v_stride, out_stride;
    int32_t queries, keys, heads, kv_heads, head_dim, segment_count, causal;
    float scale; /* with log2(e) in it */
};

/* Norms: out and in may be the same. */
struct norm_args {
    const void *in;
    void *out;
    const float *weight, *shift; /* layer norm: scale and shift */
    int64_t in_stride, out_stride;
    int32_t rows, cols, in_bf16, out_bf16, silu;
    float eps;
};

struct rotary_args {
    void *x;
    const float *norm, *angles; /* [head_dim] or NULL; rows of cosines, then sines */
    int64_t stride, angle_stride;
    int32_t rows, heads, head_dim, halves, bf16;
    float eps;
};

/* weight: [taps][out][depth], depth = in channels rounded up to 16, high parts, then low parts. */
struct conv_args {
    const float *in;
    const void *weight;
    float *out;
    const float *bias, *residual;
    int64_t in_stride, out_stride, residual_stride;
    int32_t in_height, in_width, in_channels, out_height, out_width, out_channels;
    int32_t size, step, pad_top, pad_left, upsample, depth;
};

/* Elementwise, row by row: out = f(a) or f(a, b). */
struct rows_args {
    const void *a, *b;
    void *out;
    int64_t a_stride, b_stride, out_stride;
    int32_t rows, cols, a_bf16, b_bf16, out_bf16;
};

/* A row to 8 bits: its largest magnitude becomes 127. */
struct round_args {
    const void *in;
    int8_t *out; /* [rows, out_stride], zeros after the row's end */
    float *scales;
    int64_t in_stride, out_stride;
    int32_t rows, cols, in_bf16;
};

/* Row r of out becomes row ids[r] of in, of the same type; where that is negative it stays. */
struct numbered_args {
    const void *in;
    void *out;
    const int32_t *ids; /* in device memory */
    int64_t in_stride, out_stride;
    int32_t rows, cols, bf16;
};

/* An edit's steps, float32 throughout: operations.h tells what each computes.  pack and unpack: rows
 * are the map's pixels, cols its channels, and the tokens' stride is theirs. */
struct step_args {
    const float *in;            /* guide: the negative velocity */
    void *out;                  /* guide, euler_step: read as well; all_finite: the flag */
    const float *shift, *scale; /* normalise, denormalise: mean and standard deviation */
    int64_t in_stride, out_stride;
    int32_t rows, cols, width; /* of a map */
    float factor;              /* guide: the scale; euler_step: dt */
};

/* Rows of a table or of packed weights to bfloat16 or float32.  ids: which rows, or NULL for all.
 * Where numbers have scales beside them there is one for each tile of scale_rows x scale_cols
 * numbers of the table, row-major (struct scales); for whole rows scale_rows is 1, scale_cols cols. */
struct unpack_args {
    const void *in;
    void *out;
    const int32_t *ids;
    const float *scales;           /* or NULL */
    int64_t in_stride, out_stride; /* in: bytes */
    int32_t rows, cols, out_bf16, scale_rows, scale_cols;
};

#endif
