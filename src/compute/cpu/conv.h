/*
 * conv.h - what the two ways of computing a convolution share: conv.c's, tap by tap, and
 * conv_winograd.c's for 3x3 kernels of stride 1.
 */
#ifndef CPU_CONV_H
#define CPU_CONV_H

#include "compute/cpu/cpu.h"

enum { CONV_TILE = 4 }; /* a side of what conv_winograd.c computes at a time */

struct conv_job {
    const struct cpu *cpu;
    const struct cpu_conv_weights *v;
    const struct conv_options *o;
    struct feature_map out, in;
    const float *zeros; /* in_channels of them: the pixels outside */
};

/* The input pixel that tap (dy, dx) of output pixel (y, x) sees. */
static inline const float *conv_pixel(const struct conv_job *j, int64_t y, int64_t x, int dy,
                                      int dx) {
    int64_t sy = y * j->o->stride + dy - j->o->pad_top, sx = x * j->o->stride + dx - j->o->pad_left;
    int64_t zoom = j->o->upsample ? 2 : 1;
    if (sy < 0 || sx < 0 || sy >= j->in.height * zoom || sx >= j->in.width * zoom) return j->zeros;
    return cpu_row(j->in.t, sy / zoom * j->in.width + sx / zoom);
}

size_t cpu_conv_winograd_scratch(struct compute *c, const struct cpu_conv_weights *v);
void cpu_conv_winograd(struct workspace *w, char *scratch, const struct conv_job *conv);

#endif
