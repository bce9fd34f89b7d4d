/*
 * memory_plan.h - what of a model stays in memory, and what streams, under a limit.
 *
 * The limit bounds packed weights and the working memory of the edits that run at the same time.
 * What an edit takes is known only when it comes, so the plan is made for edits of the model's own
 * size with the longest prompts; others are checked when they come (workspace_create).  Everything
 * is counted by loading the model on a plan-only device and running dry: no formula can drift from
 * what is then done.
 */
#ifndef PIPELINE_MEMORY_PLAN_H
#define PIPELINE_MEMORY_PLAN_H

#include "base/buffer.h"
#include "firered.h"
#include "model/model.h"

struct firered;

struct memory_plan {
    uint64_t limit;    /* UINT64_MAX: none */
    int edits;         /* at the same time */
    uint64_t weights;  /* bytes that stay */
    size_t working;    /* bytes that one edit takes at most, what it streams included */
    int width, height; /* of that edit's picture and result */
    int64_t keep[MODEL_STACKS];
    struct blocks_size stacks[MODEL_STACKS];
};

/* Keeps everything where that fits or there is no limit; else as many blocks as fit, those first
 * that are read most often.  STATUS_NO_MEMORY when not even streaming all of them fits, with the
 * numbers; else errors as model_load.  `engine` has its checkpoint and schedule, and need have no
 * more. */
enum status memory_plan_make(struct memory_plan *out, const struct firered_options *o,
                             const struct firered *engine, const struct model_config *config,
                             struct error *err);

uint64_t memory_plan_peak(const struct memory_plan *p); /* weights and all edits' working memory */
uint64_t memory_plan_streamed(const struct memory_plan *p); /* packed bytes that do not stay */

/* "40 of 60 transformer blocks, 28 of 28 language layers"; nothing where all stay. */
enum status memory_plan_describe(const struct memory_plan *p, struct buffer *out);

#endif
