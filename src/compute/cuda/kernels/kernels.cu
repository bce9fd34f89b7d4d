/*
 * All kernels in one piece: a chip's machine code is one module, and so is the PTX.
 */
#include "attention.cu"
#include "conv.cu"
#include "elementwise.cu"
#include "gemm_bf16.cu"
#include "gemm_f32.cu"
#include "gemm_int8.cu"
#include "norms.cu"
#include "steps.cu"
#include "unpack.cu"
