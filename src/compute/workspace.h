/*
 * workspace.h - one edit's working memory, its cancelling, and what its operations have cost.
 *
 * A workspace has two arenas, each a stack with marks and a peak of its own: the device's, where
 * tensors are, and the host's, for what is made for an upload, comes back by a download, or is kept
 * between the two.  Both are planned by the dry run and there before the edit begins: after that
 * nothing can run out, and the device can copy from the host's arena without waiting (pinned
 * memory, which takes long to get).
 */
#ifndef COMPUTE_WORKSPACE_H
#define COMPUTE_WORKSPACE_H

#include "compute/compute.h"

struct workspace_size {
    size_t device, host; /* bytes */
    /* Of the host's memory, what the edit asks for by itself outside of both arenas: it is counted
     * with them, and not reserved. */
    size_t beside;
};
uint64_t workspace_size_sum(struct workspace_size size);

/* A dry workspace computes nothing and counts.  It checks, too: operations on shapes that do not
 * belong together, and sizes that no machine has, are reported by workspace_check. */
enum status workspace_create_dry(struct workspace **out, struct compute *c, struct error *err);
/* One of the size that a dry run over the same work had at its peak (workspace_peak).
 * STATUS_NO_MEMORY when the device's memory limit leaves less, or so much is not free: it is looked
 * up first (base/memory.h) and touched here, since a system that promises more than it has kills the
 * process later.  `cancelled` may be NULL; it is asked by workspace_check. */
enum status workspace_create(struct workspace **out, struct compute *c, struct workspace_size size,
                             bool (*cancelled)(void *arg), void *arg, struct error *err);
/* The same in two steps, for who needs memory before the arenas: from the first on the whole counts
 * as taken, and nothing of it is there before the second.  Between the two, only workspace_check and
 * workspace_destroy are for it. */
enum status workspace_admit(struct workspace **out, struct compute *c, struct workspace_size size,
                            bool (*cancelled)(void *arg), void *arg, struct error *err);
enum status workspace_reserve(struct workspace *w, struct error *err);
/* A part of another workspace that one more thread may use; dry if that one is.  It lives until it
 * is destroyed, which comes before its memory is released there.  Errors as workspace_check, and
 * STATUS_NO_MEMORY. */
enum status workspace_create_part(struct workspace **out, struct workspace *of,
                                  struct workspace_size size, struct error *err);
void workspace_destroy(struct workspace *w); /* NULL is fine */
/* What was in use at most at a time, in each arena. */
struct workspace_size workspace_peak(const struct workspace *w);
/* The same of the device's arena, since this was last asked. */
size_t workspace_recent_peak(struct workspace *w);
bool workspace_is_dry(const struct workspace *w);

/* STATUS_CANCELLED once the edit was cancelled; STATUS_NO_MEMORY once more memory was asked for
 * than can be; STATUS_INTERNAL once an operation's tensors did not fit together or took more
 * than the workspace has, or the device could not do it; STATUS_DEVICE once the device is lost
 * (compute_health); else STATUS_OK.  After such an error operations do nothing.  Networks ask
 * between blocks. */
enum status workspace_check(struct workspace *w, struct error *err);

/* A device may do what it is asked for later: that of one workspace in its order, that of two at the
 * same time, and a part is one of its own.  A fence marks all that a workspace was asked for until
 * now.  Whoever hands memory from one workspace to another makes the other one wait for the fence.
 * Nothing here blocks the caller; a download does, and then all before it is done. */
struct fence {
    uint64_t number; /* the backend's; 0: there is nothing to wait for */
};
struct fence workspace_fence(struct workspace *w);
/* What w is asked for from now on begins when the fence has been reached. */
void workspace_after(struct workspace *w, struct fence fence);

enum operation {
    OPERATION_LINEAR,
    OPERATION_ATTENTION,
    OPERATION_CONV,
    OPERATION_NORM,
    OPERATION_ROTARY,
    OPERATION_ELEMENTWISE,
    OPERATION_TRANSFER, /* between the host and a device that has memory of its own */
    OPERATION_KINDS
};

struct operation_cost {
    double seconds; /* none in a dry workspace */
    double flops;   /* of products: two for each multiplication */
    double bytes;   /* of tensors and weights, each read or written once */
};

/* What each kind of operation has cost so far, dry or not: OPERATION_KINDS of them.  An operation
 * may return before it is done, so this waits for all that was asked for: who reads a clock asks
 * here first. */
const struct operation_cost *workspace_costs(struct workspace *w);

/* An arena is a stack: what was taken after a mark goes with it.  These two are the device's. */
size_t workspace_mark(const struct workspace *w);
void workspace_release(struct workspace *w, size_t mark);

/* The next bytes of the host's arena, for any type; NULL when the workspace is dry or has failed.
 * Who fills them for an upload does both only where they are not NULL. */
void *workspace_host(struct workspace *w, size_t bytes);
size_t workspace_host_mark(const struct workspace *w);
void workspace_host_release(struct workspace *w, size_t mark);

/* As compute_pack_linear and compute_pack_vector, but into the workspace's memory: for weights that
 * are packed whenever their turn comes.  Destroyed before that memory is released.  In a dry
 * workspace they have a size and no elements, as on a plan-only device.  Errors as there, or what
 * workspace_check says. */
enum status workspace_pack_linear(struct workspace *w, struct linear **out,
                                  const struct matrix *parts, size_t count, const float *bias,
                                  unsigned bears, struct error *err);
enum status workspace_pack_vector(struct workspace *w, struct vector **out, const float *data,
                                  int64_t n, struct error *err);

#endif
