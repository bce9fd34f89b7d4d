/*
 * float32 products on the ordinary multipliers: for DTYPE=float32, and wherever a layer is not to be
 * rounded.  A block of 256 threads computes 64 x 64 outputs, a thread 4 x 4.  Both sides are turned
 * over on their way into shared memory by 4-byte copies, so any stride and any alignment will do.
 */
#include "gemm.h"

extern "C" __global__ void __launch_bounds__(256, 2) gemm_f32(const __grid_constant__ gemm_args g) {
    const int TILE = 64, DEPTH = 16, STAGES = 3, PITCH = TILE + 4;
    __shared__ __align__(16) float shared[STAGES][2][DEPTH][PITCH];
    int thread = threadIdx.x, tx = thread % 16, ty = thread / 16, row0, col0;
    place(blockIdx.x, (g.rows + TILE - 1) / TILE, (g.cols + TILE - 1) / TILE, &row0, &col0);
    row0 *= TILE;
    col0 *= TILE;
    int steps = (g.depth + DEPTH - 1) / DEPTH;

    auto fetch = [&](int step) {
        for (int i = thread; i < 2 * TILE * DEPTH; i += 256) {
            int right = i / (TILE * DEPTH), row = i % (TILE * DEPTH) / DEPTH, k = i % DEPTH;
            int whole = right ? col0 + row : row0 + row, at = step * DEPTH + k;
            bool there = whole < (right ? g.cols : g.rows) && at < g.depth;
            const float *from = (const float *)(right ? g.b : g.a);
            if (there) from += whole * (right ? g.b_stride : g.a_stride) + at;
            copy4(shared_address(&shared[step % STAGES][right][k][row]), from, there ? 4 : 0);
        }
    };

    float c[4][4] = {};
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) fetch(s);
        copy_commit();
    }
    for (int step = 0; step < steps; step++) {
        copy_wait<STAGES - 2>();
        __syncthreads();
        if (step + STAGES - 1 < steps) fetch(step + STAGES - 1);
        copy_commit();
        const float(*left)[PITCH] = shared[step % STAGES][0];
        const float(*right)[PITCH] = shared[step % STAGES][1];
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            float4 a = *(const float4 *)&left[k][ty * 4], b = *(const float4 *)&right[k][tx * 4];
            float av[4] = {a.x, a.y, a.z, a.w}, bv[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) c[i][j] = fmaf(av[i], bv[j], c[i][j]);
        }
    }
    copy_wait<0>();
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int row = row0 + ty * 4 + i, col = col0 + tx * 4;
        if (row < g.rows && col < g.cols) store_four(g, c[i], row, col);
    }
}
