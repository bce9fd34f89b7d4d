/*
 * Weights and rows of tables in their stored type, to bfloat16 or float32 on the device.
 *
 * A thread unpacks one number.  Numbers are those of the formats' own readers to the bit: a float16
 * scale is widened, its product with a group's scale is rounded before the number comes in, and no
 * product and sum become one operation.  Scales beside the weights come last.
 *
 * Rows of float32, bfloat16 and float16 begin at multiples of their size; rows of blocks begin
 * anywhere, and their columns are a multiple of a block's.
 */
#include "elementwise.h"

DEVICE const uint8_t *row_of(const unpack_args &a, int64_t row) {
    return (const uint8_t *)a.in + (a.ids ? a.ids[row] : row) * a.in_stride;
}

DEVICE void put(const unpack_args &a, int64_t row, int col, float x) {
    if (a.scales) {
        int64_t from = a.ids ? a.ids[row] : row;
        int64_t tiles = (a.cols + a.scale_cols - 1) / a.scale_cols;
        x *= a.scales[from / a.scale_rows * tiles + col / a.scale_cols];
    }
    write(a.out, row * a.out_stride + col, x, a.out_bf16);
}

#define UNPACK(NAME, EXPRESSION)                                                                   \
    extern "C" __global__ void __launch_bounds__(256)                                              \
        NAME(const __grid_constant__ unpack_args a) {                                              \
        EACH(a, row, i) {                                                                          \
            const uint8_t *in = row_of(a, row);                                                    \
            put(a, row, i, EXPRESSION);                                                            \
        }                                                                                          \
    }

DEVICE float from_f16(uint16_t h) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
    return x;
}

/* A float16 of a block, which begins at any even place or at none. */
DEVICE float half_at(const uint8_t *p) {
    return from_f16((uint16_t)(p[0] | p[1] << 8));
}

DEVICE float times(float x, float y) {
    return __fmul_rn(x, y);
}

/* fp8 e4m3: 1 sign, 4 exponent bits (bias 7), 3 fraction bits; no infinity, 0x7f and 0xff are NaN.
 * Its bits are shifted to where float32 has them, and the exponent's bias is made up for. */
DEVICE float from_e4m3(uint32_t b) {
    uint32_t magnitude = b & 0x7f;
    float x = __uint_as_float(magnitude << 20) * 0x1p120f; /* subnormals come out right, too */
    if (magnitude == 0x7f) x = __uint_as_float(0x7fc00000u);
    return b & 0x80 ? -x : x;
}

UNPACK(unpack_f32, ((const float *)in)[i])
UNPACK(unpack_bf16, from_bf16(((const uint16_t *)in)[i]))
UNPACK(unpack_f16, from_f16(((const uint16_t *)in)[i]))
UNPACK(unpack_e4m3, from_e4m3(in[i]))
UNPACK(unpack_e5m2, from_f16((uint16_t)(in[i] << 8))) /* the upper half of a float16 */

/* ---- GGUF: blocks of 32 ---- */

/* 16 bytes: their low halves are numbers 0 to 15, the high halves 16 to 31. */
DEVICE int nibble(const uint8_t *p, int at) {
    return p[at % 16] >> at / 16 * 4 & 15;
}

/* 4 bytes: the fifth bit of each number. */
DEVICE int fifth_bit(const uint8_t *p, int at) {
    return (p[at / 8] >> at % 8 & 1) * 16;
}

/* d, then nibbles less 8. */
DEVICE float q4_0(const uint8_t *row, int i) {
    const uint8_t *b = row + i / 32 * 18;
    return times(half_at(b), (float)(nibble(b + 2, i % 32) - 8));
}

/* d and m, then nibbles. */
DEVICE float q4_1(const uint8_t *row, int i) {
    const uint8_t *b = row + i / 32 * 20;
    return __fadd_rn(times(half_at(b), (float)nibble(b + 4, i % 32)), half_at(b + 2));
}

/* d, fifth bits, nibbles; less 16. */
DEVICE float q5_0(const uint8_t *row, int i) {
    const uint8_t *b = row + i / 32 * 22;
    int q = nibble(b + 6, i % 32) + fifth_bit(b + 2, i % 32);
    return times(half_at(b), (float)(q - 16));
}

/* d and m, fifth bits, nibbles. */
DEVICE float q5_1(const uint8_t *row, int i) {
    const uint8_t *b = row + i / 32 * 24;
    int q = nibble(b + 8, i % 32) + fifth_bit(b + 4, i % 32);
    return __fadd_rn(times(half_at(b), (float)q), half_at(b + 2));
}

/* d, then signed bytes. */
DEVICE float q8_0(const uint8_t *row, int i) {
    const uint8_t *b = row + i / 32 * 34;
    return times(half_at(b), (float)(int8_t)b[2 + i % 32]);
}

__constant__ const int8_t CURVE[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                       1,    13,   25,  38,  53,  69,  89,  113};

/* d, then places on the curve. */
DEVICE float iq4_nl(const uint8_t *row, int i) {
    const uint8_t *b = row + i / 32 * 18;
    return times(half_at(b), (float)CURVE[nibble(b + 2, i % 32)]);
}

UNPACK(unpack_q4_0, q4_0(in, i))
UNPACK(unpack_q4_1, q4_1(in, i))
UNPACK(unpack_q5_0, q5_0(in, i))
UNPACK(unpack_q5_1, q5_1(in, i))
UNPACK(unpack_q8_0, q8_0(in, i))
UNPACK(unpack_iq4_nl, iq4_nl(in, i))

/* ---- GGUF: blocks of 256 ---- */

/* 64 bytes of numbers of 2 bits: each half of the block has 32 bytes, whose lowest bits are its
 * first 32 numbers, and so on. */
DEVICE int two_bits(const uint8_t *p, int at) {
    return p[at / 128 * 32 + at % 32] >> at / 32 % 4 * 2 & 3;
}

/* 12 bytes: scales and minima, of 6 bits, of eight groups of 32. */
DEVICE int scale_of(const uint8_t *s, int group) {
    return group < 4 ? s[group] & 63 : (s[group + 4] & 15) | (s[group - 4] >> 6) << 4;
}

DEVICE int minimum_of(const uint8_t *s, int group) {
    return group < 4 ? s[group + 4] & 63 : s[group + 4] >> 4 | (s[group] >> 6) << 4;
}

/* (d scale) q - dmin minimum */
DEVICE float scaled(const uint8_t *d, int scale, int q, int minimum) {
    float x = times(times(half_at(d), (float)scale), (float)q);
    return __fsub_rn(x, times(half_at(d + 2), (float)minimum));
}

/* 16 bytes with scale and minimum, of 4 bits, of groups of 16; 2-bit numbers; d, dmin. */
DEVICE float q2_k(const uint8_t *row, int i) {
    const uint8_t *b = row + i / 256 * 84;
    int at = i % 256, group = b[at / 16];
    return scaled(b + 80, group & 15, two_bits(b + 16, at), group >> 4);
}

/* Third bits, which are not set where 4 is to be taken off; 2-bit numbers; 12 bytes with 6-bit
 * scales of groups of 16, less 32; d. */
DEVICE float q3_k(const uint8_t *row, int i) {
    const uint8_t *b = row + i / 256 * 110, *s = b + 96;
    int at = i % 256, group = at / 16;
    int low = group < 8 ? s[group] & 15 : s[group - 8] >> 4;
    int scale = low | (s[8 + group % 4] >> group / 4 * 2 & 3) << 4;
    int q = two_bits(b + 32, at) - (b[at % 32] >> at / 32 & 1 ? 0 : 4);
    return times(times(half_at(b + 108), (float)(scale - 32)), (float)q);
}

/* d, dmin, scales and minima, then 32 bytes for each two groups: low halves, high halves. */
DEVICE float q4_k(const uint8_t *row, int i) {
    const uint8_t *b = row + i / 256 * 144;
    int at = i % 256, group = at / 32;
    int q = b[16 + group / 2 * 32 + at % 32] >> group % 2 * 4 & 15;
    return scaled(b, scale_of(b + 4, group), q, minimum_of(b + 4, group));
}

/* The same with 32 bytes of fifth bits between, a bit of each byte for a group. */
DEVICE float q5_k(const uint8_t *row, int i) {
    const uint8_t *b = row + i / 256 * 176;
    int at = i % 256, group = at / 32;
    int q = b[48 + group / 2 * 32 + at % 32] >> group % 2 * 4 & 15;
    q += (b[16 + at % 32] >> group & 1) * 16;
    return scaled(b, scale_of(b + 4, group), q, minimum_of(b + 4, group));
}

/* 128 bytes of low halves, 64 of upper 2 bits, 16 signed scales of groups of 16, d; less 32.  Each
 * half of the block has 64 bytes of low halves: two groups of 32, then their high nibbles. */
DEVICE float q6_k(const uint8_t *row, int i) {
    const uint8_t *b = row + i / 256 * 210;
    int at = i % 256, part = at / 128, in_part = at % 128;
    int low = b[part * 64 + in_part % 64] >> in_part / 64 * 4 & 15;
    int q = (low | two_bits(b + 128, at) << 4) - 32;
    return times(times(half_at(b + 208), (float)(int8_t)b[192 + at / 16]), (float)q);
}

/* d, upper 2 bits and low 4 of the scales, less 32, of groups of 32; then places on the curve. */
DEVICE float iq4_xs(const uint8_t *row, int i) {
    const uint8_t *b = row + i / 256 * 136;
    int group = i % 256 / 32, low = b[4 + group / 2] >> group % 2 * 4 & 15;
    int scale = low | (b[2 + group / 4] >> group % 4 * 2 & 3) << 4;
    int q = CURVE[nibble(b + 8 + group * 16, i % 32)];
    return times(times(half_at(b), (float)(scale - 32)), (float)q);
}

UNPACK(unpack_q2_k, q2_k(in, i))
UNPACK(unpack_q3_k, q3_k(in, i))
UNPACK(unpack_q4_k, q4_k(in, i))
UNPACK(unpack_q5_k, q5_k(in, i))
UNPACK(unpack_q6_k, q6_k(in, i))
UNPACK(unpack_iq4_xs, iq4_xs(in, i))
