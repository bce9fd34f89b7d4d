/*
 * edit.h - one edit, from decoded pictures and a sentence to the edited picture.
 */
#ifndef PIPELINE_EDIT_H
#define PIPELINE_EDIT_H

#include "model/trace.h"
#include "pipeline/engine.h"
#include "pipeline/estimate.h"
#include "pipeline/plan.h"

/* firered_edit_run (include/firered.h), shown to a trace that may be NULL. */
enum status edit_run(const struct firered *engine, const struct firered_edit *edit,
                     struct firered_result *result, const struct trace *trace, struct error *err);

/* The working memory that a planned edit takes at its peak, on the device and on the host. */
enum status edit_memory(const struct firered *engine, const struct firered_edit *edit,
                        const struct plan *plan, struct workspace_size *size, struct error *err);

/* What a planned edit of any number of steps will cost. */
enum status edit_costs(const struct firered *engine, const struct firered_edit *edit,
                       const struct plan *plan, struct edit_costs *out, struct error *err);

#endif
