/*
 * default_edit.h - the edit for which nobody asked for anything: one picture of the model's own size,
 * the result likewise.  Engines are planned for it.
 */
#ifndef PIPELINE_DEFAULT_EDIT_H
#define PIPELINE_DEFAULT_EDIT_H

#include "pipeline/engine.h"

/* Its working memory with the longest prompts, at the model's own steps and guidance, and the size of
 * picture and result. */
enum status default_edit_memory(const struct firered *e, struct workspace_size *working, int *width,
                                int *height, struct error *err);

#endif
