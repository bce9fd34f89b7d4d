/*
 * Weights into panels: for each group of `cols` output features, their weights for one input
 * feature lie side by side, so that a product reads them as whole vectors, from the first byte to
 * the last.
 *
 * For 8-bit products an output feature's weights are rounded by a scale of their own: the largest
 * magnitude becomes the kernels' int8_max.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compute/cpu/cpu.h"

/* The one of the stacked matrices that has their row *r, which becomes its own; NULL beyond the last
 * one. */
static const struct matrix *part_of(const struct matrix *parts, size_t count, int64_t *r) {
    for (size_t i = 0; i < count; *r -= parts[i++].rows)
        if (*r < parts[i].rows) return &parts[i];
    return NULL;
}

static const char *place_of(const struct matrix *m, int64_t row, int64_t column) {
    return (const char *)m->data + dtype_bytes(m->dtype, (size_t)(row * m->cols + column));
}

void cpu_read_matrix(float *out, const struct matrix *m, int64_t row, int64_t column, int64_t n) {
    floats_from(out, place_of(m, row, column), m->dtype, (size_t)n);
    floats_scale(out, &m->scales, (size_t)m->cols, (size_t)(row * m->cols + column), (size_t)n);
}

/* Whether the elements are bfloat16 as they lie there. */
static bool is_bf16(const struct matrix *m) {
    return m->dtype == DTYPE_BF16 && !m->scales.data;
}

enum { CACHE_LINE = 64 };

struct packing {
    const struct matrix *parts;
    size_t count;
    struct cpu_linear_weights *linear;
    const struct kernels *kernels;
    int cols;
};

/* How each kind of product wants its weights. */
static const struct {
    int64_t group; /* elements of one feature that lie side by side */
    size_t bytes;  /* of an element */
} KINDS[] = {
    [PRODUCT_F32] = {1, sizeof(float)},
    [PRODUCT_BF16_WEIGHTS] = {1, sizeof(uint16_t)},
    [PRODUCT_BF16] = {2, sizeof(uint16_t)},
    [PRODUCT_INT8] = {4, sizeof(int8_t)},
};
_Static_assert(sizeof KINDS / sizeof KINDS[0] == PRODUCT_KINDS, "every kind has its row");

/* A panel is turned over in squares that fit the first-level cache: its rows' next elements, as they
 * will be stored. */
enum { SQUARE = 64 };

union square {
    float f32[KERNEL_MAX_COLS][SQUARE];
    uint16_t bf16[KERNEL_MAX_COLS][SQUARE];
    int8_t int8[KERNEL_MAX_COLS][SQUARE];
};

/* Finds the scales of a panel's features, and what each of their sums will be too large by: the
 * left-hand side stands INT8_ZERO above its elements.  As in linear.c, weights that are not finite
 * get a scale that is none. */
static void scale_panel(const struct packing *p, int64_t first) {
    const struct cpu_linear_weights *l = p->linear;
    float floats[SQUARE];
    for (int64_t j = first; j < first + p->cols; j++) {
        int64_t row = j;
        const struct matrix *m = part_of(p->parts, p->count, &row);
        float max = 0;
        for (int64_t from = 0; m && from < l->base.in_features; from += SQUARE) {
            int64_t n = min_of(SQUARE, l->base.in_features - from);
            cpu_read_matrix(floats, m, row, from, n);
            float largest = p->kernels->largest(floats, n);
            if (!(largest <= max)) max = largest; /* NaN is kept: nothing is larger */
            if (!isfinite(max)) break;
        }
        l->scales[j] = isfinite(max) ? max / (float)p->kernels->int8_max : NAN;
    }
}

static void round_square(int8_t *out, int32_t *offset, const float *x, float scale, int64_t n) {
    float factor = scale > 1e-36f ? 1.0f / scale : 0.0f; /* false of NaN, too */
    for (int64_t k = 0; k < n; k++) {
        out[k] = (int8_t)(factor > 0 ? lrintf(x[k] * factor) : 0);
        *offset += INT8_ZERO * out[k];
    }
}

/* Features [first, first + cols) of inputs [from, from + n); zeros beyond the matrix. */
static void read_square(union square *to, const struct packing *p, int64_t first, int64_t from,
                        int64_t n) {
    const struct cpu_linear_weights *l = p->linear;
    int64_t there = min_of(n, l->base.in_features - from);
    memset(to, 0, sizeof *to);
    for (int64_t j = 0; j < p->cols; j++) {
        int64_t row = first + j;
        const struct matrix *m = part_of(p->parts, p->count, &row);
        if (!m) continue;
        if (l->kind == PRODUCT_F32) {
            cpu_read_matrix(to->f32[j], m, row, from, there);
        } else if (l->kind == PRODUCT_INT8) {
            float floats[SQUARE];
            cpu_read_matrix(floats, m, row, from, there);
            round_square(to->int8[j], &l->offsets[first + j], floats, l->scales[first + j], there);
        } else if (is_bf16(m)) {
            memcpy(to->bf16[j], place_of(m, row, from), (size_t)there * sizeof **to->bf16);
        } else {
            float floats[SQUARE];
            cpu_read_matrix(floats, m, row, from, there);
            for (int64_t k = 0; k < there; k++) to->bf16[j][k] = bf16_from_float(floats[k]);
        }
    }
}

static void write_square(const struct packing *p, int64_t panel, const union square *in,
                         int64_t from, int64_t n) {
    const struct cpu_linear_weights *l = p->linear;
    int64_t cols = p->cols, at = (panel * l->depth + from) * cols;
    if (l->kind == PRODUCT_F32) {
        float *out = (float *)(void *)l->packed + at;
        for (int64_t k = 0; k < n; k++)
            for (int64_t j = 0; j < cols; j++) *out++ = in->f32[j][k];
        return;
    }
    int64_t group = KINDS[l->kind].group;
    if (l->kind == PRODUCT_INT8) {
        int8_t *out = (int8_t *)l->packed + at;
        for (int64_t k = 0; k < n; k += group, out += group * cols)
            for (int64_t j = 0; j < cols; j++) memcpy(out + j * group, in->int8[j] + k, 4);
        return;
    }
    uint16_t *out = (uint16_t *)(void *)l->packed + at;
    for (int64_t k = 0; k < n; k += group)
        for (int64_t j = 0; j < cols; j++)
            for (int64_t i = 0; i < group; i++) *out++ = in->bf16[j][k + i];
}

/* Reports of every part those of its rows that are among [first, first + cols). */
static void report_packed(const struct packing *p, int64_t first) {
    for (size_t i = 0; i < p->count; first -= p->parts[i++].rows) {
        const struct matrix *m = &p->parts[i];
        int64_t from = first > 0 ? first : 0, to = min_of(first + p->cols, m->rows);
        size_t row = dtype_bytes(m->dtype, (size_t)m->cols);
        if (m->packed && from < to)
            m->packed(m->packed_arg, (const char *)m->data + (size_t)from * row,
                      (size_t)(to - from) * row);
    }
}

static void pack_panel(void *arg, size_t panel, int worker) {
    (void)worker;
    const struct packing *p = arg;
    union square square;
    if (p->linear->kind == PRODUCT_INT8) scale_panel(p, (int64_t)panel * p->cols);
    for (int64_t from = 0; from < p->linear->depth; from += SQUARE) {
        int64_t n = min_of(SQUARE, p->linear->depth - from);
        read_square(&square, p, (int64_t)panel * p->cols, from, n);
        write_square(p, (int64_t)panel, &square, from, n);
    }
    report_packed(p, (int64_t)panel * p->cols);
}

static enum product_kind kind_for(const struct compute *c, const struct kernels *k,
                                  const struct matrix *parts, size_t count, unsigned bears) {
    bool all_bf16 = true;
    for (size_t i = 0; i < count; i++) all_bf16 = all_bf16 && is_bf16(&parts[i]);
    if (bears & c->precisions & PRECISION_INT8 && parts[0].cols <= INT8_MAX_DEPTH)
        return PRODUCT_INT8;
    if (bears & PRECISION_BFLOAT16 && k->product_bf16) return PRODUCT_BF16;
    return all_bf16 ? PRODUCT_BF16_WEIGHTS : PRODUCT_F32;
}

static size_t packed_bytes(const struct cpu_linear_weights *l, int cols) {
    return (size_t)(l->panels * l->depth * cols) * KINDS[l->kind].bytes;
}

/* The bias, and of 8-bit weights the scales and the offsets behind it. */
static size_t column_bytes(const struct cpu_linear_weights *l, int cols) {
    return (size_t)(l->panels * cols) * (l->kind == PRODUCT_INT8 ? 3 : 1) * sizeof(float);
}

/* Of both, each at a cache line's start. */
static size_t linear_bytes(const struct cpu_linear_weights *l, int cols) {
    return round_up(packed_bytes(l, cols), CACHE_LINE) + column_bytes(l, cols);
}

enum status cpu_pack_linear(struct compute *c, struct workspace *into, struct linear **out,
                            const struct matrix *parts, size_t count, const float *bias,
                            unsigned bears, struct error *err) {
    *out = NULL;
    struct cpu *cpu = cpu_of(c);
    int cols = cpu->kernels->cols;
    struct cpu_linear_weights *l = calloc(1, sizeof *l);
    if (!l) return fail(err, STATUS_NO_MEMORY, "no memory for a layer");
    l->base.compute = c;
    l->base.in_features = parts[0].cols;
    l->base.in_workspace = into != NULL;
    for (size_t i = 0; i < count; i++) l->base.out_features += parts[i].rows;
    l->kind = kind_for(c, cpu->kernels, parts, count, bears);
    l->panels = (l->base.out_features + cols - 1) / cols;
    l->depth = (int64_t)round_up((size_t)l->base.in_features, (size_t)KINDS[l->kind].group);

    size_t bytes = linear_bytes(l, cols);
    l->base.bytes = packed_bytes(l, cols) + column_bytes(l, cols);
    uint64_t address = into ? workspace_take(into, bytes) : weight_memory_take(c, bytes);
    bool dry = c->plan_only || (into && into->dry);
    if (!dry && !address) {
        free(l);
        return fail(err, STATUS_NO_MEMORY, "no memory for a layer's %zu bytes of weights", bytes);
    }
    *out = &l->base;
    if (dry) return STATUS_OK;
    l->packed = cpu_memory(c, address);
    l->bias = (float *)(void *)((char *)l->packed + bytes - column_bytes(l, cols));
    memset(l->bias, 0, column_bytes(l, cols));
    if (l->kind == PRODUCT_INT8) {
        l->scales = l->bias + l->panels * cols;
        l->offsets = (int32_t *)(void *)(l->scales + l->panels * cols);
    }
    if (bias) memcpy(l->bias, bias, (size_t)l->base.out_features * sizeof *bias);
    struct packing p = {parts, count, l, cpu->kernels, cols};
    pool_run(cpu->pool, (size_t)l->panels, pack_panel, &p);
    return STATUS_OK;
}

void cpu_linear_destroy(struct linear *base) {
    struct cpu_linear_weights *l = (struct cpu_linear_weights *)base;
    int cols = cpu_of(base->compute)->kernels->cols;
    if (!base->in_workspace)
        weight_memory_give(base->compute, cpu_address(base->compute, l->packed),
                           linear_bytes(l, cols));
    free(l);
}

static size_t conv_taps_bytes(const struct cpu_conv_weights *v, int cols) {
    return (size_t)v->base.size * (size_t)v->base.size * (size_t)v->panels *
           (size_t)v->base.in_channels * (size_t)cols * sizeof(float);
}

/* The taps, and the bias behind them. */
static size_t conv_bytes(const struct cpu_conv_weights *v, int cols) {
    return round_up(conv_taps_bytes(v, cols), CACHE_LINE) +
           (size_t)(v->panels * cols) * sizeof(float);
}

struct conv_packing {
    const struct cpu_conv_weights *conv;
    const float *weight;
    int64_t cols;
};

/* Reads the taps of a channel side by side, as they are stored, and writes each to its own place. */
static void pack_conv_panel(void *arg, size_t panel, int worker) {
    (void)worker;
    const struct conv_packing *p = arg;
    const struct cpu_conv_weights *v = p->conv;
    int64_t taps = (int64_t)v->base.size * v->base.size, in = v->base.in_channels;
    int64_t first = (int64_t)panel * p->cols, tap_size = v->panels * in * p->cols;
    for (int64_t k = 0; k < in; k++)
        for (int64_t j = 0; j < p->cols; j++) {
            bool there = first + j < v->base.out_channels;
            const float *from = there ? p->weight + ((first + j) * in + k) * taps : NULL;
            float *to = v->packed + (first * in + k * p->cols + j);
            for (int64_t tap = 0; tap < taps; tap++, to += tap_size) *to = there ? from[tap] : 0.0f;
        }
}

enum status cpu_pack_conv(struct compute *c, struct conv **out, const float *weight,
                          const float *bias, int64_t out_channels, int64_t in_channels, int size,
                          unsigned bears, struct error *err) {
    (void)bears; /* its products are float32 always */
    *out = NULL;
    int64_t cols = cpu_of(c)->kernels->cols;
    struct cpu_conv_weights *v = calloc(1, sizeof *v);
    if (!v) return fail(err, STATUS_NO_MEMORY, "no memory for a convolution");
    v->base = (struct conv){c, out_channels, in_channels, size, 0};
    v->panels = (out_channels + cols - 1) / cols;
    size_t bytes = conv_bytes(v, (int)cols),
           bias_bytes = (size_t)(v->panels * cols) * sizeof(float);
    v->base.bytes = conv_taps_bytes(v, (int)cols) + bias_bytes;
    uint64_t address = weight_memory_take(c, bytes);
    if (!c->plan_only && !address) {
        free(v);
        return fail(err, STATUS_NO_MEMORY, "no memory for a convolution's %zu bytes of weights",
                    bytes);
    }
    *out = &v->base;
    if (c->plan_only) return STATUS_OK;
    v->packed = cpu_memory(c, address);
    v->bias = v->packed + (bytes - bias_bytes) / sizeof(float);
    memset(v->bias, 0, bias_bytes);
    if (bias) memcpy(v->bias, bias, (size_t)out_channels * sizeof *bias);
    struct conv_packing p = {v, weight, cols};
    pool_run(cpu_of(c)->pool, (size_t)v->panels, pack_conv_panel, &p);
    return STATUS_OK;
}

void cpu_conv_destroy(struct conv *base) {
    struct cpu_conv_weights *v = (struct cpu_conv_weights *)base;
    weight_memory_give(base->compute, cpu_address(base->compute, v->packed),
                       conv_bytes(v, cpu_of(base->compute)->kernels->cols));
    free(v);
}
