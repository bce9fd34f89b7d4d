/*
 * model_place.h - which model a command runs, from the settings.
 */
#ifndef CLI_MODEL_PLACE_H
#define CLI_MODEL_PLACE_H

#include <stdbool.h>

#include "config/config.h"
#include "firered/status.h"

struct model_place {
    char *folder;
    char *name;     /* what people see: the id, or the folder's own name without its path */
    bool stands_in; /* nobody asked for the demo: MODEL_ID is unset and the default model is not
                       here */
};

/* MODEL_ID where it is set, and nothing else then; otherwise the default model where it is in the
 * local cache, otherwise the demo.  Sets HF_HOME, HF_TOKEN and HF_ENDPOINT in the environment as
 * the settings say, for all who look there, so call it before there are threads.  STATUS_INVALID:
 * the model is not here.  On success the caller releases *out. */
enum status model_place_find(struct model_place *out, const struct config *config,
                             struct error *err);
void model_place_free(struct model_place *p);

/* The sentence about a stand-in, and the remedy. */
extern const char model_place_stand_in[];

#endif
