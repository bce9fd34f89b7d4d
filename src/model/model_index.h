/*
 * model_index.h - which pipeline a model folder is for, and of which classes its parts are.
 *
 * Diffusers writes both into model_index.json.  Another pipeline may have the same parts and means
 * something else by them, so it is refused; a class that is not known may still be a copy of one that
 * is, under another name.
 */
#ifndef MODEL_MODEL_INDEX_H
#define MODEL_MODEL_INDEX_H

#include "base/buffer.h"
#include "firered/status.h"

/* Adds a line to `notes`, each ended by a newline, for every class that is not known; a folder without
 * that file says nothing.  STATUS_INVALID: it is no JSON object, or names another pipeline.
 * STATUS_IO, STATUS_NO_MEMORY. */
enum status model_index_check(const char *folder, struct buffer *notes, struct error *err);

#endif
