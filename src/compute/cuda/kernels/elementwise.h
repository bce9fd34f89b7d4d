/*
 * elementwise.h - a thread computes one element of a row, and walks on to further rows.
 *
 * Grid: x covers the columns by 256 threads, y the rows (up to 65535 blocks, each walks on).
 */
#ifndef KERNELS_ELEMENTWISE_H
#define KERNELS_ELEMENTWISE_H

#include "args.h"
#include "words.h"

#define EACH(a, row, col)                                                                          \
    int col = blockIdx.x * 256 + threadIdx.x;                                                      \
    if (col >= (a).cols) return;                                                                   \
    for (int64_t row = blockIdx.y; row < (a).rows; row += gridDim.y)

#endif
