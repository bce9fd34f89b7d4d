/*
 * noise.h - normal random numbers, the same that torch.randn draws from a seed.
 *
 * An edit starts from noise, and the noise decides what the edit looks like: with a seed's noise
 * equal to torch's, a picture made with diffusers can be made again here.  torch has two
 * generators, and a seed means different numbers in each of them.
 *
 *     float *latents = malloc(n * sizeof *latents);
 *     noise_fill(latents, n, seed, NOISE_TORCH_CPU, false);
 *
 * The random bits and the arithmetic are torch's (version 2.15), but log, sin and cos are the C
 * library's.  torch has vector code there: a number differs from torch's on the CPU by at most 2e-6
 * (5e-7 seen in millions), and one that lies so close to the middle between two bfloat16 numbers
 * may round to the other neighbour (2 in a million).  A GPU's fast sin and cos err somewhat more.
 *
 * Sources: torch, ATen/core/MT19937RNGEngine.h, ATen/core/DistributionsHelper.h,
 * ATen/native/cpu/DistributionTemplates.h and ATen/native/cuda/DistributionTemplates.h; CUDA,
 * curand_normal.h; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (Philox).
 */
#ifndef PIPELINE_NOISE_H
#define PIPELINE_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum noise_generator {
    NOISE_TORCH_CPU,  /* torch.Generator("cpu"): MT19937; of the seed it looks at the low 32 bits */
    NOISE_TORCH_CUDA, /* torch.Generator("cuda"): Philox4x32-10, all 64 bits of the seed */
};

/* How a GPU's numbers lie in the tensor depends on how many threads torch starts on it: one for
 * every number, but no more than the GPU holds at a time.  Ours is the H100's and H200's number,
 * 132 multiprocessors of 2048 threads.  Up to here (a picture of 1.08 million pixels) all GPUs that
 * hold as many threads as there are numbers draw the same; a smaller GPU, or a larger picture on
 * another one, gives other numbers for the same seed, in torch as well. */
enum { NOISE_CUDA_THREADS = 132 * 2048 };

/* Writes what torch.randn(n, generator=torch.Generator(g).manual_seed(seed)) gives, the first draw
 * after seeding.  Order: as the tensor lies in memory; n may be 0.
 * bfloat16: what torch.randn(..., dtype=torch.bfloat16) gives, widened to float32.  On the CPU that
 * is not always the rounded float32 draw: the last 16 numbers (n >= 16, no multiple of 16) are
 * others.  Cannot fail; no state is kept between calls. */
void noise_fill(float *out, size_t n, uint64_t seed, enum noise_generator g, bool bfloat16);

#endif
