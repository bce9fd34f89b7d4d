/*
 * The table of stored types.  Conversions read their input byte-wise, since nothing promises that a
 * file's elements are aligned in memory.
 */
#include "base/dtype.h"

float float_from_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3ff;
    if (exponent == 31) return float_from_bits(sign | 0x7f800000u | mantissa << 13);
    if (exponent != 0) return float_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    float small = (float)mantissa * 0x1p-24f; /* subnormal or zero */
    return sign ? -small : small;
}

static void widen_f32(float *out, const void *in, size_t n) {
    memcpy(out, in, n * sizeof *out);
}

static void widen_bf16(float *out, const void *in, size_t n) {
    const char *bytes = in;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, bytes + i * sizeof h, sizeof h);
        out[i] = float_from_bf16(h);
    }
}

static void widen_f16(float *out, const void *in, size_t n) {
    const char *bytes = in;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, bytes + i * sizeof h, sizeof h);
        out[i] = float_from_f16(h);
    }
}

/* In place, an element is read before anything is written beyond its beginning. */
static void narrow_bf16(void *out, const float *in, size_t n) {
    char *bytes = out;
    for (size_t i = 0; i < n; i++) {
        uint16_t h = bf16_from_float(in[i]);
        memcpy(bytes + i * sizeof h, &h, sizeof h);
    }
}

static const struct dtype_info TYPES[] = {
    [DTYPE_F32] = {"float32", 1, 4, widen_f32, NULL},
    [DTYPE_BF16] = {"bfloat16", 1, 2, widen_bf16, narrow_bf16},
    [DTYPE_F16] = {"float16", 1, 2, widen_f16, NULL},
};
_Static_assert(sizeof TYPES / sizeof TYPES[0] == DTYPE_COUNT, "every type has its row");

const struct dtype_info *dtype_info(enum dtype t) {
    return &TYPES[t];
}

const char *dtype_name(enum dtype t) {
    return TYPES[t].name;
}

size_t dtype_bytes(enum dtype t, size_t n) {
    return n / TYPES[t].block_elements * TYPES[t].block_bytes;
}

void floats_from(float *out, const void *in, enum dtype t, size_t n) {
    TYPES[t].widen(out, in, n);
}

void floats_scale(float *x, const struct scales *s, size_t columns, size_t from, size_t n) {
    if (!s->data) return;
    size_t tiles = (columns + s->tile_columns - 1) / s->tile_columns; /* side by side */
    while (n > 0) {
        size_t row = from / columns, column = from % columns, tile = column / s->tile_columns;
        size_t end = (tile + 1) * s->tile_columns;
        size_t here = (end < columns ? end : columns) - column;
        float scale = s->data[row / s->tile_rows * tiles + tile];
        if (here > n) here = n;
        for (size_t i = 0; i < here; i++) x[i] *= scale;
        x += here;
        from += here;
        n -= here;
    }
}
