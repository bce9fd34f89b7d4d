/*
 * plain.h - every operation of compute.h once more, as its formula reads, in double precision and
 * without any cleverness: what the fast kernels are compared with.  And what the tests of this
 * folder share: random numbers, and running a piece of work over every kernel table.
 *
 * Matrices are packed and row-major.  Every function that returns a pointer returns memory of the
 * caller's, from malloc.
 */
#ifndef TESTS_COMPUTE_PLAIN_H
#define TESTS_COMPUTE_PLAIN_H

#include "compute/operations.h"

/* ---- the operations ---- */

struct plain_epilogue {
    enum activation activation;
    const float *gate;     /* [out], or NULL */
    const float *residual; /* [rows, out], or NULL */
};

double plain_activation(enum activation a, double x);

/* in: [rows, depth]; weight: [out, depth]; bias: [out] or NULL. */
double *plain_linear(const float *in, int64_t rows, int64_t depth, const float *weight,
                     const float *bias, int64_t out, const struct plain_epilogue *e);

/* The same from numbers rounded to whole ones: each row of `in` by a scale that makes its largest
 * magnitude 127, each row of `weight` by one that makes it `max`. */
double *plain_linear_int8(const float *in, int64_t rows, int64_t depth, const float *weight,
                          const float *bias, int64_t out, int max);

/* x: [rows, n], in place: what is left of it in whole numbers up to `max`, as above. */
void plain_round_rows(float *x, int64_t rows, int64_t n, int max);

/* q: [queries, heads * head_dim]; k, v: [keys, kv_heads * head_dim]. */
double *plain_attention(const float *q, const float *k, const float *v, int64_t queries,
                        int64_t keys, const struct attention *a);

struct plain_picture {
    const float *x; /* [height * width, channels] */
    int64_t height, width, channels;
};

/* weight: [out_channels, in.channels, size, size]; o's residual is not looked at: `residual` is,
 * which may be NULL. */
double *plain_conv(struct plain_picture in, int64_t height, int64_t width, int64_t out_channels,
                   int size, const float *weight, const float *bias, const struct conv_options *o,
                   const float *residual);

double *plain_rms_norm(const float *x, int64_t rows, int64_t cols, const float *weight, double eps);
double *plain_layer_norm_modulate(const float *x, int64_t rows, int64_t cols, const float *scale,
                                  const float *shift, double eps);
double *plain_channel_norm(const float *x, int64_t rows, int64_t cols, const float *gamma,
                           bool silu);
double *plain_norm_rotary(const float *x, int64_t rows, int64_t cols, int64_t head_dim,
                          const float *norm, double eps, const float *angles,
                          enum rotary_pairs pairs);

/* ---- comparing ---- */

/* float32 sums of up to some thousand products differ from exact ones by about 1e-7 to 1e-6 of
 * their size; 1e-5 allows for cancellation, and a single wrong number among 60000 already
 * shows as 4e-3. */
#define NEAR_FLOAT32 1e-5
/* bfloat16 keeps 8 bits: each factor is off by up to 2e-3, mostly in random directions. */
#define NEAR_BFLOAT16 1e-2

/* |got - want| / |want|; NaN where a number is not finite, so that it passes no comparison. */
double distance(const float *got, const double *want, size_t n);

/* ---- making up numbers: the same ones in every run, and for every kernel table ---- */

float *random_floats(size_t n, float max); /* between -max and max */
float *random_bf16_floats(
    size_t n); /* numbers which float16 and bfloat16 hold exactly, between -2 and 2 */
void *stored_as(enum dtype t, const float *x,
                size_t n); /* x, exactly representable, in t's bytes */

/* ---- running ---- */

/* Runs `work` on a dry workspace and then on one of exactly that peak; the test
 * fails unless the second run succeeds with the same peak. */
void run_planned(struct compute *c, void (*work)(struct workspace *w, void *arg), void *arg);

/* Calls test for each kernel table that this CPU has, with a pool of `threads`; float32, where the
 * table is not one for bfloat16, or what `precision` says.  With DEVICE=cuda, once for the card. */
void each_kernels(int threads, void (*test)(struct compute *c));
void each_kernels_at(enum precision precision, int threads, void (*test)(struct compute *c));
bool multiplies_bf16(const struct compute *c);
/* The largest 8-bit weight or key: less where pairs of products are added up in 16 bits. */
int int8_max(const struct compute *c);
int int8_column_floats(const struct compute *c); /* beside an output feature's 8-bit weights */
bool scores_are_int8(const struct compute *c);   /* attention's, where it bears that */

struct tensor tensor_from(struct workspace *w, const float *x, int64_t rows,
                          int64_t cols); /* takes and uploads */

#endif
