/*
 * loader.h - how a network takes its weights out of a checkpoint.
 *
 * A network's loading function names every tensor that it needs, once, in the order of its layers:
 *
 *     load_linear(l, &b->to_out, dim, dim, LOAD_BIAS, "transformer_blocks.%d.attn.to_out.0", i);
 *
 * The loader looks the tensor up under the name that the checkpoint has for it, checks its shape, merges adapters into it, packs it for the
 * device and lets the file's pages go.  After the first failure every further call does nothing, so
 * that the list needs no error handling of its own; loader_finish reports the first failure.  On a plan-only device or
 * into a dry workspace (compute.h) names and shapes are checked and no element is read: that is how
 * a checkpoint is inspected.
 */
#ifndef MODEL_LOADER_H
#define MODEL_LOADER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "compute/operations.h"
#include "firered/status.h"
#include "model/key_layout.h"
#include "model/layer_list.h"
#include "model/lora.h"
#include "weights/read_ahead.h"
#include "weights/weights.h"

enum { LOADER_NAME_MAX = 256, LOADER_MAX_PARTS = 4 };

/* Tensors of a component that no network asked for.  The names are the weights'. */
struct unused_tensors {
    size_t count;
    const char *first;
    const char *block; /* the first of a block beyond those that the config counts, or NULL */
};

struct loader {
    const char *component; /* "transformer", for messages */
    const struct weights *weights;
    struct compute *compute;
    unsigned bears;            /* the layers' precisions; see loader_set_bears */
    struct lora *const *loras; /* merged into linear layers by name; may be NULL */
    size_t lora_count;
    struct layer_list *layers; /* the linear layers are added to it, by load_linear and
                                  load_linear_stack; may be NULL */
    int64_t blocks;            /* so many the config counts; for telling what is unused */
    const struct log *log;
    void (*progress)(void *arg,
                     uint64_t bytes); /* after each tensor, with its stored bytes; may be NULL */
    void *progress_arg;

    /* Blocks that are packed anew whenever their turn comes (model/blocks.h): where packed weights
     * and what is needed on the way go; NULL for memory of their own. */
    struct workspace *into, *scratch;
    const atomic_bool *stop;   /* becomes true when no more needs to be loaded; or NULL */
    struct read_ahead *reader; /* asks the disk for what comes next; may be NULL */
    bool ahead; /* with a dry `into`: the tensors are not loaded, but given to `reader` */

    /* What the loader keeps for itself; zero at first. */
    const struct key_layout *layout; /* what the checkpoint calls the tensors */
    const char *prefix;              /* put before every name that is asked for */
    bool *used;                      /* per weight; NULL when nobody asks */
    uint64_t parameters;
    size_t tensors;
    struct unused_tensors unused;
    enum status status;
    struct error *err;
};

enum load_bias { LOAD_NO_BIAS, LOAD_BIAS };

/* Takes a loader whose first part is filled in.  err is written by whichever call fails. */
enum status loader_start(struct loader *l, struct error *err);

/* From now on `prefix` stands before every name that is asked for, as key_layout.h knows it; it must
 * live as long as the loader. */
void loader_set_prefix(struct loader *l, const char *prefix);

/* From now on layers bear this set of precisions (compute.h). */
void loader_set_bears(struct loader *l, unsigned bears);

/* Fails where a file of weights or of an adapter is not as it was when it was opened: what was read
 * since then cannot be trusted. */
void loader_check_files(struct loader *l);

/* Checks the files, and reports how the loading went.  On success, tensors that nobody asked for are listed in the log at
 * debug level, and counted in l->unused. */
enum status loader_finish(struct loader *l);

/* NAME.weight [out, in] and NAME.bias [out]. */
__attribute__((format(printf, 6, 7))) void load_linear(struct loader *l, struct linear **to,
                                                       int64_t out, int64_t in, enum load_bias bias,
                                                       const char *name, ...);

/* Several layers with the same input as one, their outputs side by side: names[i] has out[i]
 * features.  In the names, %d stands for `index`. */
void load_linear_stack(struct loader *l, struct linear **to, const char *const *names,
                       const int64_t *out, size_t count, int64_t in, enum load_bias bias,
                       int index);

/* NAME [n], whatever the ones around it in the stored shape (VAE norms are stored [n, 1, 1] or [n,
 * 1, 1, 1]). */
__attribute__((format(printf, 4, 5))) void load_vector(struct loader *l, struct vector **to,
                                                       int64_t n, const char *name, ...);

/* NAME.weight and NAME.bias [out] of a convolution.  `rank` 4: [out, in, size, size].  Rank 5:
 * [out, in, t, size, size], causal in time: of a single frame only the last temporal slice meets
 * data, so only that one is taken; `time` is t. */
__attribute__((format(printf, 8, 9))) void load_conv(struct loader *l, struct conv **to,
                                                     int64_t out, int64_t in, int size, int rank,
                                                     int time, const char *name, ...);

/* The same for size 1, as a linear layer over the channels. */
__attribute__((format(printf, 6, 7))) void load_pointwise(struct loader *l, struct linear **to,
                                                          int64_t out, int64_t in, int rank,
                                                          const char *name, ...);

/* NAME [out, in_shape...] as a linear layer without bias over the flattened input. */
__attribute__((format(printf, 6, 7))) void load_flattened(struct loader *l, struct linear **to,
                                                          int64_t out, const int64_t *in_shape,
                                                          int in_rank, const char *name, ...);

/* A table [rows, cols] that stays in the file: *to is the stored tensor, read when rows are asked
 * for. */
__attribute__((format(printf, 5, 6))) void load_table(struct loader *l, const struct weight **to,
                                                      int64_t rows, int64_t cols, const char *name,
                                                      ...);

/* Marks a tensor that only says something by being there, of whatever shape, as used. */
void load_mark(struct loader *l, const char *name);

/* Tensors that the checkpoint may have and a still picture does not need (the language model's
 * head, convolutions over time): checked where they are, never packed. */
__attribute__((format(printf, 4, 5))) void load_nothing(struct loader *l, const int64_t *shape,
                                                        int rank, const char *name, ...);

#endif
