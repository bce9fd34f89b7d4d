/*
 * engine.h - what a `struct firered` is: a device, a model on it, and what the pipeline reads
 * beside the weights.
 */
#ifndef PIPELINE_ENGINE_H
#define PIPELINE_ENGINE_H

#include "firered.h"
#include "model/known_models.h"
#include "model/model.h"
#include "pipeline/estimate.h"
#include "pipeline/memory_plan.h"
#include "pipeline/scheduler.h"
#include "text/tokenizer.h"

struct firered {
    char *name; /* the model folder's own name */
    struct compute *compute;
    struct source source;
    struct checkpoint checkpoint;
    struct model model; /* reads from the checkpoint as long as it lives */
    struct memory_plan memory;
    struct tokenizer *tokenizer;
    struct scheduler_config scheduler;
    const struct known_model *known; /* whose defaults fill in; NULL: nobody knows this model */
    enum firered_dtype dtype;        /* never AUTO */
    enum firered_generator generator;
    struct engine_speed speed; /* zeroed until it was measured */
    struct buffer notes; /* a line for each thing in the folder that is not used, or not known */
};

/* Whether an edit may have so many pictures.  STATUS_INVALID: the sentence says how many. */
enum status engine_check_pictures(const struct edit_config *config, size_t count,
                                  struct error *err);

/* Reads everything but tokenizer and weights: name, configs, schedule; opens the checkpoint.  What
 * edit_config.json leaves open has the known model's values then. */
enum status engine_read(struct firered *e, const struct firered_options *o,
                        struct model_config *config, struct error *err);

/* Adds to e->notes what the loaded model leaves unused.  STATUS_NO_MEMORY. */
enum status engine_describe_unused(struct firered *e, struct error *err);

/* Plans the memory of an engine that was read, into e->memory: errors as memory_plan_make and
 * model_load. */
enum status engine_plan_memory(struct firered *e, const struct firered_options *o,
                               const struct model_config *config, struct error *err);

/* Settles the dtype and makes the device, from the options and how the checkpoint is stored. */
enum status engine_open_device(struct firered *e, const struct firered_options *o,
                               const struct checkpoint *checkpoint, bool plan_only,
                               struct error *err);

#endif
