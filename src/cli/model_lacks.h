/*
 * model_lacks.h - what a model of the hub's that is not whole lacks, for people and for machines.
 */
#ifndef CLI_MODEL_LACKS_H
#define CLI_MODEL_LACKS_H

#include <stdbool.h>

#include "cli/model_place.h"

/* STATUS_OK where nothing is missing in the model's folder.  Else the files, and how much of the
 * weights is here, are written to standard output, as JSON for machines, and STATUS_INVALID tells
 * the remedy. */
enum status model_lacks_tell(const struct model_place *model, bool json, struct error *err);

/* Where a pull of MODEL_ID was begun, and nothing of it can be used yet, the sentence in *err
 * becomes one that says so.  Returns s. */
enum status model_lacks_begun(const struct config *config, enum status s, struct error *err);

#endif
