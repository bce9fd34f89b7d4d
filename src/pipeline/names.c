/*
 * The names of the library's enumerations, as settings, replies and logs have them.
 */
#include "firered.h"

const char *firered_dtype_name(enum firered_dtype t) {
    static const char *const names[] = {"auto", "float32", "bfloat16", "int8"};
    return names[t];
}

const char *firered_stage_name(enum firered_stage stage) {
    static const char *const names[] = {"encode", "denoise", "decode"};
    return names[stage];
}
