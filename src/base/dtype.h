/*
 * dtype.h - the number formats in which weights are stored, and their conversion to float32.
 */
#ifndef BASE_DTYPE_H
#define BASE_DTYPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum dtype { DTYPE_F32, DTYPE_BF16, DTYPE_F16 };

size_t dtype_size(enum dtype t);      /* bytes of one number */
const char *dtype_name(enum dtype t); /* "float32", "bfloat16", "float16" */

static inline float float_from_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t bits_from_float(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline float float_from_bf16(uint16_t h) {
    return float_from_bits((uint32_t)h << 16);
}

/* Round to nearest, ties to even; NaN stays NaN. */
static inline uint16_t bf16_from_float(float f) {
    uint32_t bits = bits_from_float(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

float float_from_f16(uint16_t h);

/* Converts n numbers of type t at `in`, which may be unaligned, to float32. */
void floats_from(float *out, const void *in, enum dtype t, size_t n);

#endif
