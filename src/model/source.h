/*
 * source.h - where a model comes from: a path for each of its parts.
 */
#ifndef MODEL_SOURCE_H
#define MODEL_SOURCE_H

#include "firered/status.h"

enum source_part {
    SOURCE_TRANSFORMER, /* weights */
    SOURCE_TEXT_ENCODER,
    SOURCE_VAE,
    SOURCE_TOKENIZER, /* its files */
    SOURCE_CONFIGS,   /* transformer/config.json, scheduler/scheduler_config.json and their like */
    SOURCE_PARTS
};

struct source {
    char *paths[SOURCE_PARTS];
};

/* All parts from one folder in diffusers layout.  What is there is for those to see who open the
 * parts.  STATUS_NO_MEMORY; *out is empty then. */
enum status source_from_folder(struct source *out, const char *folder, struct error *err);

void source_free(struct source *s); /* leaves it empty */

#endif
