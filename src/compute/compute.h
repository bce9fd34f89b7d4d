/*
 * compute.h - tensors, and the operations of the models over them.
 *
 * The networks in model/ are written once against this header.  Which machine does the work is
 * chosen when the `struct compute` is made; a backend (cpu/, later cuda/) fills in backend.h's
 * table.
 *
 *   struct compute     a device with its threads and kernels, shared by all edits; packs weights
 *   struct workspace   one edit's working memory, an arena planned beforehand, and its cancelling
 *   struct tensor      a matrix of float32: rows are tokens or pixels, columns features or channels
 *
 * Memory is planned by running the same network code twice: on a "dry" workspace operations only
 * count the memory that they would take, so the peak is known, exactly, before anything is
 * computed.  After that nothing in here allocates, but for the few bytes that describe a layer which
 * is packed into a workspace.
 *
 * Results depend on neither the number of threads nor on what else runs: work is cut into tiles by
 * shape alone, and every sum is added up in one fixed order.
 */
#ifndef COMPUTE_COMPUTE_H
#define COMPUTE_COMPUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "firered/status.h"

struct compute;
struct workspace;

/* ---- devices ---- */

/* What products are made of, from the finest to the coarsest.  Sums are float32, or exact. */
enum precision {
    PRECISION_FLOAT32,
    PRECISION_BFLOAT16, /* both sides rounded to bfloat16 where the device multiplies that */
    PRECISION_INT8, /* both sides 8 bits, with a scale for each row; docs/decisions/009-int8.md */
};

struct compute_options {
    int threads;              /* 0: all cores */
    enum precision precision; /* the coarsest products of any layer */
    /* For tests and benchmarks: "generic", "avx2", "avx512", "avx512-vnni", "avx512-bf16", which
     * multiplies in bfloat16 whatever the precision; NULL: the best here. */
    const char *kernels;
    bool plan_only;        /* see compute_is_plan_only */
    uint64_t memory_limit; /* bytes of packed weights and workspaces; 0: none */
};

enum status compute_create_cpu(struct compute **out, const struct compute_options *options,
                               struct error *err);
void compute_destroy(struct compute *c); /* NULL is fine; after its weights and workspaces */
const char *compute_device(const struct compute *c);  /* "cpu" */
const char *compute_kernels(const struct compute *c); /* "avx512-bf16", ... */
int compute_threads(const struct compute *c);

/* A device that was made to plan memory: it packs weights of the right size without reading or
 * keeping a number of them, so that a model of any size is "loaded" at once, and only dry
 * workspaces can be made on it. */
bool compute_is_plan_only(const struct compute *c);

/* ---- weights: packed once at load time for the kernel that uses them ---- */

struct linear; /* [out_features, in_features] and a bias */
struct conv;   /* [out_channels, in_channels, size, size] and a bias */
struct vector; /* [n] float32, in the device's memory */

/* Rows of a matrix [rows, cols] as stored in a model file, row-major. */
struct matrix {
    enum dtype dtype;
    int64_t rows, cols;
    const void *data;
    /* Told, by any thread, which of the numbers have been packed and are not read again, so that a
     * mapped file's pages can go; may be NULL. */
    void (*packed)(const void *data, size_t bytes);
};

/* A plan-only device takes NULL for all numbers. Packs `count` matrices of equal cols, one below
 * the other (q, k and v become one product), with a bias for all rows or NULL.  16-bit weights
 * stay 16 bit, or become 8.  `coarsest`: what this layer bears; its products are the finer of that
 * and the device's precision.  The caller owns *out.  STATUS_INVALID: nothing to pack, or unequal
 * cols.  STATUS_NO_MEMORY. */
enum status compute_pack_linear(struct compute *c, struct linear **out, const struct matrix *parts,
                                size_t count, const float *bias, enum precision coarsest,
                                struct error *err);
/* weight: [out, in, size, size] float32; size is 1 or 3, anything else STATUS_INVALID.
 * STATUS_NO_MEMORY. */
enum status compute_pack_conv(struct compute *c, struct conv **out, const float *weight,
                              const float *bias, int64_t out_channels, int64_t in_channels,
                              int size, struct error *err);
enum status compute_pack_vector(struct compute *c, struct vector **out, const float *data,
                                int64_t n, struct error *err);
void linear_destroy(struct linear *l); /* NULL is fine, for all three */
void conv_destroy(struct conv *v);
void vector_destroy(struct vector *v);
int64_t linear_out_features(const struct linear *l);
int64_t linear_in_features(const struct linear *l);
/* Of everything packed into the device's own memory so far and not destroyed. */
uint64_t compute_weight_bytes(const struct compute *c);

/* ---- workspaces ---- */

/* A dry workspace computes nothing and counts.  It checks, too: operations on shapes that do not
 * belong together, and sizes that no machine has, are told by workspace_check. */
enum status workspace_create_dry(struct workspace **out, struct compute *c, struct error *err);
/* One of `bytes`, as a dry run over the same work has told (workspace_peak).  STATUS_NO_MEMORY
 * when the device's memory limit leaves less, or so much is not free: it is looked up first
 * (base/memory.h) and touched here, since a system that promises more than it has kills the
 * process later.  `cancelled` may be NULL; it is
 * asked by workspace_check. */
enum status workspace_create(struct workspace **out, struct compute *c, size_t bytes,
                             bool (*cancelled)(void *arg), void *arg, struct error *err);
/* A part of another workspace, of `bytes`, that one more thread may use; dry if that one is. It
 * lives until it is destroyed, which comes before its memory is released there.  Errors as
 * workspace_check, and STATUS_NO_MEMORY. */
enum status workspace_create_part(struct workspace **out, struct workspace *of, size_t bytes,
                                  struct error *err);
void workspace_destroy(struct workspace *w); /* NULL is fine */
size_t workspace_peak(const struct workspace *w);
/* The most that was in use at a time since this was last asked, or from the beginning. */
size_t workspace_recent_peak(struct workspace *w);
bool workspace_is_dry(const struct workspace *w);

/* STATUS_CANCELLED once the edit was cancelled; STATUS_NO_MEMORY once more memory was asked for
 * than can be; STATUS_INTERNAL once an operation's tensors did not fit together or took more
 * than the workspace has, or the device failed; else STATUS_OK.  After such an error operations
 * do nothing, and tensor_take gives NULL data.  Networks ask between blocks. */
enum status workspace_check(struct workspace *w, struct error *err);

enum operation {
    OPERATION_LINEAR,
    OPERATION_ATTENTION,
    OPERATION_CONV,
    OPERATION_NORM,
    OPERATION_ROTARY,
    OPERATION_ELEMENTWISE,
    OPERATIONS
};

struct operation_cost {
    double seconds; /* none in a dry workspace */
    double flops;   /* of products: two for each multiplication */
    double bytes;   /* of tensors and weights, each read or written once */
};

/* What each kind of operation has cost so far, dry or not: OPERATIONS of them. */
const struct operation_cost *workspace_costs(const struct workspace *w);
double workspace_flops(const struct workspace *w); /* of all kinds */

/* Memory is a stack: what was taken after a mark goes with it. */
size_t workspace_mark(const struct workspace *w);
void workspace_release(struct workspace *w, size_t mark);

/* As compute_pack_linear and compute_pack_vector, but into the workspace's memory: for weights that
 * are packed whenever their turn comes.  Destroyed before that memory is released.  In a dry
 * workspace they have a size and no numbers, as on a plan-only device.  Errors as there, or what
 * workspace_check says. */
enum status workspace_pack_linear(struct workspace *w, struct linear **out,
                                  const struct matrix *parts, size_t count, const float *bias,
                                  enum precision coarsest, struct error *err);
enum status workspace_pack_vector(struct workspace *w, struct vector **out, const float *data,
                                  int64_t n, struct error *err);

/* ---- tensors ---- */

struct tensor {
    float *data; /* in the device's memory; NULL in a dry workspace */
    int64_t rows, cols;
    int64_t stride; /* numbers from one row to the next */
};

/* A picture of features: rows are its pixels, from the top left, row after row. */
struct feature_map {
    struct tensor t;
    int64_t height, width;
};

struct tensor tensor_take(struct workspace *w, int64_t rows, int64_t cols); /* contents undefined */
struct feature_map feature_map_take(struct workspace *w, int64_t height, int64_t width,
                                    int64_t channels);
struct tensor tensor_rows(struct tensor t, int64_t from,
                          int64_t count); /* views: they share t's memory */
struct tensor tensor_cols(struct tensor t, int64_t from, int64_t count);

/* Between the device and the host's packed [rows, cols] numbers. */
void tensor_upload(struct workspace *w, struct tensor out, const float *in);
void tensor_download(struct workspace *w, float *out, struct tensor in);

/* ---- operations: out may be the same tensor as in where a line says so ---- */

enum activation { ACTIVATION_NONE, ACTIVATION_SILU, ACTIVATION_GELU, ACTIVATION_GELU_TANH };

struct epilogue {
    enum activation activation;
    const float *gate;             /* [out features] in the device's memory, or NULL for ones */
    const struct tensor *residual; /* of out's shape, or NULL; may be out itself */
};

/* out = residual + gate * activation(in W^T + bias).  e may be NULL. */
void op_linear(struct workspace *w, struct tensor out, struct tensor in, const struct linear *l,
               const struct epilogue *e);

/* out = x / sqrt(mean(x^2) + eps) * weight, per row.  out may be in. */
void op_rms_norm(struct workspace *w, struct tensor out, struct tensor in,
                 const struct vector *weight, float eps);

/* out = (x - mean) / sqrt(variance + eps) * (1 + scale) + shift, per row; scale and shift are
 * [cols] in the device's memory.  out may be in. */
void op_layer_norm_modulate(struct workspace *w, struct tensor out, struct tensor in,
                            const float *scale, const float *shift, float eps);

/* out = x / max(|x|, 1e-12) * sqrt(cols) * gamma, then SiLU if asked: the VAE's norm.  out may
 * be in. Source: diffusers, QwenImageRMS_norm (torch's F.normalize). */
void op_channel_norm(struct workspace *w, struct tensor out, struct tensor in,
                     const struct vector *gamma, bool silu);

void op_copy(struct workspace *w, struct tensor out, struct tensor in);
void op_silu(struct workspace *w, struct tensor out, struct tensor in); /* out may be in */
void op_silu_mul(struct workspace *w, struct tensor out, struct tensor gate,
                 struct tensor up); /* silu(gate) * up */

enum rotary_pairs {
    ROTARY_INTERLEAVED, /* features 2i and 2i+1 turn together (QwenImage) */
    ROTARY_HALVES,      /* features i and i + head_dim/2 (Qwen2.5-VL) */
};

/* x: [rows, heads * head_dim], in place: first an RMS norm over each head with `norm`
 * ([head_dim]; NULL for none), then each pair i of row r turns by the angle whose cosine and
 * sine are at angles[r][i] and angles[r][head_dim/2 + i]. angles: [rows, head_dim]. */
void op_norm_rotary(struct workspace *w, struct tensor x, int64_t head_dim,
                    const struct vector *norm, float eps, struct tensor angles,
                    enum rotary_pairs pairs);

struct attention {
    int64_t heads, kv_heads, head_dim; /* heads is a multiple of kv_heads: grouped queries */
    float scale;
    bool causal; /* query i sees keys 0 .. i + (keys - queries) */
    /* NULL, or segment_count + 1 ascending row numbers from 0 to rows: each segment sees only
     * itself. Not together with causal. */
    const int32_t *segments;
    size_t segment_count;
    /* With PRECISION_INT8, scores come from q and k in 8 bits, each row of a head by a scale of its
     * own. */
    bool int8;
};

/* out[i] = softmax(q[i] k^T * scale) v, per head.  q, out: [queries, heads * head_dim]; k, v:
 * [keys, kv_heads * head_dim]. out may be q. */
void op_attention(struct workspace *w, struct tensor out, struct tensor q, struct tensor k,
                  struct tensor v, const struct attention *a);

struct conv_options {
    int stride; /* 1 or 2 */
    /* Zeros before the first row and column; after the last, all needed.  -n: so many rows of the
     * input (with upsample, of what it becomes) are left out. */
    int pad_top, pad_left;
    /* Read the input as if every pixel were a 2x2 block (nearest): size 3, stride 1, pad_left 1,
     * pad_top 1 or -1. */
    bool upsample;
    const struct tensor *residual; /* added to the result, or NULL; may be out itself */
};

/* out's height and width say how much is computed.  A 3x3 kernel with stride 1 works in tiles of
 * CONV_TILE x CONV_TILE pixels, counted from out's corner, and a sum's last bits depend on its
 * place in the tile: who computes a map in bands starts each at a multiple of CONV_TILE rows. */
enum { CONV_TILE = 4 };
void op_conv(struct workspace *w, struct feature_map out, struct feature_map in,
             const struct conv *v, const struct conv_options *o);

#endif
