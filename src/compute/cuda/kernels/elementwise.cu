/*
 * Copies between types, rows by number, activations.
 */
#include "elementwise.h"

/* out = a, between any two types. */
extern "C" __global__ void __launch_bounds__(256) copy(const __grid_constant__ rows_args a) {
    EACH(a, r, i)
    write(a.out, r * a.out_stride + i, read(a.a, r * a.a_stride + i, a.a_bf16), a.out_bf16);
}

/* Row r of out becomes row ids[r] of in, and stays where that is negative. */
extern "C" __global__ void __launch_bounds__(256) rows(const __grid_constant__ numbered_args a) {
    EACH(a, r, i) {
        int from = a.ids[r];
        if (from < 0) continue;
        int64_t to = r * a.out_stride + i, at = from * a.in_stride + i;
        if (a.bf16)
            ((uint16_t *)a.out)[to] = ((const uint16_t *)a.in)[at];
        else
            ((float *)a.out)[to] = ((const float *)a.in)[at];
    }
}

extern "C" __global__ void __launch_bounds__(256) silu_of(const __grid_constant__ rows_args a) {
    EACH(a, r, i)
    write(a.out, r * a.out_stride + i, silu(read(a.a, r * a.a_stride + i, a.a_bf16)), a.out_bf16);
}

/* silu(a) * b */
extern "C" __global__ void __launch_bounds__(256) silu_mul(const __grid_constant__ rows_args a) {
    EACH(a, r, i)
    write(a.out, r * a.out_stride + i,
          silu(read(a.a, r * a.a_stride + i, a.a_bf16)) * read(a.b, r * a.b_stride + i, a.b_bf16),
          a.out_bf16);
}
