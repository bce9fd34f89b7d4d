/*
 * index.h - NAME.safetensors.index.json: which shard of a component holds which tensor.
 *
 *     {"metadata": {"total_size": 123}, "weight_map": {"TENSOR": "NAME-00001-of-00005.safetensors",
 * ...}}
 *
 * "metadata" is not looked at: writers disagree on it.  Internal to src/weights/.
 */
#ifndef WEIGHTS_INDEX_H
#define WEIGHTS_INDEX_H

#include <jansson.h>
#include <stddef.h>

#include "firered/status.h"

enum { INDEX_MAX_BYTES = 100000000, INDEX_MAX_SHARDS = 4096 };

struct weights_index {
    json_t *map;         /* tensor -> shard, every value a checked string */
    const char **shards; /* each once, ascending; the strings are the map's */
    size_t count;        /* of shards, at least 1 */
};

/* Reads the index at `path`.  A shard's name is a plain file name that ends in ".safetensors": with
 * a '/' or ".." in it an index could have us map any file of the machine. STATUS_IO: cannot be
 * read.  STATUS_INVALID: names the file and the tensor whose entry is wrong.  STATUS_NO_MEMORY. */
enum status index_open(struct weights_index *out, const char *path, struct error *err);

/* The same from memory; `file` is its name for messages. */
enum status index_parse(struct weights_index *out, const char *text, size_t size, const char *file,
                        struct error *err);

void index_close(struct weights_index *index); /* empty is fine */

#endif
