/*
 * out = epilogue(in W^T + bias), cut into blocks of BLOCK_ROWS x BLOCK_COLS outputs, one task each.
 *
 * A task walks the depth in slices.  It copies its rows' slice together (as bfloat16 where the
 * product wants that), which costs little and spares the caches the long strides of the input; then
 * every panel's slice meets every group of rows. A slice of bfloat16 weights that meets several
 * groups is widened once, beforehand; for few rows that would cost more than widening on the way
 * into the product.  The products are the same either way. The sums stay in a block of their own
 * that fits the second-level cache until the last slice, and the epilogue reads them from there.  A
 * sum is always added up over the depth in order, whatever the block.
 *
 * For 8-bit products the whole input is rounded first, each row by a scale of its own (its largest
 * magnitude becomes 127), and the tasks read it where it is.  Weights have a scale for each column
 * (pack.c).  So  in[r] . W[c] = row scale * column scale * (sum of whole numbers),  and the sum is
 * exact.
 */
#include <math.h>
#include <string.h>

#include "compute/cpu/cpu.h"

enum {
    BLOCK_ROWS = 96,   /* a multiple of every table's `rows`: 4, 6, 8 */
    BLOCK_COLS = 384,  /* at most; a multiple of every table's `cols` */
    PANEL_COLS = 32,   /* the widest table's `cols` */
    SLICE = 512,       /* of the depth; this and WIDEN_FROM are measured: docs/performance.md */
    SLICE_INT8 = 1024, /* the same, of bytes */
    SLICE_STRIDE = SLICE + 16, /* keeps rows off the same cache sets */
    WIDEN_FROM = 4,            /* groups of rows */
    ROUND_ROWS = 16,           /* rows that one task rounds to 8 bits */
};

/* An input in 8 bits: element (r, k) is (elements[r * stride + k] - INT8_ZERO) * scales[r]. */
struct rounded {
    uint8_t *elements;
    float *scales;
    int64_t stride;
};

struct linear_job {
    const struct cpu *cpu;
    const struct cpu_linear_weights *l;
    const struct epilogue *e;
    struct tensor out, in;
    int64_t col_blocks;
    int64_t block_panels;
    char *scratch;
    struct rounded rounded; /* for 8-bit products */
};

static size_t worker_bytes(void) {
    return (size_t)(BLOCK_ROWS * (SLICE_STRIDE + BLOCK_COLS) + SLICE * PANEL_COLS) * sizeof(float);
}

/* An odd number of cache lines keeps rows off the same cache sets. */
static int64_t rounded_stride(const struct cpu_linear_weights *l) {
    return (int64_t)(round_up((size_t)l->depth, 128) + 64);
}

/* Each worker's memory, then the rounded input. */
size_t cpu_linear_scratch(struct compute *c, struct tensor out, struct tensor in,
                          const struct linear *base) {
    (void)out;
    const struct cpu_linear_weights *l = (const struct cpu_linear_weights *)base;
    size_t bytes = worker_bytes() * (size_t)c->threads;
    if (l->kind != PRODUCT_INT8) return bytes;
    return bytes + (size_t)in.rows * ((size_t)rounded_stride(l) + sizeof(float));
}

static void finish_row(const struct linear_job *j, float *sums, int64_t row, int64_t col,
                       int64_t n) {
    const struct kernels *k = j->cpu->kernels;
    const struct epilogue *e = j->e;
    k->add(sums, j->l->bias + col, n);
    if (e->activation == ACTIVATION_SILU)
        k->silu(sums, sums, n);
    else if (e->activation == ACTIVATION_GELU_TANH)
        k->gelu_tanh(sums, n);
    else if (e->activation == ACTIVATION_GELU)
        for (int64_t i = 0; i < n; i++)
            sums[i] = 0.5f * sums[i] * (1.0f + erff(sums[i] * 0.70710678f));
    float *out = cpu_place(j->out, row, col, sums);
    k->gate_add(out, sums, e->gate ? cpu_row(*e->gate, 0) + col : NULL,
                e->residual ? cpu_row(*e->residual, row) + col : NULL, n);
    cpu_store(k, j->out, row, col, out, n);
}

/* Copies [rows] x [from, from + n) of the input together, n rounded up to even for bfloat16
 * products. */
static void copy_block(const struct linear_job *j, float *block, int64_t row, int64_t rows,
                       int64_t from, int64_t n) {
    for (int64_t i = 0; i < rows; i++) {
        float *to = block + i * SLICE_STRIDE;
        if (j->l->kind == PRODUCT_BF16) {
            if (j->in.type == DTYPE_BF16)
                memcpy(to, cpu_bf16(j->in, row + i, from), (size_t)n * sizeof(uint16_t));
            else
                j->cpu->kernels->to_bf16((uint16_t *)to, cpu_row(j->in, row + i) + from, n);
            if (n % 2) ((uint16_t *)to)[n] = 0;
        } else {
            const float *in = cpu_floats(j->in, row + i, from, n, to);
            if (in != to) memcpy(to, in, (size_t)n * sizeof *in);
        }
    }
}

static void multiply(const struct linear_job *j, const float *block, float *sums, float *wide,
                     int64_t rows, int64_t panel, int64_t panels, int64_t from, int64_t n) {
    const struct kernels *k = j->cpu->kernels;
    const struct cpu_linear_weights *l = j->l;
    const float *row[BLOCK_ROWS];
    bool widen = l->kind == PRODUCT_BF16_WEIGHTS && rows > (WIDEN_FROM - 1) * k->rows;
    for (int64_t i = 0; i < rows; i++) row[i] = block + i * SLICE_STRIDE;
    for (int64_t p = 0; p < panels; p++) {
        int64_t at = ((panel + p) * l->depth + from) * k->cols;
        if (widen) k->from_bf16(wide, (const uint16_t *)l->packed + at, n * k->cols);
        for (int64_t i = 0; i < rows; i += k->rows) {
            int m = (int)min_of(k->rows, rows - i);
            float *c = sums + i * BLOCK_COLS + p * k->cols;
            if (widen)
                k->product(m, n, row + i, wide, c, BLOCK_COLS, from > 0);
            else if (l->kind == PRODUCT_F32)
                k->product(m, n, row + i, (const float *)l->packed + at, c, BLOCK_COLS, from > 0);
            else if (l->kind == PRODUCT_BF16_WEIGHTS)
                k->product_bf16_weights(m, n, row + i, (const uint16_t *)l->packed + at, c,
                                        BLOCK_COLS, from > 0);
            else
                k->product_bf16(m, n + n % 2, (const uint16_t *const *)(const void *)(row + i),
                                (const uint16_t *)l->packed + at, c, BLOCK_COLS, from > 0);
        }
    }
}

float cpu_round_row(const struct kernels *k, uint8_t *out, int64_t capacity, const float *x,
                    int64_t n, int max) {
    float largest = k->largest(x, n);
    bool usable = isfinite(largest) && largest > 1e-36f;
    int64_t written = usable ? n : 0;
    if (usable) k->to_int8(out, x, (float)max / largest, n);
    memset(out + written, INT8_ZERO, (size_t)(capacity - written));
    return usable ? largest / (float)max : largest * 0.0f; /* Inf and NaN times 0 are NaN */
}

static void round_rows(void *arg, size_t task, int worker) {
    const struct linear_job *j = arg;
    const struct kernels *k = j->cpu->kernels;
    float *widened = (float *)(void *)(j->scratch + (size_t)worker * worker_bytes());
    const struct rounded *to = &j->rounded;
    int64_t end = min_of(((int64_t)task + 1) * ROUND_ROWS, j->in.rows), n = j->in.cols;
    for (int64_t r = (int64_t)task * ROUND_ROWS; r < end; r++) {
        const float *x = cpu_floats(j->in, r, 0, n, widened);
        uint8_t *elements = to->elements + r * to->stride;
        to->scales[r] = cpu_round_row(k, elements, j->l->depth, x, n, 127);
    }
}

static void multiply_int8(const struct linear_job *j, int32_t *sums, int64_t row, int64_t rows,
                          int64_t panel, int64_t panels) {
    const struct kernels *k = j->cpu->kernels;
    const struct cpu_linear_weights *l = j->l;
    const struct rounded *in = &j->rounded;
    const uint8_t *at[BLOCK_ROWS];
    for (int64_t from = 0; from < l->depth; from += SLICE_INT8) {
        int64_t n = min_of(SLICE_INT8, l->depth - from);
        for (int64_t i = 0; i < rows; i++) at[i] = in->elements + (row + i) * in->stride + from;
        for (int64_t p = 0; p < panels; p++) {
            const int8_t *b = (const int8_t *)l->packed + ((panel + p) * l->depth + from) * k->cols;
            for (int64_t i = 0; i < rows; i += k->rows)
                k->product_int8((int)min_of(k->rows, rows - i), n, at + i, b,
                                sums + i * BLOCK_COLS + p * k->cols, BLOCK_COLS, from > 0);
        }
    }
}

static void linear_block(void *arg, size_t task, int worker) {
    const struct linear_job *j = arg;
    int64_t row = (int64_t)task / j->col_blocks * BLOCK_ROWS;
    int64_t panel = (int64_t)task % j->col_blocks * j->block_panels;
    int64_t rows = min_of(BLOCK_ROWS, j->out.rows - row);
    int64_t panels = min_of(j->block_panels, j->l->panels - panel);
    float *block = (float *)(j->scratch + (size_t)worker * worker_bytes());
    float *sums = block + BLOCK_ROWS * SLICE_STRIDE, *wide = sums + BLOCK_ROWS * BLOCK_COLS;

    bool int8 = j->l->kind == PRODUCT_INT8;
    if (int8) multiply_int8(j, (int32_t *)(void *)sums, row, rows, panel, panels);
    for (int64_t from = 0; from < j->in.cols && !int8; from += SLICE) {
        int64_t n = min_of(SLICE, j->in.cols - from);
        copy_block(j, block, row, rows, from, n);
        multiply(j, block, sums, wide, rows, panel, panels, from, n);
    }
    int64_t col = panel * j->cpu->kernels->cols, width = panels * j->cpu->kernels->cols;
    for (int64_t i = 0; i < rows; i++, sums += BLOCK_COLS) {
        if (int8)
            j->cpu->kernels->from_int8(sums, (const int32_t *)(const void *)sums,
                                       j->l->offsets + col, j->l->scales + col,
                                       j->rounded.scales[row + i], width);
        finish_row(j, sums, row + i, col, min_of(width, j->out.cols - col));
    }
}

void cpu_linear(struct workspace *w, struct tensor scratch, struct tensor out, struct tensor in,
                const struct linear *base, const struct epilogue *e) {
    const struct cpu *cpu = cpu_of(w->compute);
    const struct cpu_linear_weights *l = (const struct cpu_linear_weights *)base;
    struct linear_job j = {.cpu = cpu, .l = l, .e = e, .out = out, .in = in};
    j.scratch = cpu_pointer(scratch.address);
    j.block_panels = BLOCK_COLS / cpu->kernels->cols;
    j.col_blocks = (l->panels + j.block_panels - 1) / j.block_panels;
    if (l->kind == PRODUCT_INT8) {
        j.rounded.elements = (uint8_t *)j.scratch + worker_bytes() * (size_t)w->compute->threads;
        j.rounded.stride = rounded_stride(l);
        j.rounded.scales = (float *)(void *)(j.rounded.elements + in.rows * j.rounded.stride);
        pool_run(cpu->pool, (size_t)((in.rows + ROUND_ROWS - 1) / ROUND_ROWS), round_rows, &j);
    }
    int64_t row_blocks = (out.rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    pool_run(cpu->pool, (size_t)(row_blocks * j.col_blocks), linear_block, &j);
}
