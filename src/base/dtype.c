#include "base/dtype.h"

size_t dtype_size(enum dtype t) {
    return t == DTYPE_F32 ? 4 : 2;
}

const char *dtype_name(enum dtype t) {
    static const char *const names[] = {"float32", "bfloat16", "float16"};
    return names[t];
}

float float_from_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3ff;
    if (exponent == 31) return float_from_bits(sign | 0x7f800000u | mantissa << 13);
    if (exponent != 0) return float_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    float small = (float)mantissa * 0x1p-24f; /* subnormal or zero */
    return sign ? -small : small;
}

void floats_from(float *out, const void *in, enum dtype t, size_t n) {
    if (t == DTYPE_F32) {
        memcpy(out, in, n * sizeof *out);
        return;
    }
    const char *bytes = in;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, bytes + i * 2, 2);
        out[i] = t == DTYPE_BF16 ? float_from_bf16(h) : float_from_f16(h);
    }
}
