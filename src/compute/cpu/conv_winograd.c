/*
 * A 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3): 4x4 pixels of output out of 6x6 of input
 * with 36 multiplications for each pair of channels instead of 144.
 *
 * The patch of input, the kernel and the tile of output are polynomials in two variables; both
 * factors are evaluated at 6x6 points (kernels.h: winograd_input, winograd_weights), multiplied
 * point by point, and the product is interpolated (winograd_output).  Summing over the input
 * channels comes between, so that each point is an ordinary matrix product: tiles times channels.
 * The weights are transformed anew in every call: that is one part in some hundred of the work, and
 * kept they would take four times the memory.
 *
 * A task is TILES tiles with all channels.  Which pixels share a tile is counted from `out`'s first
 * row and column, and that decides how a pixel's sum is rounded.
 *
 * Reading the input as if every pixel were a 2x2 block, a patch has equal pairs of rows and
 * columns, and the polynomial a factor that is zero at the point -1: 11 of the 36 products are of
 * zeros, and left out.
 *
 * Source: A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, 2015.
 */
#include "compute/cpu/conv.h"

enum {
    TILES = 32,       /* measured: docs/performance.md */
    TILE = CONV_TILE, /* a side of what a tile yields */
    PATCH = 6,        /* and of what it reads */
    POINTS = PATCH * PATCH,
    SPREAD = 16, /* keeps the same place of different points off the same cache sets */
    WEIGHTS_AT_ONCE = 1 << 13,
};

struct winograd_job {
    struct conv_job conv;
    int64_t tiles, tiles_across;
    int64_t weight_step, in_step, out_step; /* from one point to the next */
    float *weights;                         /* [POINTS][panels][in_channels][cols] */
    char *scratch;
};

static int64_t panel_elements(const struct cpu_conv_weights *v, int cols) {
    return v->panels * v->base.in_channels * cols;
}

static int64_t in_step(const struct cpu_conv_weights *v) {
    return TILES * v->base.in_channels + SPREAD;
}

static int64_t out_step(const struct cpu_conv_weights *v, int cols) {
    return TILES * v->panels * cols + SPREAD;
}

static size_t worker_bytes(const struct cpu_conv_weights *v, int cols) {
    return (size_t)(POINTS * (in_step(v) + out_step(v, cols))) * sizeof(float);
}

static size_t weight_bytes(const struct cpu_conv_weights *v, int cols) {
    return (size_t)(POINTS * (panel_elements(v, cols) + SPREAD)) * sizeof(float);
}

size_t cpu_conv_winograd_scratch(struct compute *c, const struct cpu_conv_weights *v) {
    int cols = cpu_of(c)->kernels->cols;
    return worker_bytes(v, cols) * (size_t)c->threads + weight_bytes(v, cols);
}

static void transform_weights(void *arg, size_t task, int worker) {
    (void)worker;
    const struct winograd_job *j = arg;
    const struct kernels *k = j->conv.cpu->kernels;
    int64_t all = panel_elements(j->conv.v, k->cols), from = (int64_t)task * WEIGHTS_AT_ONCE;
    k->winograd_weights(j->weights + from, j->weight_step, j->conv.v->packed + from, all,
                        min_of(WEIGHTS_AT_ONCE, all - from));
}

static void read_tile(const struct winograd_job *j, int64_t tile, float *patches) {
    const float *pixel[POINTS];
    int64_t top = tile / j->tiles_across * TILE, left = tile % j->tiles_across * TILE;
    for (int i = 0; i < POINTS; i++)
        pixel[i] = conv_pixel(&j->conv, top, left, i / PATCH, i % PATCH);
    j->conv.cpu->kernels->winograd_input(patches, j->in_step, pixel, j->conv.v->base.in_channels);
}

static void write_tile(const struct winograd_job *j, int64_t tile, const float *sums) {
    const struct tensor *r = j->conv.o->residual, *out = &j->conv.out.t;
    float *to[TILE * TILE];
    const float *residual[TILE * TILE];
    int64_t top = tile / j->tiles_across * TILE, left = tile % j->tiles_across * TILE;
    for (int i = 0; i < TILE * TILE; i++) {
        int64_t y = top + i / TILE, x = left + i % TILE, at = y * j->conv.out.width + x;
        bool inside = y < j->conv.out.height && x < j->conv.out.width;
        to[i] = inside ? cpu_row(*out, at) : NULL;
        residual[i] = inside && r ? cpu_row(*r, at) : NULL;
    }
    j->conv.cpu->kernels->winograd_output(to, sums, j->out_step, j->conv.v->bias,
                                          r ? residual : NULL, j->conv.o->upsample, out->cols);
}

static void multiply(const struct winograd_job *j, const float *patches, float *sums,
                     int64_t tiles) {
    const struct kernels *k = j->conv.cpu->kernels;
    int64_t depth = j->conv.v->base.in_channels, panels = j->conv.v->panels;
    const float *row[TILES];
    for (int i = 0; i < POINTS; i++) {
        if (j->conv.o->upsample && (i / PATCH == 2 || i % PATCH == 2)) continue;
        for (int64_t t = 0; t < tiles; t++) row[t] = patches + i * j->in_step + t * depth;
        for (int64_t p = 0; p < panels; p++) {
            const float *b = j->weights + i * j->weight_step + p * depth * k->cols;
            float *c = sums + i * j->out_step + p * k->cols;
            for (int64_t t = 0; t < tiles; t += k->rows)
                k->product((int)min_of(k->rows, tiles - t), depth, row + t, b,
                           c + t * panels * k->cols, panels * k->cols, false);
        }
    }
}

static void some_tiles(void *arg, size_t task, int worker) {
    const struct winograd_job *j = arg;
    const struct cpu_conv_weights *v = j->conv.v;
    int cols = j->conv.cpu->kernels->cols;
    int64_t first = (int64_t)task * TILES, tiles = min_of(TILES, j->tiles - first);
    float *patches = (float *)(j->scratch + (size_t)worker * worker_bytes(v, cols));
    float *sums = patches + POINTS * j->in_step;
    for (int64_t t = 0; t < tiles; t++) read_tile(j, first + t, patches + t * v->base.in_channels);
    multiply(j, patches, sums, tiles);
    for (int64_t t = 0; t < tiles; t++) write_tile(j, first + t, sums + t * v->panels * cols);
}

void cpu_conv_winograd(struct workspace *w, char *scratch, const struct conv_job *conv) {
    int cols = conv->cpu->kernels->cols;
    int64_t elements = panel_elements(conv->v, cols);
    struct winograd_job j = {.conv = *conv, .scratch = scratch};
    j.tiles_across = (conv->out.width + TILE - 1) / TILE;
    j.tiles = (conv->out.height + TILE - 1) / TILE * j.tiles_across;
    j.weight_step = elements + SPREAD;
    j.in_step = in_step(conv->v);
    j.out_step = out_step(conv->v, cols);
    j.weights = (float *)(j.scratch + worker_bytes(conv->v, cols) * (size_t)w->compute->threads);
    pool_run(conv->cpu->pool, (size_t)((elements + WEIGHTS_AT_ONCE - 1) / WEIGHTS_AT_ONCE),
             transform_weights, &j);
    pool_run(conv->cpu->pool, (size_t)((j.tiles + TILES - 1) / TILES), some_tiles, &j);
}
