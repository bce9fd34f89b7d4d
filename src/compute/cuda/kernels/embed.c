/*
 * Puts the two files that were built beside this one into the program, as they are.
 */
#include "compute/cuda/kernels/embed.h"

#define EMBED(NAME, FILE)                                                                          \
    __asm__(".section .rodata\n"                                                                   \
            ".balign 64\n"                                                                         \
            ".global " NAME "\n" NAME ":\n"                                                        \
            ".incbin \"" FILE "\"\n"                                                               \
            ".global " NAME "_end\n" NAME "_end:\n"                                                \
            ".byte 0\n"                                                                            \
            ".previous\n")

EMBED("firered_cuda_fatbin", FATBIN);
EMBED("firered_cuda_ptx", PTX);
