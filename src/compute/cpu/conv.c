/*
 * Convolution without unrolling its input: for every tap of the kernel the pixels of a strip of
 * output are rows of the input, so a strip times one tap is an ordinary product whose left-hand
 * rows are pointers into the picture.  Padding is a pointer to zeros, stride and upsampling are
 * arithmetic on the pointer.
 *
 * A task is a strip of at most STRIP pixels of one output row and at most BLOCK_COLS channels; its
 * sums stay in the second-level cache over all taps.
 */
#include <string.h>

#include "compute/cpu/cpu.h"

enum { STRIP = 96, BLOCK_COLS = 384 };

struct job {
    const struct cpu *cpu;
    const struct cpu_conv *v;
    const struct conv_options *o;
    struct feature_map out, in;
    int64_t strips, col_blocks, block_panels;
    const float *zeros; /* in_channels of them */
    char *scratch;
};

static size_t worker_bytes(void) {
    return (size_t)STRIP * BLOCK_COLS * sizeof(float);
}

size_t cpu_conv_scratch(struct compute *c, struct feature_map out, struct feature_map in,
                        const struct conv *v) {
    (void)out, (void)v;
    return worker_bytes() * (size_t)c->threads + round_up((size_t)in.t.cols * sizeof(float), 64);
}

/* The input pixel that tap (dy, dx) of output pixel (y, x) sees. */
static const float *pixel_under(const struct job *j, int64_t y, int64_t x, int dy, int dx) {
    int64_t sy = y * j->o->stride + dy - j->o->pad_top_left,
            sx = x * j->o->stride + dx - j->o->pad_top_left;
    int64_t zoom = j->o->upsample ? 2 : 1;
    if (sy < 0 || sx < 0 || sy >= j->in.height * zoom || sx >= j->in.width * zoom) return j->zeros;
    return j->in.t.data + (sy / zoom * j->in.width + sx / zoom) * j->in.t.stride;
}

static void finish_pixel(const struct job *j, float *sums, int64_t pixel, int64_t col, int64_t n) {
    const struct kernels *k = j->cpu->kernels;
    const struct tensor *r = j->o->residual;
    k->add(sums, j->v->bias + col, n);
    if (r) k->add(sums, r->data + pixel * r->stride + col, n);
    memcpy(j->out.t.data + pixel * j->out.t.stride + col, sums, (size_t)n * sizeof *sums);
}

static void conv_strip(void *arg, size_t task, int worker) {
    const struct job *j = arg;
    const struct kernels *k = j->cpu->kernels;
    const struct cpu_conv *v = j->v;
    int64_t block = (int64_t)task % j->col_blocks, strip = (int64_t)task / j->col_blocks;
    int64_t y = strip / j->strips, x0 = strip % j->strips * STRIP;
    int64_t n = least(STRIP, j->out.width - x0);
    int64_t panel = block * j->block_panels, panels = least(j->block_panels, v->panels - panel);
    float *sums = (float *)(j->scratch + (size_t)worker * worker_bytes());
    int64_t depth = v->base.in_channels;
    const float *row[STRIP];

    for (int tap = 0; tap < v->base.size * v->base.size; tap++) {
        for (int64_t i = 0; i < n; i++)
            row[i] = pixel_under(j, y, x0 + i, tap / v->base.size, tap % v->base.size);
        for (int64_t p = 0; p < panels; p++) {
            const float *b = v->packed + ((tap * v->panels + panel + p) * depth) * k->cols;
            for (int64_t i = 0; i < n; i += k->rows)
                k->product((int)least(k->rows, n - i), depth, row + i, b,
                           sums + i * BLOCK_COLS + p * k->cols, BLOCK_COLS, tap > 0);
        }
    }
    int64_t col = panel * k->cols, width = least(panels * k->cols, j->out.t.cols - col);
    for (int64_t i = 0; i < n; i++)
        finish_pixel(j, sums + i * BLOCK_COLS, y * j->out.width + x0 + i, col, width);
}

void cpu_conv(struct workspace *w, void *scratch, struct feature_map out, struct feature_map in,
              const struct conv *base, const struct conv_options *o) {
    const struct cpu *cpu = cpu_of(w->compute);
    struct job j = {.cpu = cpu, .v = (const struct cpu_conv *)base, .o = o, .out = out, .in = in};
    size_t workers = worker_bytes() * (size_t)w->compute->threads;
    j.scratch = scratch;
    j.zeros = memset((char *)scratch + workers, 0, (size_t)in.t.cols * sizeof(float));
    j.block_panels = BLOCK_COLS / cpu->kernels->cols;
    j.col_blocks = (j.v->panels + j.block_panels - 1) / j.block_panels;
    j.strips = (out.width + STRIP - 1) / STRIP;
    pool_run(cpu->pool, (size_t)(out.height * j.strips * j.col_blocks), conv_strip, &j);
}
