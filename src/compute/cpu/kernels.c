/*
 * Asks the processor for its instruction sets once, and takes the first table, from the widest on,
 * that it can run and whose way of multiplying the caller allows.
 */
#include "compute/cpu/kernels.h"

#include <string.h>

extern const struct kernels kernels_generic;
#ifdef FIRERED_X86
extern const struct kernels kernels_avx2, kernels_avx512, kernels_avx512_vnni, kernels_avx512_bf16;
#endif

struct choice {
    const struct kernels *table;
    bool here;                /* this CPU can run it */
    enum precision precision; /* that it multiplies otherwise than the tables below it */
};

const struct kernels *kernels_choose(const char *name, unsigned precisions) {
#ifdef FIRERED_X86
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    bool bf16 = vnni && __builtin_cpu_supports("avx512bf16");
    const struct choice choices[] = {{&kernels_avx512_bf16, bf16, PRECISION_BFLOAT16},
                                     {&kernels_avx512_vnni, vnni, PRECISION_INT8},
                                     {&kernels_avx512, avx512, PRECISION_FLOAT32},
                                     {&kernels_avx2, avx2, PRECISION_FLOAT32},
                                     {&kernels_generic, true, PRECISION_FLOAT32}};
#else
    const struct choice choices[] = {{&kernels_generic, true, PRECISION_FLOAT32}};
#endif
    precisions |= PRECISION_FLOAT32;
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        const struct choice *c = &choices[i];
        if (!c->here) continue;
        if (name ? strcmp(name, c->table->name) == 0 : precisions & c->precision) return c->table;
    }
    return NULL;
}
