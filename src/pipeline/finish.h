/*
 * finish.h - the edited picture as it is handed out: in the size that was asked for, and compared
 * with the last picture as the model saw it.
 */
#ifndef PIPELINE_FINISH_H
#define PIPELINE_FINISH_H

#include "pipeline/plan.h"

/* What finishing holds at its peak, the result included, in bytes. */
size_t finish_bytes(const struct plan *plan);

/* Brings result->picture from the model's size to the result's, and sets result->change; `seen` is the
 * last picture as the VAE got it.  STATUS_NO_MEMORY: the picture is as it was, or resized. */
enum status finish_edit(struct firered_result *result, const struct plan *plan,
                        const struct picture *seen, struct error *err);

#endif
