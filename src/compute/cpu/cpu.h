/*
 * cpu.h - the CPU backend's own types, shared by its files.
 */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include <pthread.h>
#include <string.h>

#include "base/pool.h"
#include "compute/backend.h"
#include "compute/cpu/guard.h"
#include "compute/cpu/kernels.h"

struct cpu {
    struct compute base;
    pthread_mutex_t
        reserving; /* one workspace at a time looks how much memory is left, and takes it */
    struct pool *pool;
    struct guard *guard; /* NULL without */
    const struct kernels *kernels;
};

/* How the elements of a packed right-hand side are stored and multiplied. */
enum product_kind {
    PRODUCT_F32,          /* float32 weights */
    PRODUCT_BF16_WEIGHTS, /* bfloat16 weights widened on the way into the product: exact */
    PRODUCT_BF16,         /* both sides bfloat16 */
    PRODUCT_INT8,         /* both sides 8 bits */
    PRODUCT_KINDS
};

struct cpu_linear_weights {
    struct linear base;
    enum product_kind kind;
    int64_t panels; /* of kernels->cols columns; the last one padded with zeros */
    int64_t depth;  /* in_features, rounded up to even for PRODUCT_BF16, to 4 for PRODUCT_INT8 */
    char *packed;   /* [panels][depth][cols], see kernels.h */
    float *bias;    /* [panels * cols], zeros where there is none */
    /* PRODUCT_INT8, [panels * cols]: a weight is its 8 bits times its column's scale, and each sum
     * is too large by its column's offset. */
    float *scales;
    int32_t *offsets;
};

struct cpu_conv_weights {
    struct conv base;
    int64_t panels;
    float *packed; /* [size * size][panels][in_channels][cols] */
    float *bias;
};

static inline struct cpu *cpu_of(struct compute *c) {
    return (struct cpu *)c;
}

/* Where an address leads that has entered the backend. */
static inline void *cpu_pointer(uint64_t address) {
    return (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
}

/* The start of a float32 tensor's row. */
static inline float *cpu_row(struct tensor t, int64_t row) {
    return (float *)cpu_pointer(t.address) + row * t.stride;
}

/* An element of a tensor in bfloat16. */
static inline uint16_t *cpu_bf16(struct tensor t, int64_t row, int64_t col) {
    return (uint16_t *)cpu_pointer(t.address) + row * t.stride + col;
}

/* n elements of any tensor as floats: where they are, or widened into `buffer`. */
static inline const float *cpu_floats(struct tensor t, int64_t row, int64_t col, int64_t n,
                                      float *buffer) {
    if (t.type == DTYPE_F32) return cpu_row(t, row) + col;
    floats_from(buffer, cpu_bf16(t, row, col), DTYPE_BF16, (size_t)n);
    return buffer;
}

/* Where n floats are to be computed that cpu_store then brings into the tensor: there, or in
 * `buffer`. */
static inline float *cpu_place(struct tensor t, int64_t row, int64_t col, float *buffer) {
    return t.type == DTYPE_F32 ? cpu_row(t, row) + col : buffer;
}

static inline void cpu_store(const struct kernels *k, struct tensor t, int64_t row, int64_t col,
                             const float *x, int64_t n) {
    if (t.type != DTYPE_F32) k->to_bf16(cpu_bf16(t, row, col), x, n);
}

/* n floats from anywhere into any tensor. */
static inline void cpu_write(const struct kernels *k, struct tensor t, int64_t row, int64_t col,
                             const float *x, int64_t n) {
    if (t.type == DTYPE_F32)
        memcpy(cpu_row(t, row) + col, x, (size_t)n * sizeof *x);
    else
        k->to_bf16(cpu_bf16(t, row, col), x, n);
}

static inline size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

static inline int64_t min_of(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* A row of n elements in 8 bits, its largest magnitude becoming `max`, and INT8_ZERO up to
 * `capacity`; returns what they are to be multiplied by.  A row with a number that is not finite
 * gets a factor that is none: so will be all that comes of it. One so small that the factor's
 * inverse has no place in a float is zero. */
float cpu_round_row(const struct kernels *k, uint8_t *out, int64_t capacity, const float *x,
                    int64_t n, int max);

/* The backend's own way to memory that it has allocated or taken, and back; NULL is 0. */
void *cpu_memory(const struct compute *c, uint64_t address);
uint64_t cpu_address(const struct compute *c, const void *memory);

uint64_t cpu_allocate(struct compute *c, size_t bytes);
void cpu_device_memory(const struct compute *c, struct device_memory *out);
uint64_t cpu_reserve(struct compute *c, size_t bytes);
void cpu_release(struct compute *c, uint64_t address, size_t bytes);
void *cpu_reserve_host(struct compute *c, size_t bytes);
void cpu_release_host(struct compute *c, void *memory, size_t bytes);
void cpu_spoil(struct compute *c, uint64_t address, size_t bytes);

/* Elements [column, column + n) of a row of a stored matrix, as float32. */
void cpu_read_matrix(float *out, const struct matrix *m, int64_t row, int64_t column, int64_t n);

enum status cpu_pack_linear(struct compute *c, struct workspace *into, struct linear **out,
                            const struct matrix *parts, size_t count, const float *bias,
                            unsigned bears, struct error *err);
enum status cpu_pack_conv(struct compute *c, struct conv **out, const float *weight,
                          const float *bias, int64_t out_channels, int64_t in_channels, int size,
                          unsigned bears, struct error *err);
void cpu_linear_destroy(struct linear *l);
void cpu_conv_destroy(struct conv *v);

size_t cpu_linear_scratch(struct compute *c, struct tensor out, struct tensor in,
                          const struct linear *l);
size_t cpu_conv_scratch(struct compute *c, struct feature_map out, struct feature_map in,
                        const struct conv *v, const struct conv_options *o);
size_t cpu_attention_scratch(struct compute *c, struct tensor q, struct tensor k,
                             const struct attention *a);

size_t cpu_rows_scratch(struct compute *c, struct tensor out);
#define OPERATION_OF_CPU(NAME, KIND, ...) void cpu_##NAME(struct workspace *w, __VA_ARGS__);
OPERATIONS(OPERATION_OF_CPU)
#undef OPERATION_OF_CPU

#endif
