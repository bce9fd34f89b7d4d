/*
 * select.h - which files of a repository a model needs, and which of them are missing.
 *
 * A model in diffusers layout is
 *
 *     model_index.json, scheduler/scheduler_config.json
 *     processor/processor_config.json, or preprocessor_config.json
 *     tokenizer/tokenizer.json, or vocab.json and merges.txt
 *     transformer, text_encoder, vae: config.json; STEM.safetensors.index.json and the files that
 *     it names, or STEM.safetensors; STEM is diffusion_pytorch_model, of the text encoder model
 *
 * A pull takes these, edit_config.json, and every other JSON, text, template and vocabulary file
 * below 16 MB of the six folders, so that other programs can use the snapshot too.  Weights that no
 * index names, other variants and formats, pictures and README stay where they are.
 *
 * Nothing here knows where the files are: the hub's list and a folder are asked alike.
 */
#ifndef HUB_SELECT_H
#define HUB_SELECT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "firered/status.h"
#include "hub/tree.h"

struct hub_look {
    bool (*has)(void *arg, const char *path);
    enum status (*read)(void *arg, const char *path, struct buffer *out, struct error *err);
    void *arg;
    bool to_load; /* one file of weights is enough where an index is beside it, too */
};

/* Calls `each` for every file that a model needs.  Of an alternative that is not there, neither
 * way, the name is that of the first one.  Weights behind an index that is not there are not
 * known; the index is.  STATUS_INVALID: an index that is none.  Errors of `read` and `each`. */
enum status hub_needs(const struct hub_look *look,
                      enum status (*each)(void *arg, const char *path, struct error *err),
                      void *arg, struct error *err);

/* Sets chosen[i] for every file of the list that a pull takes.  STATUS_INVALID: the list has not
 * all that a model needs; the sentence names what is missing. */
enum status hub_select(const struct hub_tree *tree, const struct hub_look *look, bool *chosen,
                       struct error *err);

/* Lists what is missing of a model, comma-separated, into *out, which is empty when it is whole. */
enum status hub_missing(const struct hub_look *look, struct buffer *out, struct error *err);

/* Whether the file is one of weights: what is large. */
bool hub_is_weights(const char *path);

#endif
