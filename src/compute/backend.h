/*
 * backend.h - what a backend provides; only the files beside this one and the backends include it.
 *
 * Every operation gets a workspace that is not dry.  Scratch that an operation takes is taken, and
 * given back, inside the operation by backend_scratch in both modes, through its `*_scratch` twin,
 * so that dry and real runs agree.  It reaches the operation as a tensor of one row.
 *
 * Addresses of tensors that an operation or a copy gets have been entered (compute_enter); what the
 * backend allocates or takes itself has not.
 */
#ifndef COMPUTE_BACKEND_H
#define COMPUTE_BACKEND_H

#include <pthread.h>
#include <stdatomic.h>

#include "compute/operations.h"

/*
 * What a backend computes: the name of each operation, the kind that it is timed as, and what it
 * gets behind its workspace.  The members of the table below are made of this list, and so are a
 * backend's declarations: one that lacks an operation does not compile.
 */
/* clang-format off */
#define OPERATIONS(X)                                                                  \
    X(linear, LINEAR, struct tensor scratch, struct tensor out, struct tensor in,                  \
      const struct linear *l, const struct epilogue *e)                                            \
    X(attention, ATTENTION, struct tensor scratch, struct tensor out, struct tensor q,             \
      struct tensor k, struct tensor v, const struct attention *a)                                 \
    X(conv, CONV, struct tensor scratch, struct feature_map out, struct feature_map in,            \
      const struct conv *v, const struct conv_options *o)                                          \
    X(rms_norm, NORM, struct tensor out, struct tensor in, struct tensor weight, float eps)        \
    X(layer_norm_modulate, NORM, struct tensor out, struct tensor in, struct tensor scale,         \
      struct tensor shift, float eps)                                                              \
    X(channel_norm, NORM, struct tensor out, struct tensor in, struct tensor gamma, bool silu)     \
    X(norm_rotary, ROTARY, struct tensor x, int64_t head_dim, const struct tensor *norm, float eps,\
      struct tensor angles, enum rotary_pairs pairs)                                               \
    X(copy, ELEMENTWISE, struct tensor out, struct tensor in)                                      \
    X(rows, ELEMENTWISE, struct tensor scratch, struct tensor out, struct tensor in,               \
      const int32_t *rows)                                                                         \
    X(silu, ELEMENTWISE, struct tensor out, struct tensor in)                                      \
    X(silu_mul, ELEMENTWISE, struct tensor out, struct tensor gate, struct tensor up)              \
    X(guide, ELEMENTWISE, struct tensor velocity, struct tensor negative, double scale)            \
    X(euler_step, ELEMENTWISE, struct tensor latents, struct tensor velocity, float dt)            \
    X(all_finite, ELEMENTWISE, struct tensor flag, struct tensor in)                               \
    X(normalise, ELEMENTWISE, struct tensor out, struct tensor in, struct tensor mean,             \
      struct tensor std)                                                                           \
    X(denormalise, ELEMENTWISE, struct tensor out, struct tensor in, struct tensor mean,           \
      struct tensor std)                                                                           \
    X(pack, ELEMENTWISE, struct tensor tokens, struct feature_map map)                             \
    X(unpack, ELEMENTWISE, struct feature_map map, struct tensor tokens)                           \
    X(clamp, ELEMENTWISE, struct tensor out, struct tensor in)                                     \
    X(to_bytes, ELEMENTWISE, struct tensor out, struct tensor in)                                  \
    X(upload, TRANSFER, struct tensor out, const float *in)                                        \
    X(upload_rows, TRANSFER, struct tensor out, const struct matrix *table, const int32_t *rows)   \
    X(download, TRANSFER, float *out, struct tensor in)
/* clang-format on */

struct backend {
    const char *device;
    bool memory_is_host; /* see struct device_memory */
    void (*memory)(const struct compute *c, struct device_memory *out);
    void (*destroy)(struct compute *c);
    uint64_t (*allocate)(struct compute *c, size_t bytes); /* 0 when the memory is not there */
    /* The same, but the memory is really there when it returns, and was free: for a workspace,
     * which must not fail later. */
    uint64_t (*reserve)(struct compute *c, size_t bytes);
    void (*release)(struct compute *c, uint64_t memory, size_t bytes);
    /* For a guarded device: makes all of it NaN. */
    void (*spoil)(struct compute *c, uint64_t address, size_t bytes);
    /* The same for a workspace's host memory, which the device copies from and to: pinned where that
     * makes a difference, begins at a multiple of 64 bytes. */
    void *(*reserve_host)(struct compute *c, size_t bytes);
    void (*release_host)(struct compute *c, void *memory, size_t bytes);
    /* A workspace that is not dry, or a part of one, begins and ends: what the backend keeps for it is
     * w->lane.  When the end of one that is no part returns, nothing that it was asked for is under
     * way.  STATUS_NO_MEMORY, STATUS_DEVICE. */
    enum status (*begin)(struct workspace *w, struct error *err);
    void (*end)(struct workspace *w);
    /* workspace_fence and workspace_after.  A number stays good until the edit's workspace is
     * destroyed; 0 where all is done already, and not for `after`. */
    uint64_t (*fence)(struct workspace *w);
    void (*after)(struct workspace *w, uint64_t fence);

    /* The device's own clock.  What is asked of the device between the two is an operation of that
     * kind, and its seconds are in w->costs when `wait` has returned, if the operation went well. */
    void (*clock_start)(struct workspace *w, enum operation kind);
    void (*clock_stop)(struct workspace *w);
    /* Returns when everything that was asked for in this workspace is done. */
    void (*wait)(struct workspace *w);

    /* into: a workspace for the weights, or NULL for memory of the linear's own. */
    enum status (*pack_linear)(struct compute *c, struct workspace *into, struct linear **out,
                               const struct matrix *parts, size_t count, const float *bias,
                               unsigned bears, struct error *err);
    enum status (*pack_conv)(struct compute *c, struct conv **out, const float *weight,
                             const float *bias, int64_t out_channels, int64_t in_channels, int size,
                             unsigned bears, struct error *err);
    void (*linear_destroy)(struct linear *l);
    void (*conv_destroy)(struct conv *v);

    /* Bytes of scratch that the operation wants, for the largest operation of its kind. */
    size_t (*linear_scratch)(struct compute *c, struct tensor out, struct tensor in,
                             const struct linear *l);
    size_t (*rows_scratch)(struct compute *c, struct tensor out);
    size_t (*attention_scratch)(struct compute *c, struct tensor q, struct tensor k,
                                const struct attention *a);
    size_t (*conv_scratch)(struct compute *c, struct feature_map out, struct feature_map in,
                           const struct conv *v, const struct conv_options *o);

#define OPERATION_MEMBER(NAME, KIND, ...) void (*NAME)(struct workspace * w, __VA_ARGS__);
    OPERATIONS(OPERATION_MEMBER)
#undef OPERATION_MEMBER
};

/* In bytes: where what is taken from a workspace begins, and where a tensor's rows do. */
struct alignment {
    size_t piece, row; /* powers of 2; piece is a multiple of row, and row of 4 */
};

enum device_state { DEVICE_ALIVE, DEVICE_FAILING, DEVICE_LOST };

/* Where weights that stay are: weight_memory.c. */
struct weight_memory {
    pthread_mutex_t mutex;
    struct piece *pieces; /* the newest first */
    uint64_t size;        /* of all of them */
    uint64_t planned;     /* compute_options.weight_bytes */
};
void weight_memory_init(struct weight_memory *m, uint64_t planned);
void weight_memory_destroy(struct weight_memory *m); /* after all weights */

/* A backend's own state begins with this; what is not set at creation is zero. */
struct compute {
    struct weight_memory weights;
    const struct backend *backend;
    const char *kernels;
    int threads;
    unsigned precisions;
    struct alignment alignment;
    enum dtype operand;    /* tensor_take_operand: float32 or bfloat16 */
    int64_t conv_tile;     /* rows: op_conv_tile */
    bool guarded;          /* fresh memory is NaN, see cpu/guard.h */
    uint64_t entry;        /* what an address grows by on its way into the backend */
    bool plan_only;        /* what is packed has sizes, but no contents */
    bool elsewhere;        /* and the device is not here */
    uint64_t memory_limit; /* of the two below together, as far as the host's memory is meant;
                              UINT64_MAX for none */
    atomic_uint_least64_t weight_bytes, workspace_bytes;
    atomic_int state;      /* enum device_state */
    struct error why_lost; /* when DEVICE_LOST */
};

struct linear {
    struct compute *compute;
    int64_t out_features, in_features;
    uint64_t bytes;
    bool in_workspace; /* its memory goes with a workspace's */
};

struct conv {
    struct compute *compute;
    int64_t out_channels, in_channels;
    int size;
    uint64_t bytes;
};

struct vector {
    struct compute *compute;
    struct tensor t; /* [1, n] */
    bool in_workspace;
};

/* A stack of bytes. */
struct arena {
    size_t size, used, peak;
};

struct workspace {
    struct compute *compute;
    struct arena device, host;
    uint64_t device_memory; /* 0 when dry */
    char *host_memory;      /* NULL when dry */
    uint64_t counted;       /* against the memory limit */
    size_t recent;          /* workspace_recent_peak */
    bool dry;
    bool begun;           /* and the backend has a lane for it, which ends with it */
    struct workspace *of; /* whose memory this is a part of; NULL: its own */
    void *lane;           /* the backend's; NULL: it asks for nothing that others wait for */
    struct operation_cost costs[OPERATION_KINDS];
    enum operation timed; /* for clock_start and clock_stop: */
    double started;
    bool (*cancelled)(void *arg);
    void *arg;
    enum status
        failed; /* the first error, reported by workspace_check; nothing is computed after it */
    struct error why; /* its sentence */
};

/* All that an x86 or ARM process can address.  A plan of more is refused, and below it no sum or
 * product of sizes that a backend makes (none is more than some hundred times a tensor's) can
 * overflow. */
static const size_t WORKSPACE_MAX_BYTES = (size_t)1 << 47;

/* Memory for weights that stay, at a multiple of alignment.piece, counted in weight_bytes; 0 when
 * there is none, and on a plan-only device, where it is counted all the same. */
uint64_t weight_memory_take(struct compute *c, size_t bytes);
void weight_memory_give(struct compute *c, uint64_t address, size_t bytes);

/* Whether an operation is to be run: not in a dry workspace, not after a failure, not on a device
 * that is lost. */
static inline bool workspace_is_live(const struct workspace *w) {
    return !w->dry && w->failed == STATUS_OK && atomic_load(&w->compute->state) == DEVICE_ALIVE;
}

/* The tensor as the backend sees it. */
static inline struct tensor compute_enter(const struct compute *c, struct tensor t) {
    t.address += c->entry;
    return t;
}

/* How a backend's function says that it failed, and nothing more is computed in this workspace; the
 * first failure and its sentence stay.  With STATUS_DEVICE the whole device is lost
 * (compute_health), and no function of the backend is called again but those that destroy and
 * release, which must not touch the device then. */
__attribute__((format(printf, 3, 4))) void workspace_fail(struct workspace *w, enum status why,
                                                          const char *format, ...);

/* The same where no workspace is at hand: the device is lost. */
void compute_lose(struct compute *c, const char *why);

/* The address of the next `bytes` of a workspace's device memory; 0 when it has failed. */
uint64_t workspace_take(struct workspace *w, size_t bytes);

#endif
