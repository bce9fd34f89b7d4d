/* Any CPU: four lanes, which every compiler lowers to what it has. */
#define LANES                 4
#define ROWS                  4
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#define LARGER(a, b)          pick((a) > (b), a, b)
#define WEIGHT_MAX            127
#include "compute/cpu/kernels.inc"

extern const struct kernels kernels_generic;
const struct kernels kernels_generic = KERNEL_TABLE("generic", .product_bf16 = NULL);
