/*
 * edit_rules.h - what a request is checked against, beside the limits that hold everywhere
 * (config/fields.h), and what an edit gets that does not ask.
 *
 * It is made of the model's description, not of an engine, so that a process without one can check a
 * form as well.
 */
#ifndef SERVICE_EDIT_RULES_H
#define SERVICE_EDIT_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "firered.h"

struct edit_rules {
    const char *model; /* the name that clients know it by */
    const char *note;  /* what it can do, or NULL */

    int max_pictures;         /* of an edit */
    int64_t max_image_pixels; /* of each picture: width x height */
    int max_steps;

    int steps;
    double guidance_scale;
    bool fixed_guidance; /* a distilled model is always run with guidance 1, whatever is asked */
    const char *negative_prompt;
};

/* Of a model and the settings: steps and guidance are the settings', else the model's.  The strings
 * are the caller's, info's and config's. */
struct edit_rules edit_rules_of(const char *model, const struct firered_info *info,
                                const struct config *config);

#endif
