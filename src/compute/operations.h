/*
 * operations.h - what the networks are made of.  out may be the same tensor as in where a line says
 * so.
 *
 * Operands (tensor.h) are read by op_linear and op_attention, whose q, k and v have one type, and
 * on the way there by op_copy, op_silu_mul and op_norm_rotary; all else that is read is float32.
 * Written is any type; but op_conv and what stands between the networks (from op_guide to
 * op_to_bytes) is float32's alone, and op_rows keeps the type.
 */
#ifndef COMPUTE_OPERATIONS_H
#define COMPUTE_OPERATIONS_H

#include "compute/tensor.h"

enum activation { ACTIVATION_NONE, ACTIVATION_SILU, ACTIVATION_GELU, ACTIVATION_GELU_TANH };

struct epilogue {
    enum activation activation;
    const struct tensor *gate;     /* a factor, [1, out features], or NULL for ones */
    const struct tensor *residual; /* of out's shape, or NULL; may be out itself */
};

/* out = residual + gate * activation(in W^T + bias).  e may be NULL. */
void op_linear(struct workspace *w, struct tensor out, struct tensor in, const struct linear *l,
               const struct epilogue *e);

/* out = x / sqrt(mean(x^2) + eps) * weight, per row.  out may be in. */
void op_rms_norm(struct workspace *w, struct tensor out, struct tensor in,
                 const struct vector *weight, float eps);

/* out = (x - mean) / sqrt(variance + eps) * (1 + scale) + shift, per row; scale and shift are
 * factors, [1, cols].  out may be in. */
void op_layer_norm_modulate(struct workspace *w, struct tensor out, struct tensor in,
                            struct tensor scale, struct tensor shift, float eps);

/* out = x / max(|x|, 1e-12) * sqrt(cols) * gamma, then SiLU if asked: the VAE's norm.  out may
 * be in. Source: diffusers, QwenImageRMS_norm (torch's F.normalize). */
void op_channel_norm(struct workspace *w, struct tensor out, struct tensor in,
                     const struct vector *gamma, bool silu);

void op_copy(struct workspace *w, struct tensor out, struct tensor in);
/* Row i of out becomes row rows[i] of in; where that is negative it stays as it is.  out and in
 * share no memory.  rows, on the host, is not read when w is dry. */
void op_rows(struct workspace *w, struct tensor out, struct tensor in, const int32_t *rows);
void op_silu(struct workspace *w, struct tensor out, struct tensor in); /* out may be in */
void op_silu_mul(struct workspace *w, struct tensor out, struct tensor gate,
                 struct tensor up); /* silu(gate) * up */

enum rotary_pairs {
    ROTARY_INTERLEAVED, /* features 2i and 2i+1 turn together (QwenImage) */
    ROTARY_HALVES,      /* features i and i + head_dim/2 (Qwen2.5-VL) */
};

enum { OPERAND_MAX_HEAD = 1024 }; /* head_dim of op_norm_rotary on what is not float32 */

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
    /* A set of precisions (compute.h).  With int8, scores come from q and k in 8 bits, each row of a
     * head by a scale of its own, and the rest from what else is in the set. */
    unsigned bears;
};

/* out[i] = softmax(q[i] k^T * scale) v, per head.  q, out: [queries, heads * head_dim]; k, v:
 * [keys, kv_heads * head_dim]. out may be q. */
void op_attention(struct workspace *w, struct tensor out, struct tensor q, struct tensor k,
                  struct tensor v, const struct attention *a);

/* ---- an edit's steps, and the forms in which its latents travel ---- */

/* True classifier-free guidance, in place: velocity = negative + scale * (velocity - negative), and
 * then each row is given the length that it had.  Lengths are summed in double precision. */
void op_guide(struct workspace *w, struct tensor velocity, struct tensor negative, double scale);

/* latents += dt * velocity */
void op_euler_step(struct workspace *w, struct tensor latents, struct tensor velocity, float dt);

/* flag, [1, 1], becomes 0 if an element of `in` is not finite, and else stays as it is. */
void op_all_finite(struct workspace *w, struct tensor flag, struct tensor in);

/* (in - mean) / std and in * std + mean, where mean and std are [1, cols].  out may be in. */
void op_normalise(struct workspace *w, struct tensor out, struct tensor in, struct tensor mean,
                  struct tensor std);
void op_denormalise(struct workspace *w, struct tensor out, struct tensor in, struct tensor mean,
                    struct tensor std);

/* Between a map of latents and tokens [height/2 * width/2, channels * 4]: a token is a 2x2 square,
 * its elements ordered by channel, then row, then column.  Source: diffusers,
 * QwenImageEditPlusPipeline._pack_latents, _unpack_latents. */
void op_pack(struct workspace *w, struct tensor tokens, struct feature_map map);
void op_unpack(struct workspace *w, struct feature_map map, struct tensor tokens);

/* To -1..1; NaN stays.  out may be in. */
void op_clamp(struct workspace *w, struct tensor out, struct tensor in);

/* -1..1 to bytes, rounded as the reference's postprocessing does; what is no number is 0.  out: one
 * row, of four bytes to an element; all elements of `in`, row after row. */
void op_to_bytes(struct workspace *w, struct tensor out, struct tensor in);

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

/* out's height and width say how much is computed.  A device may compute in tiles, counted from
 * out's corner, and a sum's last bits may depend on its place in the tile: who computes a map in
 * bands starts each at a multiple of op_conv_tile rows. */
int64_t op_conv_tile(const struct workspace *w);
void op_conv(struct workspace *w, struct feature_map out, struct feature_map in,
             const struct conv *v, const struct conv_options *o);

#endif
