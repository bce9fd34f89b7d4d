/* x86-64-v3: 16 registers of 8 lanes; 6 x 2 sums, 2 for the panel, 1 for the row. */
#define LANES 8
#define ROWS  6
#include "compute/cpu/kernels.inc"

extern const struct kernels kernels_avx2;
const struct kernels kernels_avx2 = KERNEL_TABLE("avx2", NULL);
