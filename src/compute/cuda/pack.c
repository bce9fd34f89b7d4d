/*
 * Weights as the kernels read them: rows as they are stored, each beginning at a multiple of 16
 * bytes, in the type of their products.  bfloat16 weights of float32 products stay as they are and
 * are widened for each product.
 *
 * For 8-bit products a row is rounded as the CPU does it (cpu/pack.c), so that whole sums are equal:
 * its largest magnitude becomes 127.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compute/cuda/cuda.h"

enum { STEP = 256, INT8_MAX_DEPTH = 65536, LARGEST = 127, SPLIT_DEPTH = 16, SPLIT_MIN = 8 };

/* ---- matrices ---- */

struct packing {
    const struct matrix *parts;
    size_t count;
    const struct cuda_linear *linear;
};

static size_t type_bytes(const struct cuda_linear *l) {
    return l->product == PRODUCT_INT8 ? 1 : dtype_bytes(l->stored, 1);
}

/* The one of the stacked matrices that has their row *r, which becomes its own. */
static const struct matrix *part_of(const struct packing *p, int64_t *r) {
    const struct matrix *m = p->parts;
    while (*r >= m->rows) *r -= m++->rows;
    return m;
}

static const char *place_of(const struct matrix *m, int64_t row, int64_t column) {
    return (const char *)m->data + dtype_bytes(m->dtype, (size_t)(row * m->cols + column));
}

static void read_floats(float *out, const struct matrix *m, int64_t row, int64_t column,
                        int64_t n) {
    floats_from(out, place_of(m, row, column), m->dtype, (size_t)n);
    floats_scale(out, &m->scales, (size_t)m->cols, (size_t)(row * m->cols + column), (size_t)n);
}

/* Whether the elements are of that type as they lie there. */
static bool is_plain(const struct matrix *m, enum dtype type) {
    return m->dtype == type && !m->scales.data;
}

static int64_t step_to(int64_t at, int64_t end) {
    return end - at < STEP ? end - at : STEP;
}

/* The largest magnitude of a row, in 127 steps; no number if one of the row is not finite. */
static float scale_of(const struct matrix *m, int64_t row) {
    float floats[STEP], largest = 0;
    for (int64_t at = 0; at < m->cols; at += STEP) {
        int64_t n = step_to(at, m->cols);
        read_floats(floats, m, row, at, n);
        for (int64_t i = 0; i < n; i++) {
            if (!isfinite(floats[i])) return NAN;
            if (fabsf(floats[i]) > largest) largest = fabsf(floats[i]);
        }
    }
    return largest / (float)LARGEST;
}

static void write_int8(int8_t *out, const struct matrix *m, int64_t row, int64_t from, int64_t n) {
    float floats[STEP], scale = scale_of(m, row);
    float factor = scale > 1e-36f ? 1.0f / scale : 0.0f; /* false of NaN, too */
    for (int64_t at = 0; at < n; at += STEP) {
        int64_t count = step_to(at, n);
        read_floats(floats, m, row, from + at, count);
        for (int64_t i = 0; i < count; i++)
            out[at + i] = (int8_t)(factor > 0 ? lrintf(floats[i] * factor) : 0);
    }
}

static void write_bf16(uint16_t *out, const struct matrix *m, int64_t row, int64_t from,
                       int64_t n) {
    float floats[STEP];
    for (int64_t at = 0; at < n; at += STEP) {
        int64_t count = step_to(at, n);
        read_floats(floats, m, row, from + at, count);
        for (int64_t i = 0; i < count; i++) out[at + i] = bf16_from_float(floats[i]);
    }
}

static void write_weights(const void *arg, void *to, int64_t row, size_t from, size_t bytes) {
    const struct packing *p = arg;
    const struct cuda_linear *l = p->linear;
    const struct matrix *m = part_of(p, &row);
    int64_t at = (int64_t)(from / type_bytes(l)), n = (int64_t)(bytes / type_bytes(l));
    if (l->product == PRODUCT_INT8)
        write_int8(to, m, row, at, n);
    else if (is_plain(m, l->stored))
        memcpy(to, place_of(m, row, at), bytes);
    else if (l->stored == DTYPE_BF16)
        write_bf16(to, m, row, at, n);
    else
        read_floats(to, m, row, at, n);
}

static void write_scale(const void *arg, void *to, int64_t row, size_t from, size_t bytes) {
    const struct packing *p = arg;
    (void)from;
    (void)bytes;
    const struct matrix *m = part_of(p, &row);
    *(float *)to = scale_of(m, row);
}

/* Reports of every part those of its rows that are among [first, first + rows). */
static void report_packed(const void *arg, int64_t first, int64_t rows) {
    const struct packing *p = arg;
    for (size_t i = 0; i < p->count; first -= p->parts[i++].rows) {
        const struct matrix *m = &p->parts[i];
        int64_t from = first > 0 ? first : 0, to = first + rows < m->rows ? first + rows : m->rows;
        if (m->packed && from < to)
            m->packed(m->packed_arg, place_of(m, from, 0),
                      dtype_bytes(m->dtype, (size_t)((to - from) * m->cols)));
    }
}

static void write_zeros(const void *arg, void *to, int64_t row, size_t from, size_t bytes) {
    (void)arg;
    (void)row;
    (void)from;
    memset(to, 0, bytes);
}

static void send_bias(struct workspace *w, uint64_t to, const float *bias, int64_t n) {
    size_t bytes = (size_t)n * sizeof *bias;
    if (bias)
        cuda_send_bytes(w, to, bias, bytes);
    else
        cuda_send(w, (struct span){to, 1, bytes, bytes}, (struct source){.write = write_zeros});
}

/* What its products are of, and what its weights are stored as. */
static void choose(struct cuda_linear *l, const struct compute *c, const struct matrix *parts,
                   size_t count, unsigned bears) {
    bool bf16 = true;
    for (size_t i = 0; i < count; i++) bf16 = bf16 && is_plain(&parts[i], DTYPE_BF16);
    unsigned may = bears & c->precisions;
    l->product = may & PRECISION_INT8 && parts[0].cols <= INT8_MAX_DEPTH ? PRODUCT_INT8
                 : may & PRECISION_BFLOAT16                              ? PRODUCT_BF16
                                                                         : PRODUCT_F32;
    l->stored = l->product == PRODUCT_F32 && !bf16 ? DTYPE_F32 : DTYPE_BF16;
}

/* Where everything lies when it begins at `address`. */
static void lay_out(struct cuda_linear *l, uint64_t address) {
    const int64_t piece = (int64_t)l->base.compute->alignment.piece;
    const int64_t out = l->base.out_features, size = (int64_t)type_bytes(l);
    l->stride = round_to(l->base.in_features, 16 / size);
    int64_t floats = round_to(out * (int64_t)sizeof(float), piece);
    l->weights = address;
    l->bias = l->weights + (uint64_t)round_to(out * l->stride * size, piece);
    l->scales = l->bias + (uint64_t)floats;
    l->taken = l->scales - address + (size_t)(l->product == PRODUCT_INT8 ? floats : 0);
    l->base.bytes = l->taken;
}

static void send_linear(struct workspace *w, const struct packing *p, const float *bias) {
    const struct cuda_linear *l = p->linear;
    const int64_t rows = l->base.out_features;
    const size_t size = type_bytes(l);
    send_bias(w, l->bias, bias, rows);
    if (l->product == PRODUCT_INT8)
        cuda_send(w, (struct span){l->scales, rows, sizeof(float), sizeof(float)},
                  (struct source){.write = write_scale, .arg = p});
    cuda_send(w,
              (struct span){l->weights, rows, (size_t)l->base.in_features * size,
                            (size_t)l->stride * size},
              (struct source){.write = write_weights, .done = report_packed, .arg = p});
}

enum status cuda_pack_linear(struct compute *c, struct workspace *into, struct linear **out,
                             const struct matrix *parts, size_t count, const float *bias,
                             unsigned bears, struct error *err) {
    *out = NULL;
    struct cuda_linear *l = calloc(1, sizeof *l);
    if (!l) return fail(err, STATUS_NO_MEMORY, "no memory for a layer");
    l->base.compute = c;
    l->base.in_features = parts[0].cols;
    l->base.in_workspace = into != NULL;
    for (size_t i = 0; i < count; i++) l->base.out_features += parts[i].rows;
    choose(l, c, parts, count, bears);
    lay_out(l, 0);
    uint64_t address = into ? workspace_take(into, l->taken) : weight_memory_take(c, l->taken);
    bool dry = c->plan_only || (into && into->dry);
    if (!dry && !address) {
        enum status s =
            fail(err, STATUS_NO_MEMORY, "no memory for a layer's %zu bytes of weights", l->taken);
        free(l);
        return s;
    }
    lay_out(l, address);
    struct workspace own = {.compute = c}, *w = into ? into : &own;
    struct packing p = {parts, count, l};
    if (!dry) send_linear(w, &p, bias);
    enum status s = workspace_check(w, err);
    if (s == STATUS_OK)
        *out = &l->base;
    else
        cuda_linear_destroy(&l->base);
    return s;
}

void cuda_linear_destroy(struct linear *base) {
    struct cuda_linear *l = (struct cuda_linear *)base;
    if (!base->in_workspace) weight_memory_give(base->compute, l->weights, l->taken);
    free(l);
}

/* ---- convolutions ---- */

struct conv_packing {
    const struct cuda_conv *conv;
    const float *weight; /* [out][in][taps] */
};

/* A row is one output channel of a tap: first the high parts of all, then the low ones. */
static void write_split(const void *arg, void *to, int64_t row, size_t from, size_t bytes) {
    const struct conv_packing *p = arg;
    const struct conv *v = &p->conv->base;
    int64_t taps = (int64_t)v->size * v->size, rows = taps * v->out_channels;
    bool low = row >= rows;
    row %= rows;
    int64_t tap = row / v->out_channels, channel = row % v->out_channels;
    int64_t first = (int64_t)(from / sizeof(uint16_t)), n = (int64_t)(bytes / sizeof(uint16_t));
    uint16_t *out = to;
    for (int64_t i = first; i < first + n; i++) {
        float x =
            i < v->in_channels ? p->weight[(channel * v->in_channels + i) * taps + tap] : 0.0f;
        uint16_t high = bf16_from_float(x);
        *out++ = low ? bf16_from_float(x - float_from_bf16(high)) : high;
    }
}

/* A row is one input channel of a tap. */
static void write_taps(const void *arg, void *to, int64_t row, size_t from, size_t bytes) {
    const struct conv_packing *p = arg;
    const struct conv *v = &p->conv->base;
    int64_t taps = (int64_t)v->size * v->size, tap = row / v->in_channels,
            channel = row % v->in_channels;
    int64_t first = (int64_t)(from / sizeof(float)), n = (int64_t)(bytes / sizeof(float));
    float *out = to;
    for (int64_t o = first; o < first + n; o++)
        *out++ = p->weight[(o * v->in_channels + channel) * taps + tap];
}

static struct span conv_span(const struct cuda_conv *v) {
    int64_t taps = (int64_t)v->base.size * v->base.size;
    size_t width = v->split ? (size_t)v->depth * sizeof(uint16_t)
                            : (size_t)v->base.out_channels * sizeof(float);
    int64_t rows = v->split ? 2 * taps * v->base.out_channels : taps * v->base.in_channels;
    return (struct span){v->weights, rows, width, width};
}

enum status cuda_pack_conv(struct compute *c, struct conv **out, const float *weight,
                           const float *bias, int64_t out_channels, int64_t in_channels, int size,
                           unsigned bears, struct error *err) {
    (void)bears; /* what conv_split leaves out of a float32 product is below 2^-16 of it */
    *out = NULL;
    struct cuda_conv *v = calloc(1, sizeof *v);
    if (!v) return fail(err, STATUS_NO_MEMORY, "no memory for a convolution");
    v->base = (struct conv){c, out_channels, in_channels, size, 0};
    v->split = in_channels >= SPLIT_MIN;
    v->depth = round_to(in_channels, SPLIT_DEPTH);
    struct span span = conv_span(v);
    size_t bytes = (size_t)round_to(span.rows * (int64_t)span.width, (int64_t)c->alignment.piece);
    v->taken = bytes + (size_t)out_channels * sizeof(float);
    v->base.bytes = v->taken;
    v->weights = weight_memory_take(c, v->taken);
    if (!c->plan_only && !v->weights) {
        enum status s = fail(err, STATUS_NO_MEMORY,
                             "no memory for a convolution's %zu bytes of weights", v->taken);
        free(v);
        return s;
    }
    v->bias = v->weights + bytes;
    struct workspace own = {.compute = c};
    struct conv_packing p = {v, weight};
    if (!c->plan_only) {
        send_bias(&own, v->bias, bias, out_channels);
        cuda_send(&own, conv_span(v),
                  (struct source){.write = v->split ? write_split : write_taps, .arg = &p});
    }
    enum status s = workspace_check(&own, err);
    if (s == STATUS_OK)
        *out = &v->base;
    else
        cuda_conv_destroy(&v->base);
    return s;
}

void cuda_conv_destroy(struct conv *base) {
    struct cuda_conv *v = (struct cuda_conv *)base;
    weight_memory_give(base->compute, v->weights, v->taken);
    free(v);
}
