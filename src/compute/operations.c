/*
 * The step from an operation to the backend's function for it.  Each first checks that its tensors
 * belong together, so that no kernel can read or write past one.  In a dry workspace that step only
 * counts the scratch.
 */
#include "compute/operations.h"

#include "compute/run.h"

/* Whether to go on: not after a failure, nor when the shapes do not `fit`. */
static bool sound(struct workspace *w, bool fit) {
    if (!fit) workspace_fail(w, STATUS_INTERNAL, "a network's tensors do not fit together");
    return w->failed == STATUS_OK;
}

static bool same_shape(struct tensor a, struct tensor b) {
    return a.rows == b.rows && a.cols == b.cols && a.rows >= 0;
}

static bool is_float(struct tensor t) {
    return t.type == DTYPE_F32;
}

static bool same_floats(struct tensor a, struct tensor b) {
    return same_shape(a, b) && is_float(a) && is_float(b);
}

/* One row that stands for every row of a tensor with so many columns. */
static bool is_factor(struct tensor t, int64_t cols) {
    return t.rows == 1 && t.cols == cols && is_float(t);
}

static struct tensor take_scratch(struct workspace *w, size_t bytes) {
    int64_t n = (int64_t)((bytes + sizeof(float) - 1) / sizeof(float));
    return tensor_take(w, 1, n);
}

static struct tensor enter(const struct workspace *w, struct tensor t) {
    return compute_enter(w->compute, t);
}

/* *entered is what it points to when there is a tensor. */
static const struct tensor *enter_any(const struct workspace *w, struct tensor *entered,
                                      const struct tensor *t) {
    if (!t) return NULL;
    *entered = enter(w, *t);
    return entered;
}

static struct feature_map enter_map(const struct workspace *w, struct feature_map m) {
    m.t = enter(w, m.t);
    return m;
}

void op_linear(struct workspace *w, struct tensor out, struct tensor in, const struct linear *l,
               const struct epilogue *e) {
    static const struct epilogue none;
    const struct backend *b = w->compute->backend;
    if (!e) e = &none;
    if (!sound(w, in.cols == l->in_features && out.cols == l->out_features && out.rows == in.rows &&
                      (!e->gate || is_factor(*e->gate, out.cols)) &&
                      (!e->residual || (same_shape(*e->residual, out) && is_float(*e->residual)))))
        return;
    struct tensor gate, residual;
    struct epilogue entered = {.activation = e->activation,
                               .gate = enter_any(w, &gate, e->gate),
                               .residual = enter_any(w, &residual, e->residual)};
    size_t mark = workspace_mark(w);
    struct tensor scratch = take_scratch(w, b->linear_scratch(w->compute, out, in, l));
    RUN(w, linear, 2.0 * (double)in.rows * (double)l->in_features * (double)l->out_features,
        run_bytes(in) + (e->residual ? 2 : 1) * run_bytes(out) + (double)l->bytes,
        enter(w, scratch), enter(w, out), enter(w, in), l, &entered);
    workspace_release(w, mark);
}

void op_rms_norm(struct workspace *w, struct tensor out, struct tensor in,
                 const struct vector *weight, float eps) {
    if (sound(w, same_shape(out, in) && is_float(in) && is_factor(weight->t, in.cols)))
        RUN(w, rms_norm, 0, 2 * run_bytes(in), enter(w, out), enter(w, in), enter(w, weight->t),
            eps);
}

void op_layer_norm_modulate(struct workspace *w, struct tensor out, struct tensor in,
                            struct tensor scale, struct tensor shift, float eps) {
    if (sound(w, same_shape(out, in) && is_float(in) && is_factor(scale, in.cols) &&
                     is_factor(shift, in.cols)))
        RUN(w, layer_norm_modulate, 0, 2 * run_bytes(in), enter(w, out), enter(w, in),
            enter(w, scale), enter(w, shift), eps);
}

void op_channel_norm(struct workspace *w, struct tensor out, struct tensor in,
                     const struct vector *gamma, bool silu) {
    if (sound(w, same_shape(out, in) && is_float(in) && is_factor(gamma->t, in.cols)))
        RUN(w, channel_norm, 0, 2 * run_bytes(in), enter(w, out), enter(w, in), enter(w, gamma->t),
            silu);
}

void op_copy(struct workspace *w, struct tensor out, struct tensor in) {
    if (sound(w, same_shape(out, in)))
        RUN(w, copy, 0, 2 * run_bytes(in), enter(w, out), enter(w, in));
}

void op_rows(struct workspace *w, struct tensor out, struct tensor in, const int32_t *rows) {
    const struct backend *b = w->compute->backend;
    bool fit = out.cols == in.cols && out.rows >= 0 && in.rows >= 0 && out.type == in.type;
    for (int64_t i = 0; fit && !w->dry && i < out.rows; i++) fit = rows[i] < in.rows;
    if (!sound(w, fit)) return;
    size_t mark = workspace_mark(w);
    struct tensor scratch = take_scratch(w, b->rows_scratch(w->compute, out));
    RUN(w, rows, 0, 2 * run_bytes(out), enter(w, scratch), enter(w, out), enter(w, in), rows);
    workspace_release(w, mark);
}

void op_silu(struct workspace *w, struct tensor out, struct tensor in) {
    if (sound(w, same_shape(out, in) && is_float(in)))
        RUN(w, silu, 0, 2 * run_bytes(in), enter(w, out), enter(w, in));
}

void op_silu_mul(struct workspace *w, struct tensor out, struct tensor gate, struct tensor up) {
    if (sound(w, same_shape(out, gate) && same_shape(out, up)))
        RUN(w, silu_mul, 0, 3 * run_bytes(out), enter(w, out), enter(w, gate), enter(w, up));
}

void op_norm_rotary(struct workspace *w, struct tensor x, int64_t head_dim,
                    const struct vector *norm, float eps, struct tensor angles,
                    enum rotary_pairs pairs) {
    struct tensor entered;
    bool fit = head_dim > 0 && head_dim % 2 == 0 && x.cols % head_dim == 0 &&
               (!norm || is_factor(norm->t, head_dim)) && angles.rows >= x.rows &&
               angles.cols >= head_dim && is_float(angles) &&
               (is_float(x) || head_dim <= OPERAND_MAX_HEAD);
    if (sound(w, fit))
        RUN(w, norm_rotary, 0, 2 * run_bytes(x), enter(w, x), head_dim,
            enter_any(w, &entered, norm ? &norm->t : NULL), eps, enter(w, angles), pairs);
}

/* Every query must see at least one key: the softmax of nothing is not a number. */
static bool attention_fits(struct tensor out, struct tensor q, struct tensor k, struct tensor v,
                           const struct attention *a) {
    if (a->heads < 1 || a->kv_heads < 1 || a->head_dim < 1 || a->heads % a->kv_heads != 0)
        return false;
    if (q.cols % a->heads != 0 || q.cols / a->heads != a->head_dim) return false;
    if (k.cols % a->kv_heads != 0 || k.cols / a->kv_heads != a->head_dim) return false;
    if (!same_shape(out, q) || !same_shape(k, v) || q.type != k.type || k.type != v.type ||
        (q.rows > 0 && k.rows < 1))
        return false;
    if (!a->segments) return !a->causal || q.rows <= k.rows;
    for (size_t i = 0; i < a->segment_count; i++)
        if (a->segments[i] > a->segments[i + 1]) return false;
    return !a->causal && q.rows == k.rows && a->segments[0] == 0 &&
           a->segments[a->segment_count] == q.rows;
}

/* Scores and weighted values of the pairs that see each other. */
static double attention_flops(int64_t queries, int64_t keys, const struct attention *a) {
    double pairs = (double)queries * (double)keys;
    if (a->causal) pairs -= (double)queries * (double)(queries - 1) / 2;
    if (a->segments) {
        pairs = 0;
        for (size_t i = 0; i < a->segment_count; i++) {
            double rows = (double)(a->segments[i + 1] - a->segments[i]);
            pairs += rows * rows;
        }
    }
    return 4.0 * pairs * (double)(a->heads * a->head_dim);
}

void op_attention(struct workspace *w, struct tensor out, struct tensor q, struct tensor k,
                  struct tensor v, const struct attention *a) {
    const struct backend *b = w->compute->backend;
    if (!sound(w, attention_fits(out, q, k, v, a))) return;
    size_t mark = workspace_mark(w);
    struct tensor scratch = take_scratch(w, b->attention_scratch(w->compute, q, k, a));
    RUN(w, attention, attention_flops(q.rows, k.rows, a),
        2 * run_bytes(q) + run_bytes(k) + run_bytes(v), enter(w, scratch), enter(w, out),
        enter(w, q), enter(w, k), enter(w, v), a);
    workspace_release(w, mark);
}

int64_t op_conv_tile(const struct workspace *w) {
    return w->compute->conv_tile;
}

static bool conv_fits(struct feature_map out, struct feature_map in, const struct conv *v,
                      const struct conv_options *o) {
    return in.t.cols == v->in_channels && out.t.cols == v->out_channels &&
           in.t.rows == in.height * in.width && out.t.rows == out.height * out.width &&
           (o->stride == 1 || o->stride == 2) &&
           (!o->upsample || (v->size == 3 && o->stride == 1 && o->pad_left == 1 &&
                             (o->pad_top == 1 || o->pad_top == -1))) &&
           (!o->residual || (same_shape(*o->residual, out.t) && is_float(*o->residual))) &&
           is_float(in.t) && is_float(out.t);
}

void op_conv(struct workspace *w, struct feature_map out, struct feature_map in,
             const struct conv *v, const struct conv_options *o) {
    const struct backend *b = w->compute->backend;
    if (!sound(w, conv_fits(out, in, v, o))) return;
    struct tensor residual;
    struct conv_options entered = *o;
    entered.residual = enter_any(w, &residual, o->residual);
    size_t mark = workspace_mark(w);
    struct tensor scratch = take_scratch(w, b->conv_scratch(w->compute, out, in, v, o));
    double taps = (double)v->size * (double)v->size * (double)v->in_channels;
    RUN(w, conv, 2.0 * (double)out.t.rows * taps * (double)v->out_channels,
        run_bytes(in.t) + (o->residual ? 2 : 1) * run_bytes(out.t) + (double)v->bytes,
        enter(w, scratch), enter_map(w, out), enter_map(w, in), v, &entered);
    workspace_release(w, mark);
}

/* ---- an edit's steps ---- */

void op_guide(struct workspace *w, struct tensor velocity, struct tensor negative, double scale) {
    if (sound(w, same_floats(velocity, negative)))
        RUN(w, guide, 0, 3 * run_bytes(velocity), enter(w, velocity), enter(w, negative), scale);
}

void op_euler_step(struct workspace *w, struct tensor latents, struct tensor velocity, float dt) {
    if (sound(w, same_floats(latents, velocity)))
        RUN(w, euler_step, 0, 3 * run_bytes(latents), enter(w, latents), enter(w, velocity), dt);
}

void op_all_finite(struct workspace *w, struct tensor flag, struct tensor in) {
    if (sound(w, is_factor(flag, 1) && in.rows >= 0 && is_float(in)))
        RUN(w, all_finite, 0, run_bytes(in), enter(w, flag), enter(w, in));
}

void op_normalise(struct workspace *w, struct tensor out, struct tensor in, struct tensor mean,
                  struct tensor std) {
    if (sound(w, same_floats(out, in) && is_factor(mean, in.cols) && is_factor(std, in.cols)))
        RUN(w, normalise, 0, 2 * run_bytes(in), enter(w, out), enter(w, in), enter(w, mean),
            enter(w, std));
}

void op_denormalise(struct workspace *w, struct tensor out, struct tensor in, struct tensor mean,
                    struct tensor std) {
    if (sound(w, same_floats(out, in) && is_factor(mean, in.cols) && is_factor(std, in.cols)))
        RUN(w, denormalise, 0, 2 * run_bytes(in), enter(w, out), enter(w, in), enter(w, mean),
            enter(w, std));
}

static bool pack_fits(struct tensor tokens, struct feature_map map) {
    return is_float(tokens) && is_float(map.t) && map.height >= 0 && map.width >= 0 &&
           map.height % 2 == 0 && map.width % 2 == 0 && map.t.rows == map.height * map.width &&
           tokens.rows == map.height / 2 * (map.width / 2) && tokens.cols == 4 * map.t.cols;
}

void op_pack(struct workspace *w, struct tensor tokens, struct feature_map map) {
    if (sound(w, pack_fits(tokens, map)))
        RUN(w, pack, 0, 2 * run_bytes(tokens), enter(w, tokens), enter_map(w, map));
}

void op_unpack(struct workspace *w, struct feature_map map, struct tensor tokens) {
    if (sound(w, pack_fits(tokens, map)))
        RUN(w, unpack, 0, 2 * run_bytes(tokens), enter_map(w, map), enter(w, tokens));
}

void op_clamp(struct workspace *w, struct tensor out, struct tensor in) {
    if (sound(w, same_floats(out, in)))
        RUN(w, clamp, 0, 2 * run_bytes(in), enter(w, out), enter(w, in));
}

void op_to_bytes(struct workspace *w, struct tensor out, struct tensor in) {
    if (sound(w, out.rows == 1 && in.rows >= 0 && is_float(out) && is_float(in) &&
                     in.rows * in.cols == 4 * out.cols))
        RUN(w, to_bytes, 0, run_bytes(in) + run_bytes(out), enter(w, out), enter(w, in));
}
