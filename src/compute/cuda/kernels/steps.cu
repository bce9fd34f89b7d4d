/*
 * What stands between the networks: the end of a step, and the forms in which latents and pictures
 * travel.  All of it is float32, element by element in the order of the CPU's steps.c and without
 * fused multiplications, so that both devices give the same bytes; only the sums of guide, in double
 * precision, have another order.
 */
#include "elementwise.h"

DEVICE float minus(float x, float y) {
    return __fsub_rn(x, y);
}

DEVICE float times_plus(float x, float y, float z) {
    return __fadd_rn(__fmul_rn(x, y), z);
}

DEVICE double warp_sum_of_squares(double x) {
    for (int step = 16; step; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

/* Warp per row, 8 rows a block: out += (factor - 1) (out - in), then as long as it was. */
extern "C" __global__ void __launch_bounds__(256) guide(const __grid_constant__ step_args a) {
    int row = blockIdx.x * 8 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= a.rows) return;
    float *velocity = (float *)a.out + row * a.out_stride;
    const float *negative = a.in + row * a.in_stride;
    double before = 0, after = 0;
    for (int i = lane; i < a.cols; i += 32) {
        float x = velocity[i];
        before += (double)x * x;
        x = times_plus(a.factor, minus(x, negative[i]), negative[i]);
        after += (double)x * x;
        velocity[i] = x;
    }
    before = sqrt(warp_sum_of_squares(before));
    after = sqrt(warp_sum_of_squares(after));
    if (after == 0) return;
    float by = (float)(before / after);
    for (int i = lane; i < a.cols; i += 32) velocity[i] = __fmul_rn(velocity[i], by);
}

/* out += factor * in */
extern "C" __global__ void __launch_bounds__(256) euler_step(const __grid_constant__ step_args a) {
    EACH(a, r, i) {
        float *x = (float *)a.out + r * a.out_stride + i;
        *x = times_plus(a.factor, a.in[r * a.in_stride + i], *x);
    }
}

/* out, one number, becomes 0 if an element of `in` is not finite. */
extern "C" __global__ void __launch_bounds__(256) all_finite(const __grid_constant__ step_args a) {
    EACH(a, r, i) {
        uint32_t magnitude = __float_as_uint(a.in[r * a.in_stride + i]) & 0x7fffffffu;
        if (magnitude >= 0x7f800000u) atomicAnd((unsigned *)a.out, 0u);
    }
}

/* (in - shift) / scale */
extern "C" __global__ void __launch_bounds__(256) normalise(const __grid_constant__ step_args a) {
    EACH(a, r, i)
    ((float *)a.out)[r * a.out_stride + i] =
        __fdiv_rn(minus(a.in[r * a.in_stride + i], a.shift[i]), a.scale[i]);
}

/* in * scale + shift */
extern "C" __global__ void __launch_bounds__(256) denormalise(const __grid_constant__ step_args a) {
    EACH(a, r, i)
    ((float *)a.out)[r * a.out_stride + i] =
        times_plus(a.in[r * a.in_stride + i], a.scale[i], a.shift[i]);
}

/* Where a pixel of a map has a channel among the tokens: a token is a square of 2 x 2. */
DEVICE int64_t packed(int64_t pixel, int channel, int width, int64_t stride) {
    int64_t y = pixel / width, x = pixel % width;
    return (y / 2 * (width / 2) + x / 2) * stride + channel * 4 + y % 2 * 2 + x % 2;
}

/* A map, in, to tokens, out; rows are the map's pixels, cols its channels. */
extern "C" __global__ void __launch_bounds__(256) pack(const __grid_constant__ step_args a) {
    EACH(a, r, i)
    ((float *)a.out)[packed(r, i, a.width, a.out_stride)] = a.in[r * a.in_stride + i];
}

/* Tokens, in, to a map, out. */
extern "C" __global__ void __launch_bounds__(256) unpack(const __grid_constant__ step_args a) {
    EACH(a, r, i)
    ((float *)a.out)[r * a.out_stride + i] = a.in[packed(r, i, a.width, a.in_stride)];
}

extern "C" __global__ void __launch_bounds__(256) clamp(const __grid_constant__ step_args a) {
    EACH(a, r, i) {
        float x = a.in[r * a.in_stride + i]; /* NaN stays */
        ((float *)a.out)[r * a.out_stride + i] = x < -1.0f ? -1.0f : x > 1.0f ? 1.0f : x;
    }
}

/* -1..1 to bytes, out, which lie without gaps.  NaN becomes 0. */
extern "C" __global__ void __launch_bounds__(256) to_bytes(const __grid_constant__ step_args a) {
    EACH(a, r, i) {
        float x = times_plus(a.in[r * a.in_stride + i], 0.5f, 0.5f);
        x = x > 1.0f ? 1.0f : x > 0.0f ? x : 0.0f;
        ((uint8_t *)a.out)[r * a.cols + i] = (uint8_t)rintf(x * 255.0f);
    }
}
