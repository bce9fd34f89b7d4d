/*
 * memory_plan.h - what of a model stays in memory, and what streams, under a limit.
 *
 * A plan has two columns: the device's memory (weights, and each edit's tensors with the slots of
 * what it streams) and the host's (each edit's arena there, and its pictures).  On the CPU both are the same memory.
 * Two limits bound it: the one that was asked for is the host's, and of both columns together where
 * they are one; a device with memory of its own is bounded by what is free of that, less a margin, or by
 * what was asked for.
 *
 * What an edit takes is known only when it comes, so the plan is made for edits of the model's own
 * size with the longest prompts; others are checked when they come (workspace_create).  Everything
 * is counted by loading the model on a plan-only device and running dry: no formula can drift from
 * what is then done.
 */
#ifndef PIPELINE_MEMORY_PLAN_H
#define PIPELINE_MEMORY_PLAN_H

#include "base/buffer.h"
#include "compute/workspace.h"
#include "model/model.h"

struct memory_plan {
    struct device_memory device;   /* what the device had when the plan was made */
    uint64_t limit;                /* that was asked for; UINT64_MAX: none */
    uint64_t device_limit;         /* the same, of the device's own memory; 0: none */
    int edits;                     /* at the same time */
    uint64_t weights;              /* bytes that stay, on the device */
    struct workspace_size working; /* the maximum of one edit, what it streams included */
    int width, height;             /* of that edit's picture and result */
    int64_t keep[MODEL_STACKS];
    struct blocks_size stacks[MODEL_STACKS];
};

/* Who can measure: fills in device, both limits, weights, working, width, height and stacks of a plan that
 * keeps p->keep blocks. */
struct memory_measure {
    enum status (*measure)(void *arg, struct memory_plan *p, struct error *err);
    void *arg;
};

/* For that many edits at the same time.  Keeps everything where that fits or there is no limit; else
 * as many blocks as fit, those first that are read most often.  STATUS_NO_MEMORY when not even
 * streaming all of them fits, with the numbers, and the model's name; else errors as `measure`. */
enum status memory_plan_make(struct memory_plan *out, int edits, const char *name,
                             const struct memory_measure *m, struct error *err);

/* The limit that FIRERED_MEMORY_AUTO stands for. */
uint64_t memory_plan_automatic_limit(const struct device_memory *device);

uint64_t memory_plan_peak(const struct memory_plan *p);      /* both columns, all edits at work */
uint64_t memory_plan_on_device(const struct memory_plan *p); /* the device's alone */
uint64_t memory_plan_streamed(const struct memory_plan *p);  /* packed bytes that do not stay */

/* "40 of 60 transformer blocks, 28 of 28 language layers"; nothing where all stay. */
enum status memory_plan_describe(const struct memory_plan *p, struct buffer *out);

#endif
