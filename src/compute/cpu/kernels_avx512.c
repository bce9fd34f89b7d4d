/*
 * x86-64-v4: 32 registers of 16 lanes.  Eight rows keep 16 sums in flight, enough to hide the latency of two multiply-add
 * units, and leave the row pointers in general registers.
 */
#define LANES 16
#define ROWS  8
#include "compute/cpu/kernels.inc"

extern const struct kernels kernels_avx512;
const struct kernels kernels_avx512 = KERNEL_TABLE("avx512", NULL);
