/*
 * Convolution without unrolling its input: for every tap of the kernel the pixels of a strip of
 * output are rows of the input, so a strip times one tap is an ordinary product whose left-hand
 * rows are pointers into the picture.  Padding is a pointer to zeros, stride is arithmetic on the
 * pointer.
 *
 * A task is a strip of at most STRIP pixels of one output row and at most BLOCK_COLS channels; its
 * sums stay in the second-level cache over all taps.
 *
 * Kernels of 3x3 with stride 1 go to conv_winograd.c.
 */
#include "compute/cpu/conv.h"

#include <string.h>

enum { STRIP = 96, BLOCK_COLS = 384 };

struct direct_job {
    struct conv_job conv;
    int64_t strips, col_blocks, block_panels;
    char *scratch;
};

static bool suits_winograd(const struct conv *v, const struct conv_options *o) {
    return v->size == 3 && o->stride == 1;
}

static size_t worker_bytes(void) {
    return (size_t)STRIP * BLOCK_COLS * sizeof(float);
}

static size_t zeros_bytes(struct feature_map in) {
    return round_up((size_t)in.t.cols * sizeof(float), 64);
}

size_t cpu_conv_scratch(struct compute *c, struct feature_map out, struct feature_map in,
                        const struct conv *v, const struct conv_options *o) {
    (void)out;
    size_t work = suits_winograd(v, o)
                      ? cpu_conv_winograd_scratch(c, (const struct cpu_conv_weights *)v)
                      : worker_bytes() * (size_t)c->threads;
    return zeros_bytes(in) + work;
}

static void finish_pixel(const struct conv_job *j, float *sums, int64_t pixel, int64_t col,
                         int64_t n) {
    const struct kernels *k = j->cpu->kernels;
    const struct tensor *r = j->o->residual;
    k->add(sums, j->v->bias + col, n);
    if (r) k->add(sums, cpu_row(*r, pixel) + col, n);
    memcpy(cpu_row(j->out.t, pixel) + col, sums, (size_t)n * sizeof *sums);
}

static void conv_strip(void *arg, size_t task, int worker) {
    const struct direct_job *j = arg;
    const struct kernels *k = j->conv.cpu->kernels;
    const struct cpu_conv_weights *v = j->conv.v;
    struct feature_map out = j->conv.out;
    int64_t block = (int64_t)task % j->col_blocks, strip = (int64_t)task / j->col_blocks;
    int64_t y = strip / j->strips, x0 = strip % j->strips * STRIP;
    int64_t n = min_of(STRIP, out.width - x0);
    int64_t panel = block * j->block_panels, panels = min_of(j->block_panels, v->panels - panel);
    float *sums = (float *)(j->scratch + (size_t)worker * worker_bytes());
    int64_t depth = v->base.in_channels;
    const float *row[STRIP];

    for (int tap = 0; tap < v->base.size * v->base.size; tap++) {
        for (int64_t i = 0; i < n; i++)
            row[i] = conv_pixel(&j->conv, y, x0 + i, tap / v->base.size, tap % v->base.size);
        for (int64_t p = 0; p < panels; p++) {
            const float *b = v->packed + ((tap * v->panels + panel + p) * depth) * k->cols;
            for (int64_t i = 0; i < n; i += k->rows)
                k->product((int)min_of(k->rows, n - i), depth, row + i, b,
                           sums + i * BLOCK_COLS + p * k->cols, BLOCK_COLS, tap > 0);
        }
    }
    int64_t col = panel * k->cols, width = min_of(panels * k->cols, out.t.cols - col);
    for (int64_t i = 0; i < n; i++)
        finish_pixel(&j->conv, sums + i * BLOCK_COLS, y * out.width + x0 + i, col, width);
}

static void conv_direct(char *scratch, const struct conv_job *conv) {
    struct direct_job j = {.conv = *conv, .scratch = scratch};
    j.block_panels = BLOCK_COLS / conv->cpu->kernels->cols;
    j.col_blocks = (conv->v->panels + j.block_panels - 1) / j.block_panels;
    j.strips = (conv->out.width + STRIP - 1) / STRIP;
    pool_run(conv->cpu->pool, (size_t)(conv->out.height * j.strips * j.col_blocks), conv_strip, &j);
}

void cpu_conv(struct workspace *w, struct tensor scratch, struct feature_map out,
              struct feature_map in, const struct conv *base, const struct conv_options *o) {
    size_t zeros = zeros_bytes(in);
    char *memory = cpu_pointer(scratch.address);
    struct conv_job conv = {.cpu = cpu_of(w->compute),
                            .v = (const struct cpu_conv_weights *)base,
                            .o = o,
                            .out = out,
                            .in = in,
                            .zeros = memset(memory, 0, zeros)};
    char *rest = memory + zeros;
    if (suits_winograd(base, o))
        cpu_conv_winograd(w, rest, &conv);
    else
        conv_direct(rest, &conv);
}
