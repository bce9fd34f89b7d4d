/*
 * embed.h - the kernels as they lie in the program: two fatbins for cuModuleLoadData.  Each begins at
 * a multiple of 64 bytes; both are of no bytes in a program that was built without nvcc.
 */
#ifndef KERNELS_EMBED_H
#define KERNELS_EMBED_H

/* Machine code for the chips that were known. */
extern const char firered_cuda_fatbin[], firered_cuda_fatbin_end[];

/* PTX of compute_80: for a chip that the other has nothing for. */
extern const char firered_cuda_ptx[], firered_cuda_ptx_end[];

#endif
