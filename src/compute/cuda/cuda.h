/*
 * cuda.h - the CUDA backend's own types, shared by its files.
 *
 * A device is a card's context, the kernels loaded into it, and three things that edits share:
 *
 *   lanes    streams of the driver's: each workspace that is at work has one (stream.c)
 *   fences   events that one lane records and others wait for (stream.c)
 *   ring     pinned memory that copies pass through (copy.c)
 *
 * Every result of the driver's is looked at by cuda_ok.  Once the device is lost nothing of the
 * driver is called any more, not even to give something back: whoever gives back asks
 * cuda_is_alive.
 */
#ifndef CUDA_CUDA_H
#define CUDA_CUDA_H

#include <pthread.h>

#include "base/pool.h"
#include "compute/backend.h"
#include "compute/cuda/driver.h"
#include "compute/cuda/kernels/args.h"

static inline int64_t round_to(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}

static inline int64_t tiles_of(int64_t n, int64_t tile) {
    return (n + tile - 1) / tile;
}

/* ---- kernels: launch.c ---- */

/* Name, and the threads of a block. */
#define CUDA_KERNELS(X)                                                                            \
    X(gemm_f32, 256)                                                                               \
    X(gemm_bf16, 256)                                                                              \
    X(gemm_bf16_small, 128)                                                                        \
    X(gemm_int8, 256)                                                                              \
    X(round_rows, 256)                                                                             \
    X(attention_128, 256)                                                                          \
    X(attention_80, 256)                                                                           \
    X(attention_64, 256)                                                                           \
    X(attention_f32, 256)                                                                          \
    X(attention_f32_wide, 256)                                                                     \
    X(conv_split, 256)                                                                             \
    X(conv_f32, 256)                                                                               \
    X(rms_norm, 256)                                                                               \
    X(layer_norm_modulate, 256)                                                                    \
    X(channel_norm, 256)                                                                           \
    X(norm_rotary, 256)                                                                            \
    X(copy, 256)                                                                                   \
    X(rows, 256)                                                                                   \
    X(silu_of, 256)                                                                                \
    X(silu_mul, 256)                                                                               \
    X(guide, 256)                                                                                  \
    X(euler_step, 256)                                                                             \
    X(all_finite, 256)                                                                             \
    X(normalise, 256)                                                                              \
    X(denormalise, 256)                                                                            \
    X(pack, 256)                                                                                   \
    X(unpack, 256)                                                                                 \
    X(clamp, 256)                                                                                  \
    X(to_bytes, 256)

#define CUDA_KERNEL_NUMBER(NAME, THREADS) KERNEL_##NAME,
enum cuda_kernel { CUDA_KERNELS(CUDA_KERNEL_NUMBER) KERNEL_COUNT };
#undef CUDA_KERNEL_NUMBER

/* ---- lanes and fences: stream.c ---- */

enum { TIMED = 128 }; /* operations of a lane whose times nobody has asked the driver for yet */

/* One operation's time: what lies between two events. */
struct timing {
    enum operation kind;
    cu_event start, stop;
};

struct lane {
    struct lane *next; /* of those that nobody has */
    cu_stream stream;
    struct timing timings[TIMED]; /* a ring: events are made when first needed */
    int first, count;
};

struct fence_event {
    cu_event event;
    uint64_t generation; /* how often it was recorded */
};

struct fences {
    pthread_mutex_t mutex;
    struct fence_event *events;
    size_t count, next; /* the one to be recorded next, if what it marks has been reached */
};

/* ---- copies: copy.c ---- */

enum { RING_CHUNKS = 4, CHUNK_BYTES = 16 << 20 };

struct chunk {
    char *memory;
    cu_event copied; /* when it may be written again */
    bool taken, under_way;
};

struct ring {
    pthread_mutex_t mutex;
    pthread_cond_t given;
    struct chunk chunks[RING_CHUNKS];
    int next;
};

/* ---- the device: cuda.c ---- */

struct cuda {
    struct compute base;
    const struct cuda_driver *driver; /* NULL: a plan for a card that is not here */
    uint64_t planned;                 /* its memory */
    int number;                       /* as in cuda:1 */
    cu_device card;
    cu_context context;
    cu_module module;
    cu_function kernels[KERNEL_COUNT];
    char kernels_name[32];
    struct pool *pool;   /* for packing */
    struct lane loading; /* what no workspace asks for: weights that stay */
    pthread_mutex_t lanes_mutex;
    struct lane *lanes; /* that nobody has */
    struct fences fences;
    struct ring ring;
};

static inline struct cuda *cuda_of(const struct compute *c) {
    return (struct cuda *)c;
}

static inline struct lane *cuda_lane(const struct workspace *w) {
    return w->lane ? w->lane : &cuda_of(w->compute)->loading;
}

static inline bool cuda_is_alive(const struct cuda *d) {
    return atomic_load(&d->base.state) == DEVICE_ALIVE;
}

/* Whether a call of the driver's went well.  Else w has failed, and the device is lost if that is
 * what the driver says; where w is NULL, it is. */
bool cuda_ok(struct cuda *d, struct workspace *w, cu_result r, const char *what);

/* Makes the device's context the calling thread's; false after cuda_ok's false. */
bool cuda_enter(struct cuda *d, struct workspace *w);

/* An address as an argument of a kernel; never followed here. */
static inline void *cuda_at(uint64_t address) {
    return (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
}

/* Loads the kernels: machine code where there is some for this chip, else PTX.  STATUS_INVALID,
 * STATUS_NO_MEMORY, STATUS_INTERNAL. */
enum status cuda_load_kernels(struct cuda *d, struct error *err);

struct grid {
    int64_t x, y;
    size_t shared; /* dynamic shared memory, bytes */
};
/* For the kernels that take an element a thread (kernels/elementwise.h). */
static inline struct grid by_columns(int64_t rows, int64_t cols) {
    return (struct grid){tiles_of(cols, 256), rows < UINT16_MAX ? rows : UINT16_MAX, 0};
}

/* Asks for a kernel in w's lane; `args` is the struct of kernels/args.h that it takes. */
void cuda_launch(struct workspace *w, enum cuda_kernel kernel, struct grid grid, void *args);

enum status cuda_lane_create(struct cuda *d, struct lane *lane, struct error *err);
void cuda_lane_destroy(struct cuda *d, struct lane *lane);
void cuda_fences_destroy(struct cuda *d);
enum status cuda_begin(struct workspace *w, struct error *err);
void cuda_end(struct workspace *w);
uint64_t cuda_fence(struct workspace *w);
void cuda_after(struct workspace *w, uint64_t number);
void cuda_clock_start(struct workspace *w, enum operation kind);
void cuda_clock_stop(struct workspace *w);
void cuda_wait(struct workspace *w);

/* memory.c */
void cuda_memory(const struct compute *c, struct device_memory *out);
uint64_t cuda_allocate(struct compute *c, size_t bytes);
void cuda_release(struct compute *c, uint64_t memory, size_t bytes);
void *cuda_reserve_host(struct compute *c, size_t bytes);
void cuda_release_host(struct compute *c, void *memory, size_t bytes);

/* ---- copies ---- */

enum status cuda_ring_create(struct cuda *d, struct error *err);
void cuda_ring_destroy(struct cuda *d);

/* Rows of bytes in device memory. */
struct span {
    uint64_t address;
    int64_t rows;
    size_t width, pitch;
};

/* Where the bytes of a span come from, or go to.  Any thread may be asked, for any part of a row. */
struct source {
    void (*write)(const void *arg, void *to, int64_t row, size_t from, size_t bytes);
    /* Called after all of the rows' bytes were written; may be NULL. */
    void (*done)(const void *arg, int64_t row, int64_t rows);
    const void *arg;
};
struct sink {
    void (*read)(const void *arg, const void *from, int64_t row, size_t at, size_t bytes);
    const void *arg;
};

/* In w's lane, by way of the ring: the source is not read any more when this returns, and the sink
 * has all. */
void cuda_send(struct workspace *w, struct span to, struct source from);
void cuda_fetch(struct workspace *w, struct span from, struct sink to);
/* n bytes that lie side by side. */
void cuda_send_bytes(struct workspace *w, uint64_t to, const void *from, size_t n);

/* ---- weights: pack.c ---- */

enum product { PRODUCT_F32, PRODUCT_BF16, PRODUCT_INT8 };

struct cuda_linear {
    struct linear base;
    enum product product;
    enum dtype
        stored; /* weights of a PRODUCT_F32 may be bfloat16, and are widened for each product */
    uint64_t weights; /* [out][stride] */
    uint64_t bias;    /* [out] float32 */
    uint64_t scales;  /* PRODUCT_INT8: [out] float32 */
    int64_t stride;   /* elements */
    size_t taken;     /* bytes of memory */
};

struct cuda_conv {
    struct conv base;
    bool split; /* for conv_split: bfloat16 in two parts, [2][taps][out][depth]; else
                         float32, [taps][in][out] */
    uint64_t weights;
    uint64_t bias; /* [out] float32 */
    int64_t depth;
    size_t taken;
};

enum status cuda_pack_linear(struct compute *c, struct workspace *into, struct linear **out,
                             const struct matrix *parts, size_t count, const float *bias,
                             unsigned bears, struct error *err);
enum status cuda_pack_conv(struct compute *c, struct conv **out, const float *weight,
                           const float *bias, int64_t out_channels, int64_t in_channels, int size,
                           unsigned bears, struct error *err);
void cuda_linear_destroy(struct linear *l);
void cuda_conv_destroy(struct conv *v);

/* ---- operations: ops.c ---- */

size_t cuda_linear_scratch(struct compute *c, struct tensor out, struct tensor in,
                           const struct linear *l);
size_t cuda_rows_scratch(struct compute *c, struct tensor out);
size_t cuda_attention_scratch(struct compute *c, struct tensor q, struct tensor k,
                              const struct attention *a);
size_t cuda_conv_scratch(struct compute *c, struct feature_map out, struct feature_map in,
                         const struct conv *v, const struct conv_options *o);
#define OPERATION_OF_CUDA(NAME, KIND, ...) void cuda_##NAME(struct workspace *w, __VA_ARGS__);
OPERATIONS(OPERATION_OF_CUDA)
#undef OPERATION_OF_CUDA

#endif
