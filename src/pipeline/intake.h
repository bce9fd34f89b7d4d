/*
 * intake.h - an edit's pictures on their way in: read one at a time, and kept only in the sizes in
 * which the networks take them.
 */
#ifndef PIPELINE_INTAKE_H
#define PIPELINE_INTAKE_H

#include "pipeline/plan.h"

struct intake {
    struct picture condition[FIRERED_MAX_PICTURES]; /* resized for the vision tower */
    struct picture vae[FIRERED_MAX_PICTURES];       /* resized for the VAE */
};

/* What a full one holds, and what filling it takes at most, in bytes; pictures whose pixels are the
 * caller's do not count. */
size_t intake_bytes(const struct plan *plan);
size_t intake_filling_bytes(const struct plan *plan, const struct firered_edit *edit);

/* Fills *out, which is zeroed, for intake_free to release, whatever happens.  *read_seconds is the
 * time that edit->read took.  STATUS_NO_MEMORY, STATUS_CANCELLED; errors as edit->read's; STATUS_INTERNAL
 * where it gives another size than was told. */
enum status intake_fill(struct intake *out, const struct plan *plan,
                        const struct firered_edit *edit, double *read_seconds, struct error *err);
void intake_free(struct intake *in);

#endif
