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
 */
#include <math.h>
#include <string.h>

#include "compute/cpu/cpu.h"

enum {
    BLOCK_ROWS = 96,  /* a multiple of every table's `rows`: 4, 6, 8 */
    BLOCK_COLS = 384, /* at most; a multiple of every table's `cols` */
    PANEL_COLS = 32,  /* the widest table's `cols` */
    SLICE = 512,      /* of the depth; this and WIDEN_FROM are measured: docs/performance.md */
    SLICE_STRIDE = SLICE + 16, /* keeps rows off the same cache sets */
    WIDEN_FROM = 4,            /* groups of rows */
};

struct job {
    const struct cpu *cpu;
    const struct cpu_linear *l;
    const struct epilogue *e;
    struct tensor out, in;
    int64_t col_blocks;
    int64_t block_panels;
    char *scratch;
};

static size_t worker_bytes(void) {
    return (size_t)(BLOCK_ROWS * (SLICE_STRIDE + BLOCK_COLS) + SLICE * PANEL_COLS) * sizeof(float);
}

size_t cpu_linear_scratch(struct compute *c, struct tensor out, struct tensor in,
                          const struct linear *l) {
    (void)out, (void)in, (void)l;
    return worker_bytes() * (size_t)c->threads;
}

static void finish_row(const struct job *j, float *sums, int64_t row, int64_t col, int64_t n) {
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
    k->gate_add(sums, e->gate ? e->gate + col : NULL,
                e->residual ? e->residual->data + row * e->residual->stride + col : NULL, n);
    memcpy(j->out.data + row * j->out.stride + col, sums, (size_t)n * sizeof *sums);
}

/* Copies [rows] x [from, from + n) of the input together, n rounded up to even for bfloat16
 * products. */
static void gather(const struct job *j, float *block, int64_t row, int64_t rows, int64_t from,
                   int64_t n) {
    for (int64_t i = 0; i < rows; i++) {
        const float *in = j->in.data + (row + i) * j->in.stride + from;
        float *to = block + i * SLICE_STRIDE;
        if (j->l->kind != PRODUCT_BF16) {
            memcpy(to, in, (size_t)n * sizeof *in);
        } else {
            j->cpu->kernels->to_bf16((uint16_t *)to, in, n);
            if (n % 2) ((uint16_t *)to)[n] = 0;
        }
    }
}

static void multiply(const struct job *j, const float *block, float *sums, float *wide,
                     int64_t rows, int64_t panel, int64_t panels, int64_t from, int64_t n) {
    const struct kernels *k = j->cpu->kernels;
    const struct cpu_linear *l = j->l;
    const float *row[BLOCK_ROWS];
    bool widen = l->kind == PRODUCT_BF16_WEIGHTS && rows > (WIDEN_FROM - 1) * k->rows;
    for (int64_t i = 0; i < rows; i++) row[i] = block + i * SLICE_STRIDE;
    for (int64_t p = 0; p < panels; p++) {
        int64_t at = ((panel + p) * l->depth + from) * k->cols;
        if (widen) k->from_bf16(wide, (const uint16_t *)l->packed + at, n * k->cols);
        for (int64_t i = 0; i < rows; i += k->rows) {
            int m = (int)least(k->rows, rows - i);
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

static void linear_block(void *arg, size_t task, int worker) {
    const struct job *j = arg;
    int64_t row = (int64_t)task / j->col_blocks * BLOCK_ROWS;
    int64_t panel = (int64_t)task % j->col_blocks * j->block_panels;
    int64_t rows = least(BLOCK_ROWS, j->out.rows - row);
    int64_t panels = least(j->block_panels, j->l->panels - panel);
    float *block = (float *)(j->scratch + (size_t)worker * worker_bytes());
    float *sums = block + BLOCK_ROWS * SLICE_STRIDE, *wide = sums + BLOCK_ROWS * BLOCK_COLS;

    for (int64_t from = 0; from < j->in.cols; from += SLICE) {
        int64_t n = least(SLICE, j->in.cols - from);
        gather(j, block, row, rows, from, n);
        multiply(j, block, sums, wide, rows, panel, panels, from, n);
    }
    int64_t col = panel * j->cpu->kernels->cols;
    int64_t n = least(panels * j->cpu->kernels->cols, j->out.cols - col);
    for (int64_t i = 0; i < rows; i++) finish_row(j, sums + i * BLOCK_COLS, row + i, col, n);
}

void cpu_linear(struct workspace *w, void *scratch, struct tensor out, struct tensor in,
                const struct linear *base, const struct epilogue *e) {
    const struct cpu *cpu = cpu_of(w->compute);
    const struct cpu_linear *l = (const struct cpu_linear *)base;
    struct job j = {.cpu = cpu, .l = l, .e = e, .out = out, .in = in, .scratch = scratch};
    j.block_panels = BLOCK_COLS / cpu->kernels->cols;
    j.col_blocks = (l->panels + j.block_panels - 1) / j.block_panels;
    int64_t row_blocks = (out.rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    pool_run(cpu->pool, (size_t)(row_blocks * j.col_blocks), linear_block, &j);
}
