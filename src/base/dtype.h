/*
 * dtype.h - the types in which weights are stored, one row each, and their conversion to float32.
 *
 * A type is stored in blocks: the smallest piece that can be read by itself.  A block of float32 is
 * one element; formats that pack elements under a common scale have larger ones, with the scale
 * inside.  Whoever needs a size or a conversion asks the table, so that a new type is a new row in
 * dtype.c and nothing else.
 */
#ifndef BASE_DTYPE_H
#define BASE_DTYPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum dtype { DTYPE_F32, DTYPE_BF16, DTYPE_F16, DTYPE_COUNT };

struct dtype_info {
    const char *name;      /* "float32", "bfloat16", "float16" */
    size_t block_elements; /* of one block */
    size_t block_bytes;
    /* Converts n elements, a multiple of block_elements, at `in`, which may be unaligned. */
    void (*widen)(float *out, const void *in, size_t n);
    /* Rounds n floats to the type; out may be in.  NULL: what was computed from such weights is kept
     * as float32. */
    void (*narrow)(void *out, const float *in, size_t n);
};

const struct dtype_info *dtype_info(enum dtype t);
const char *dtype_name(enum dtype t);

/* Bytes of n elements, a multiple of the type's block_elements. */
size_t dtype_bytes(enum dtype t, size_t n);

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

/* The type's own widen. */
void floats_from(float *out, const void *in, enum dtype t, size_t n);

/* What the elements of a matrix are multiplied by, where they lie scaled and the scales beside them:
 * one for the whole matrix, for each row, or for each tile of rows and columns. */
struct scales {
    const float *data; /* of the tiles, row-major; NULL: the elements are as they are */
    size_t tile_rows, tile_columns; /* elements of a tile; the last ones may reach over the edge */
};

/* Multiplies x, the elements [from, from + n) of a row-major matrix of so many columns. */
void floats_scale(float *x, const struct scales *s, size_t columns, size_t from, size_t n);

#endif
