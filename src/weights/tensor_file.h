/*
 * tensor_file.h - what weights.c asks of a file that holds tensors, whatever its format.
 *
 * A format is one file that fills this table in; weights.c chooses.  It checks all
 * that the file says before it hands any of it out.  Internal to src/weights/.
 */
#ifndef WEIGHTS_TENSOR_FILE_H
#define WEIGHTS_TENSOR_FILE_H

#include "weights/weights.h"

struct tensor_file_kind {
    /* Maps and checks the file; *file is for the other functions, NULL after a failure.  Errors as
     * weights_open_file. */
    enum status (*open)(void **file, const char *path, struct error *err);
    void (*close)(void *file); /* NULL is fine */
    size_t (*count)(const void *file);
    /* Tensor i < count, in any order.  What it points at lives as long as the file.
     * STATUS_INVALID: it is stored in a way that weights cannot be. */
    enum status (*tensor)(const void *file, size_t i, struct weight *out, struct error *err);
    const struct mapped_file *(*mapped)(const void *file);
    const char *(*metadata)(const void *file, const char *key); /* as weights_metadata */
};

extern const struct tensor_file_kind safetensors_kind;

#endif
