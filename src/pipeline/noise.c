/*
 * Uniform random bits become normal numbers by Box and Muller: two uniform numbers give a radius
 * and an angle, whose two coordinates are normal.
 *
 * On the CPU torch has one stream of bits (MT19937) and three ways through it: below 16 numbers one
 * pair after the other in double precision; from 16 on groups of 16 in single precision, whose last
 * group, where n is no multiple of 16, overwrites the end of the one before.  On a GPU every thread
 * has a stream of its own (Philox with the thread's number in its counter), and takes four numbers
 * from it at a time, which lie a whole grid of threads apart in the tensor.
 *
 * What is float and what is double here is so in torch, and decides about the last bits.
 */
#include "pipeline/noise.h"

#include <math.h>

#include "base/dtype.h"

static const float TWO_PI = 6.2831855f;

enum { MT_SIZE = 624, MT_MIDDLE = 397, GROUP = 16 };

struct mt19937 {
    uint32_t state[MT_SIZE];
    int next;
};

static void mt19937_seed(struct mt19937 *g, uint64_t seed) {
    g->state[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < MT_SIZE; i++) {
        uint32_t last = g->state[i - 1];
        g->state[i] = 1812433253u * (last ^ last >> 30) + i;
    }
    g->next = MT_SIZE;
}

static void mt19937_renew(struct mt19937 *g) {
    for (int i = 0; i < MT_SIZE; i++) {
        uint32_t low = g->state[(i + 1) % MT_SIZE];
        uint32_t mixed = (g->state[i] & 0x80000000u) | (low & 0x7fffffffu);
        g->state[i] =
            g->state[(i + MT_MIDDLE) % MT_SIZE] ^ mixed >> 1 ^ (low & 1 ? 0x9908b0dfu : 0);
    }
    g->next = 0;
}

static uint32_t mt19937_draw(struct mt19937 *g) {
    if (g->next == MT_SIZE) mt19937_renew(g);
    uint32_t y = g->state[g->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* In [0, 1), with as many random bits as the type has. */
static float uniform_float(struct mt19937 *g) {
    return (float)(mt19937_draw(g) & 0xffffffu) * 0x1p-24f;
}

static double uniform_double(struct mt19937 *g) {
    uint64_t high = mt19937_draw(g);
    uint64_t bits = high << 32 | mt19937_draw(g);
    return (double)(bits & 0x1fffffffffffffu) * 0x1p-53;
}

/* at::normal_distribution<double>: the second number of a pair waits for the next call. */
static void fill_pairs(float *out, size_t n, struct mt19937 *g) {
    for (size_t i = 0; i < n; i += 2) {
        double angle = 2.0 * M_PI * uniform_double(g);
        double radius = sqrt(-2.0 * log1p(-uniform_double(g)));
        out[i] = (float)(radius * cos(angle));
        if (i + 1 < n) out[i + 1] = (float)(radius * sin(angle));
    }
}

/* NormalFill16: numbers i and i + 8 are a pair. */
static void fill_group(float out[GROUP], struct mt19937 *g) {
    for (int i = 0; i < GROUP; i++) out[i] = uniform_float(g);
    for (int i = 0; i < GROUP / 2; i++) {
        float radius = sqrtf(-2.0f * logf(1.0f - out[i])); /* 1 - x: log wants (0, 1] */
        float angle = TWO_PI * out[i + GROUP / 2];
        out[i] = radius * cosf(angle);
        out[i + GROUP / 2] = radius * sinf(angle);
    }
}

/* normal_fill, n >= 16.  torch fills a float32 tensor with n uniform numbers before it turns groups
 * into normal ones, so the rest that makes no group is drawn in vain; bfloat16 goes group by group.
 */
static void fill_groups(float *out, size_t n, bool bfloat16, struct mt19937 *g) {
    size_t rest = n % GROUP;
    for (size_t i = 0; i < n - rest; i += GROUP) fill_group(out + i, g);
    if (rest == 0) return;
    for (size_t i = 0; i < rest && !bfloat16; i++) mt19937_draw(g);
    fill_group(out + n - GROUP, g);
}

static void cpu_fill(float *out, size_t n, uint64_t seed, bool bfloat16) {
    struct mt19937 g;
    mt19937_seed(&g, seed);
    if (n < GROUP)
        fill_pairs(out, n, &g);
    else
        fill_groups(out, n, bfloat16, &g);
}

/* Philox4x32-10 of the counter {block's low half, high half, thread's low half, high half}. */
static void philox(uint32_t out[4], uint64_t seed, uint64_t thread, uint64_t block) {
    uint32_t c[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)thread,
                     (uint32_t)(thread >> 32)};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)c[0] * 0xd2511f53u, b = (uint64_t)c[2] * 0xcd9e8d57u;
        c[0] = (uint32_t)(b >> 32) ^ c[1] ^ key[0];
        c[1] = (uint32_t)b;
        c[2] = (uint32_t)(a >> 32) ^ c[3] ^ key[1];
        c[3] = (uint32_t)a;
        key[0] += 0x9e3779b9u;
        key[1] += 0xbb67ae85u;
    }
    for (int i = 0; i < 4; i++) out[i] = c[i];
}

/* _curand_box_muller; its uniform numbers are in (0, 1), the radius' one rounded up to 1 at most.
 */
static void curand_pair(float out[2], uint32_t x, uint32_t y) {
    const float unit = 0x1p-32f, turn = 0x1p-32f * TWO_PI;
    float u = (float)x * unit + unit / 2, v = (float)y * turn + turn / 2;
    float radius = sqrtf(-2.0f * logf(u));
    out[0] = radius * sinf(v);
    out[1] = radius * cosf(v);
}

/* distribution_elementwise_grid_stride_kernel over curand_normal4: a thread's number k of block b
 * goes to place (4 b + k) * threads + thread.  curand_init puts the thread's number into the
 * counter's upper half; a fresh torch.Generator has offset 0. */
static void cuda_fill(float *out, size_t n, uint64_t seed) {
    const size_t threads = NOISE_CUDA_THREADS, stride = 4 * threads;
    for (size_t base = 0, block = 0; base < n; base += stride, block++) {
        size_t left = n - base;
        for (size_t thread = 0; thread < threads && thread < left; thread++) {
            uint32_t bits[4];
            float normal[4];
            philox(bits, seed, thread, block);
            curand_pair(normal, bits[0], bits[1]);
            curand_pair(normal + 2, bits[2], bits[3]);
            for (size_t k = 0; k < 4 && k * threads + thread < left; k++)
                out[base + k * threads + thread] = normal[k];
        }
    }
}

void noise_fill(float *out, size_t n, uint64_t seed, enum noise_generator g, bool bfloat16) {
    if (g == NOISE_TORCH_CPU)
        cpu_fill(out, n, seed, bfloat16);
    else
        cuda_fill(out, n, seed);
    if (!bfloat16) return;
    for (size_t i = 0; i < n; i++) out[i] = float_from_bf16(bf16_from_float(out[i]));
}
