/*
 * compute.h - a device, and the weights packed for it.
 *
 * The networks in model/ are written once against this room.  Which machine does the work is
 * chosen when the `struct compute` is made; a backend (cpu/, later cuda/) fills in backend.h's
 * table.
 *
 *   compute.h      struct compute: a device with its threads and kernels, shared by all edits; packs
 *                  weights
 *   workspace.h    struct workspace: one edit's working memory, an arena planned beforehand, and its
 *                  cancelling
 *   tensor.h       struct tensor: a matrix: rows are tokens or pixels, columns features or
 *                  channels
 *   operations.h   the operations of the models over tensors
 *
 * Memory is planned by running the same network code twice: on a "dry" workspace operations only
 * count the memory that they would take, so the peak is known, exactly, before anything is
 * computed.  After that nothing in here allocates, but for the few bytes that describe a layer which
 * is packed into a workspace.
 *
 * Results depend on neither the number of threads nor on what else runs: work is cut into tiles by
 * shape alone, and every sum is added up in one fixed order.
 */
#ifndef COMPUTE_COMPUTE_H
#define COMPUTE_COMPUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/log.h"
#include "firered/status.h"

struct compute;
struct workspace;

/* ---- devices ---- */

/* What products may be made of.  They have no order, so who allows or bears several says a set of
 * them, or'ed; float32 is in every set.  Sums are float32, or exact. */
enum precision {
    PRECISION_FLOAT32 = 1 << 0,
    PRECISION_BFLOAT16 =
        1 << 1,              /* both sides rounded to bfloat16, where the device multiplies that */
    PRECISION_INT8 = 1 << 2, /* both sides 8 bits, with a scale for each row: docs/decisions/009 */
};

struct compute_options {
    const char *device;  /* "auto", "cpu", "cuda", "cuda:1"; NULL: auto */
    int threads;         /* 0: all cores */
    unsigned precisions; /* of any layer's products */
    /* For tests and benchmarks: one of the device's sets of kernels, by the name that
     * compute_kernels gives; NULL: the best one here. */
    const char *kernels;
    bool guard;     /* as FIRERED_GUARD=1 does; see cpu/guard.h */
    bool plan_only; /* see compute_is_plan_only */
    /* Bytes of its own that a device may take; 0: all that it has.  A plan-only device of so much
     * can be had without a card. */
    uint64_t device_memory;
    uint64_t memory_limit; /* bytes of the host's memory for packed weights and workspaces; 0: none */
    /* What compute_weight_bytes was on a plan-only device that packed the same weights: they get one
     * piece of memory of that size; 0: unknown. */
    uint64_t weight_bytes;
    const struct log *log; /* gets what `auto` chose, and why; may be NULL */
};

/* The device that was asked for, or with `auto` the best one that can be used.  The caller owns
 * *out.  STATUS_INVALID: there is no such device here, or it cannot be used, or has no such
 * kernels; the sentence says why.  STATUS_NO_MEMORY. */
enum status compute_create(struct compute **out, const struct compute_options *options,
                           struct error *err);
void compute_destroy(struct compute *c); /* NULL is fine; after its weights and workspaces */
const char *compute_device(const struct compute *c);  /* "cpu" */
const char *compute_kernels(const struct compute *c); /* "avx512-bf16", ... */
int compute_threads(const struct compute *c);

/* In bytes, as it is now. */
struct device_memory {
    uint64_t free, total; /* UINT64_MAX where it is not known */
    uint64_t spare;       /* of what is free, never given to a workspace */
    bool is_host;         /* the device has none of its own: what it takes, the host lacks */
};
struct device_memory compute_memory(const struct compute *c);

/* STATUS_DEVICE and the reason once the device is lost: a card that fell off its bus or met a fault
 * that it does not recover from.  From then on whatever is asked of it fails with the same, in
 * every workspace, whoever met the fault; only destroying still works. */
enum status compute_health(const struct compute *c, struct error *err);

/* A device that was made to plan memory: it packs weights of the right size without reading or
 * keeping a number of them, so that a model of any size is "loaded" at once, and only dry
 * workspaces can be made on it. */
bool compute_is_plan_only(const struct compute *c);

/* False of a plan-only device that stands for a card which is not here. */
bool compute_is_here(const struct compute *c);

/* ---- weights: packed once at load time for the kernel that uses them ----
 *
 * Whatever packs has read all that it was given when it returns: the caller may free it. */

struct linear; /* [out_features, in_features] and a bias */
struct conv;   /* [out_channels, in_channels, size, size] and a bias */
struct vector; /* [n] float32, in the device's memory */

/* Rows of a matrix [rows, cols] as stored in a model file, row-major. */
struct matrix {
    enum dtype dtype;
    int64_t rows, cols;
    const void *data; /* perhaps not aligned to its elements: files need not be */
    struct scales scales;
    /* Called, by any thread, with those of the elements that have been read and are not read again,
     * so that a mapped file's pages can go.  A backend that copies without waiting calls it when the
     * copy is done, and has called it for every element when it returns.  May be NULL. */
    void (*packed)(void *arg, const void *data, size_t bytes);
    void *packed_arg;
};

/* A plan-only device takes NULL for all contents. Packs `count` matrices of equal cols, one below
 * the other (q, k and v become one product), with a bias for all rows or NULL.  16-bit weights
 * stay 16 bit, or become 8.  `bears`: a set of precisions; the products are of one that is among
 * these, was allowed when the device was made, and suits the device.  The caller owns *out.
 * STATUS_INVALID: nothing to pack, or unequal cols.  STATUS_NO_MEMORY. */
enum status compute_pack_linear(struct compute *c, struct linear **out, const struct matrix *parts,
                                size_t count, const float *bias, unsigned bears, struct error *err);
/* weight: [out, in, size, size] float32; size is 1 or 3, anything else STATUS_INVALID.
 * STATUS_NO_MEMORY.  `bears` as above. */
enum status compute_pack_conv(struct compute *c, struct conv **out, const float *weight,
                              const float *bias, int64_t out_channels, int64_t in_channels,
                              int size, unsigned bears, struct error *err);
enum status compute_pack_vector(struct compute *c, struct vector **out, const float *data,
                                int64_t n, struct error *err);
void linear_destroy(struct linear *l); /* NULL is fine, for all three */
void conv_destroy(struct conv *v);
void vector_destroy(struct vector *v);
/* Of everything packed into the device's own memory so far and not destroyed, rounded up as the
 * device does; the same on a plan-only device. */
uint64_t compute_weight_bytes(const struct compute *c);

#endif
