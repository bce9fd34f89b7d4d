/*
 * model_place.h - which model a command runs, from the settings.
 */
#ifndef CLI_MODEL_PLACE_H
#define CLI_MODEL_PLACE_H

#include <stdbool.h>

#include "cli/progress.h"
#include "config/config.h"
#include "firered.h"

struct model_place {
    char *folder;
    char *name;     /* what people see: the id, or the folder's own name without its path */
    bool stands_in; /* nobody asked for the demo: MODEL_ID is unset and the default model is not
                       here */
};

/* MODEL_ID where it is set, and nothing else then; otherwise the default model where it is in the
 * local cache, otherwise the demo.  Where the cache is, the settings and the user's environment say.
 * STATUS_INVALID: the model is not here.  A LoRA that is a file of the hub's becomes its path in the cache, in
 * config->loras.  On success the caller releases *out. */
enum status model_place_find(struct model_place *out, const struct config *config,
                             struct error *err);
/* The same without the LoRAs, which stay as they were named. */
enum status model_place_find_model(struct model_place *out, const struct config *config,
                                   struct error *err);
void model_place_free(struct model_place *p);

/* Finds the model and loads it, as the settings say, for edits of at most so many pictures; tells on standard error when the demo stands
 * in, as `command`'s word, and shows in *progress how far it is.  Errors as firered_open; *place is
 * the caller's also then. */
enum status model_open(struct firered **out, struct model_place *place, const char *command,
                       const struct config *config, size_t pictures, const struct log *log,
                       struct progress *progress, struct error *err);

/* Adds to the sentence of a model that did not load how to find out whether its files are damaged,
 * where they came from the hub.  Returns s. */
enum status model_place_doubt(const struct config *config, enum status s, struct error *err);

/* The sentence about a stand-in, and the remedy. */
extern const char model_place_stand_in[];

#endif
