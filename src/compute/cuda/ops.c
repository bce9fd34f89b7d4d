/*
 * Each operation: choose a kernel, bring its operands into the form that it reads, and ask for it.
 *
 * Scratch is handed out in the order in which an operation takes it; with no memory behind it the
 * same code counts (struct supply).
 */
#include "compute/cuda/cuda.h"

enum { SMALL_ROWS = 32, WIDE_HEAD = 128, MOST_HEAD = 512 };

static const float LOG2_E = 1.44269504088896341f;

static bool is_bf16(struct tensor t) {
    return t.type == DTYPE_BF16;
}

/* ---- scratch ---- */

/* What is left of an operation's scratch, or counts from 0 how much it will be. */
struct supply {
    uint64_t next;
    size_t piece;
};

static struct supply supply_from(const struct compute *c, uint64_t address) {
    return (struct supply){address, c->alignment.piece};
}

static uint64_t take(struct supply *s, int64_t bytes) {
    uint64_t address = s->next;
    s->next += (uint64_t)round_to(bytes, (int64_t)s->piece);
    return address;
}

/* An operation whose scratch was planned for less than it takes must not begin. */
static bool suffices(struct workspace *w, struct tensor scratch, uint64_t end) {
    bool enough = end <= scratch.address + (uint64_t)scratch.cols * sizeof(float);
    if (!enough) workspace_fail(w, STATUS_INTERNAL, "an operation's scratch was planned too small");
    return enough;
}

/* A tensor of that shape whose rows begin at multiples of 16 bytes. */
static struct tensor take_tensor(struct supply *s, int64_t rows, int64_t cols, enum dtype type) {
    int64_t size = (int64_t)dtype_bytes(type, 1), stride = round_to(cols, 16 / size);
    return (struct tensor){take(s, rows * stride * size), rows, cols, stride, type};
}

/* ---- row by row ---- */

static void run_rows(struct workspace *w, enum cuda_kernel kernel, struct tensor out,
                     struct tensor a, struct tensor b) {
    struct rows_args args = {.a = cuda_at(a.address),
                             .b = cuda_at(b.address),
                             .out = cuda_at(out.address),
                             .a_stride = a.stride,
                             .b_stride = b.stride,
                             .out_stride = out.stride,
                             .rows = (int32_t)out.rows,
                             .cols = (int32_t)out.cols,
                             .a_bf16 = is_bf16(a),
                             .b_bf16 = is_bf16(b),
                             .out_bf16 = is_bf16(out)};
    cuda_launch(w, kernel, by_columns(out.rows, out.cols), &args);
}

void cuda_copy(struct workspace *w, struct tensor out, struct tensor in) {
    run_rows(w, KERNEL_copy, out, in, in);
}

void cuda_silu(struct workspace *w, struct tensor out, struct tensor in) {
    run_rows(w, KERNEL_silu_of, out, in, in);
}

void cuda_silu_mul(struct workspace *w, struct tensor out, struct tensor gate, struct tensor up) {
    run_rows(w, KERNEL_silu_mul, out, gate, up);
}

size_t cuda_rows_scratch(struct compute *c, struct tensor out) {
    (void)c;
    return (size_t)out.rows * sizeof(int32_t);
}

void cuda_rows(struct workspace *w, struct tensor scratch, struct tensor out, struct tensor in,
               const int32_t *rows) {
    cuda_send_bytes(w, scratch.address, rows, (size_t)out.rows * sizeof *rows);
    struct numbered_args args = {.in = cuda_at(in.address),
                                 .out = cuda_at(out.address),
                                 .ids = cuda_at(scratch.address),
                                 .in_stride = in.stride,
                                 .out_stride = out.stride,
                                 .rows = (int32_t)out.rows,
                                 .cols = (int32_t)out.cols,
                                 .bf16 = is_bf16(in)};
    cuda_launch(w, KERNEL_rows, by_columns(out.rows, out.cols), &args);
}

static void run_norm(struct workspace *w, enum cuda_kernel kernel, int64_t blocks,
                     struct norm_args args, struct tensor out, struct tensor in) {
    args.in = cuda_at(in.address);
    args.out = cuda_at(out.address);
    args.in_stride = in.stride;
    args.out_stride = out.stride;
    args.rows = (int32_t)in.rows;
    args.cols = (int32_t)in.cols;
    args.out_bf16 = is_bf16(out);
    cuda_launch(w, kernel, (struct grid){blocks, 1, 0}, &args);
}

void cuda_rms_norm(struct workspace *w, struct tensor out, struct tensor in, struct tensor weight,
                   float eps) {
    struct norm_args args = {.weight = cuda_at(weight.address), .eps = eps};
    run_norm(w, KERNEL_rms_norm, in.rows, args, out, in);
}

void cuda_layer_norm_modulate(struct workspace *w, struct tensor out, struct tensor in,
                              struct tensor scale, struct tensor shift, float eps) {
    struct norm_args args = {
        .weight = cuda_at(scale.address), .shift = cuda_at(shift.address), .eps = eps};
    run_norm(w, KERNEL_layer_norm_modulate, in.rows, args, out, in);
}

void cuda_channel_norm(struct workspace *w, struct tensor out, struct tensor in,
                       struct tensor gamma, bool silu) {
    struct norm_args args = {.weight = cuda_at(gamma.address), .silu = silu};
    run_norm(w, KERNEL_channel_norm, tiles_of(in.rows, 8), args, out, in);
}

void cuda_norm_rotary(struct workspace *w, struct tensor x, int64_t head_dim,
                      const struct tensor *norm, float eps, struct tensor angles,
                      enum rotary_pairs pairs) {
    int64_t heads = x.cols / head_dim;
    struct rotary_args args = {.x = cuda_at(x.address),
                               .norm = norm ? cuda_at(norm->address) : NULL,
                               .angles = cuda_at(angles.address),
                               .stride = x.stride,
                               .angle_stride = angles.stride,
                               .rows = (int32_t)x.rows,
                               .heads = (int32_t)heads,
                               .head_dim = (int32_t)head_dim,
                               .halves = pairs == ROTARY_HALVES,
                               .bf16 = is_bf16(x),
                               .eps = eps};
    cuda_launch(w, KERNEL_norm_rotary, (struct grid){tiles_of(x.rows * heads, 8), 1, 0}, &args);
}

/* ---- products ---- */

/* Whether 16 bytes can be copied at a time. */
static bool is_aligned(struct tensor t) {
    return t.address % 16 == 0 && t.stride * (int64_t)dtype_bytes(t.type, 1) % 16 == 0;
}

/* What a product reads, and the copies that have to be made for it first. */
struct operands {
    struct tensor a, weights;
    uint64_t scales; /* of 8-bit rows */
    uint64_t end;    /* of the scratch */
};

static struct operands operands_of(const struct cuda_linear *l, struct tensor in, struct supply s) {
    const int64_t rows = l->base.out_features, cols = l->base.in_features;
    struct operands o = {in, {l->weights, rows, cols, l->stride, l->stored}, 0, 0};
    enum dtype wanted = l->product == PRODUCT_BF16 ? DTYPE_BF16 : DTYPE_F32;
    if (l->product == PRODUCT_INT8) {
        o.a = (struct tensor){take(&s, in.rows * l->stride), in.rows, cols, l->stride, DTYPE_F32};
        o.scales = take(&s, in.rows * (int64_t)sizeof(float));
    } else if (in.type != wanted || (l->product == PRODUCT_BF16 && !is_aligned(in))) {
        o.a = take_tensor(&s, in.rows, cols, wanted);
    }
    if (l->product == PRODUCT_F32 && l->stored != DTYPE_F32)
        o.weights = take_tensor(&s, rows, cols, DTYPE_F32);
    o.end = s.next;
    return o;
}

/* Scratch begins at a multiple of alignment.piece, in dry runs as in real ones. */
size_t cuda_linear_scratch(struct compute *c, struct tensor out, struct tensor in,
                           const struct linear *l) {
    (void)out;
    return operands_of((const struct cuda_linear *)l, in, supply_from(c, 0)).end;
}

static enum cuda_kernel gemm_for(const struct cuda_linear *l, struct tensor out,
                                 struct grid *grid) {
    enum cuda_kernel kernel = l->product == PRODUCT_F32    ? KERNEL_gemm_f32
                              : l->product == PRODUCT_INT8 ? KERNEL_gemm_int8
                              : out.rows <= SMALL_ROWS     ? KERNEL_gemm_bf16_small
                                                           : KERNEL_gemm_bf16;
    int64_t rows = kernel == KERNEL_gemm_f32 ? 64 : kernel == KERNEL_gemm_bf16_small ? 32 : 128;
    int64_t cols = kernel == KERNEL_gemm_f32 || kernel == KERNEL_gemm_bf16_small ? 64 : 128;
    *grid = (struct grid){tiles_of(out.rows, rows) * tiles_of(out.cols, cols), 1, 0};
    return kernel;
}

static void prepare(struct workspace *w, const struct cuda_linear *l, const struct operands *o,
                    struct tensor in) {
    if (o->weights.address != l->weights) {
        const struct tensor stored = {l->weights, o->weights.rows, o->weights.cols, l->stride,
                                      l->stored};
        cuda_copy(w, o->weights, stored);
    }
    if (l->product == PRODUCT_INT8) {
        struct round_args args = {.in = cuda_at(in.address),
                                  .out = cuda_at(o->a.address),
                                  .scales = cuda_at(o->scales),
                                  .in_stride = in.stride,
                                  .out_stride = o->a.stride,
                                  .rows = (int32_t)in.rows,
                                  .cols = (int32_t)in.cols,
                                  .in_bf16 = is_bf16(in)};
        cuda_launch(w, KERNEL_round_rows, (struct grid){in.rows, 1, 0}, &args);
    } else if (o->a.address != in.address) {
        cuda_copy(w, o->a, in);
    }
}

void cuda_linear(struct workspace *w, struct tensor scratch, struct tensor out, struct tensor in,
                 const struct linear *base, const struct epilogue *e) {
    static const int32_t activations[] = {[ACTIVATION_NONE] = ACT_NONE,
                                          [ACTIVATION_SILU] = ACT_SILU,
                                          [ACTIVATION_GELU] = ACT_GELU,
                                          [ACTIVATION_GELU_TANH] = ACT_GELU_TANH};
    const struct cuda_linear *l = (const struct cuda_linear *)base;
    struct operands o = operands_of(l, in, supply_from(w->compute, scratch.address));
    if (!suffices(w, scratch, o.end)) return;
    prepare(w, l, &o, in);
    struct gemm_args args = {
        .a = cuda_at(o.a.address),
        .b = cuda_at(o.weights.address),
        .out = cuda_at(out.address),
        .bias = cuda_at(l->bias),
        .gate = e->gate ? cuda_at(e->gate->address) : NULL,
        .residual = e->residual ? cuda_at(e->residual->address) : NULL,
        .row_scales = l->product == PRODUCT_INT8 ? cuda_at(o.scales) : NULL,
        .col_scales = l->product == PRODUCT_INT8 ? cuda_at(l->scales) : NULL,
        .a_stride = o.a.stride,
        .b_stride = o.weights.stride,
        .out_stride = out.stride,
        .residual_stride = e->residual ? e->residual->stride : 0,
        .rows = (int32_t)out.rows,
        .cols = (int32_t)out.cols,
        .depth = (int32_t)in.cols,
        .activation = activations[e->activation],
        .out_bf16 = is_bf16(out),
    };
    struct grid grid;
    enum cuda_kernel kernel = gemm_for(l, out, &grid);
    cuda_launch(w, kernel, grid, &args);
}

/* ---- attention ---- */

/* The kernel for bfloat16 heads of that size; KERNEL_COUNT: there is none. */
static enum cuda_kernel quick_attention(int64_t head_dim) {
    switch (head_dim) {
    case 128: return KERNEL_attention_128;
    case 80: return KERNEL_attention_80;
    case 64: return KERNEL_attention_64;
    default: return KERNEL_COUNT;
    }
}

struct attending {
    struct tensor q, k, v; /* as the kernel reads them */
    struct tensor out;     /* as it writes them: float32 when it reads that */
    uint64_t segments, end;
    enum cuda_kernel kernel;
    size_t shared;
};

static struct attending attending_of(struct tensor out, struct tensor q, struct tensor k,
                                     struct tensor v, const struct attention *a, struct supply s) {
    const int64_t d = a->head_dim;
    enum cuda_kernel quick = quick_attention(d);
    struct attending t = {.q = q, .k = k, .v = v, .out = out};
    if (a->segments) t.segments = take(&s, (int64_t)((a->segment_count + 1) * sizeof(int32_t)));
    if (is_bf16(q) && quick != KERNEL_COUNT && is_aligned(q) && is_aligned(k) && is_aligned(v)) {
        t.kernel = quick;
        t.shared = (size_t)(4 * 64 * (2 * d + 16));
        if (!is_bf16(out)) t.out = take_tensor(&s, q.rows, q.cols, DTYPE_BF16);
        t.end = s.next;
        return t;
    }
    t.kernel = d <= WIDE_HEAD ? KERNEL_attention_f32 : KERNEL_attention_f32_wide;
    t.shared = (size_t)(32 * (d + 1)) * sizeof(float);
    if (is_bf16(q)) {
        t.q = take_tensor(&s, q.rows, q.cols, DTYPE_F32);
        t.k = take_tensor(&s, k.rows, k.cols, DTYPE_F32);
        t.v = take_tensor(&s, k.rows, k.cols, DTYPE_F32);
    }
    if (is_bf16(out)) t.out = take_tensor(&s, q.rows, q.cols, DTYPE_F32);
    t.end = s.next;
    return t;
}

/* The result may be of the other type than q is, and its scratch is not asked for: so for the larger
 * of the two. */
size_t cuda_attention_scratch(struct compute *c, struct tensor q, struct tensor k,
                              const struct attention *a) {
    struct tensor as_f32 = q, as_bf16 = q;
    as_f32.type = DTYPE_F32;
    as_bf16.type = DTYPE_BF16;
    uint64_t f32 = attending_of(as_f32, q, k, k, a, supply_from(c, 0)).end;
    uint64_t bf16 = attending_of(as_bf16, q, k, k, a, supply_from(c, 0)).end;
    return f32 > bf16 ? f32 : bf16;
}

void cuda_attention(struct workspace *w, struct tensor scratch, struct tensor out, struct tensor q,
                    struct tensor k, struct tensor v, const struct attention *a) {
    if (a->head_dim > MOST_HEAD) {
        workspace_fail(w, STATUS_INVALID,
                       "the model has attention heads of %lld features, and a "
                       "card can do with at most %d",
                       (long long)a->head_dim, MOST_HEAD);
        return;
    }
    struct attending t = attending_of(out, q, k, v, a, supply_from(w->compute, scratch.address));
    if (!suffices(w, scratch, t.end)) return;
    if (a->segments)
        cuda_send_bytes(w, t.segments, a->segments, (a->segment_count + 1) * sizeof *a->segments);
    if (t.q.address != q.address) {
        cuda_copy(w, t.q, q);
        cuda_copy(w, t.k, k);
        cuda_copy(w, t.v, v);
    }
    struct attention_args args = {
        .q = cuda_at(t.q.address),
        .k = cuda_at(t.k.address),
        .v = cuda_at(t.v.address),
        .out = cuda_at(t.out.address),
        .segments = a->segments ? cuda_at(t.segments) : NULL,
        .q_stride = t.q.stride,
        .k_stride = t.k.stride,
        .v_stride = t.v.stride,
        .out_stride = t.out.stride,
        .queries = (int32_t)q.rows,
        .keys = (int32_t)k.rows,
        .heads = (int32_t)a->heads,
        .kv_heads = (int32_t)a->kv_heads,
        .head_dim = (int32_t)a->head_dim,
        .segment_count = a->segments ? (int32_t)a->segment_count : 0,
        .causal = a->causal,
        .scale = a->scale * LOG2_E,
    };
    bool quick = quick_attention(a->head_dim) == t.kernel;
    cuda_launch(w, t.kernel, (struct grid){tiles_of(q.rows, quick ? 128 : 32), a->heads, t.shared},
                &args);
    if (t.out.address != out.address) cuda_copy(w, out, t.out);
}

/* ---- convolutions ---- */

/* What the kernel reads: `in`, or a copy with aligned rows. */
static struct tensor conv_input(const struct cuda_conv *v, struct tensor in, struct supply *s) {
    return v->split && !is_aligned(in) ? take_tensor(s, in.rows, in.cols, DTYPE_F32) : in;
}

size_t cuda_conv_scratch(struct compute *c, struct feature_map out, struct feature_map in,
                         const struct conv *v, const struct conv_options *o) {
    (void)out;
    (void)o;
    struct supply s = supply_from(c, 0);
    conv_input((const struct cuda_conv *)v, in.t, &s);
    return s.next;
}

void cuda_conv(struct workspace *w, struct tensor scratch, struct feature_map out,
               struct feature_map in, const struct conv *base, const struct conv_options *o) {
    const struct cuda_conv *v = (const struct cuda_conv *)base;
    struct supply s = supply_from(w->compute, scratch.address);
    struct tensor x = conv_input(v, in.t, &s);
    if (!suffices(w, scratch, s.next)) return;
    if (x.address != in.t.address) cuda_copy(w, x, in.t);
    struct conv_args args = {.in = cuda_at(x.address),
                             .weight = cuda_at(v->weights),
                             .out = cuda_at(out.t.address),
                             .bias = cuda_at(v->bias),
                             .residual = o->residual ? cuda_at(o->residual->address) : NULL,
                             .in_stride = x.stride,
                             .out_stride = out.t.stride,
                             .residual_stride = o->residual ? o->residual->stride : 0,
                             .in_height = (int32_t)in.height,
                             .in_width = (int32_t)in.width,
                             .in_channels = (int32_t)base->in_channels,
                             .out_height = (int32_t)out.height,
                             .out_width = (int32_t)out.width,
                             .out_channels = (int32_t)base->out_channels,
                             .size = base->size,
                             .step = o->stride,
                             .pad_top = o->pad_top,
                             .pad_left = o->pad_left,
                             .upsample = o->upsample,
                             .depth = (int32_t)v->depth};
    int64_t pixels = v->split ? 128 : 32, channels = v->split ? 96 : 32;
    cuda_launch(w, v->split ? KERNEL_conv_split : KERNEL_conv_f32,
                (struct grid){tiles_of(out.t.rows, pixels), tiles_of(out.t.cols, channels), 0},
                &args);
}
