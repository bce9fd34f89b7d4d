/*
 * safetensors.h - one safetensors file: a JSON header that names tensors, then their elements.
 *
 *     8 bytes   N, the header's length, little endian
 *     N bytes   {"__metadata__": {"k": "v"}, "NAME": {"dtype": "F32", "shape": [2, 3],
 *               "data_offsets": [begin, end]}, ...}, may end in spaces
 *     the rest  the elements, little endian, row-major; offsets count from here
 *
 * A file is mapped, not read: opening costs the header only, and a tensor's pages come in when
 * somebody touches them. Everything in the header is checked before anything is believed; what
 * passes is as strict as the reference implementation (github.com/huggingface/safetensors,
 * safetensors/src/tensor.rs), which also demands that the tensors cover the data without overlap or
 * hole.  Like it we take tensors that do not lie aligned to their elements: the format's own writer
 * aligns them, others do not, and whoever reads elements reads them byte-wise.
 *
 * This module takes every element type that the header may name; which of them can be weights is
 * decided by safetensors_kind.c.
 *
 * Whoever has read elements asks mapped_file_check whether they were still the file's.
 */
#ifndef WEIGHTS_SAFETENSORS_H
#define WEIGHTS_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"
#include "weights/mapped_file.h"

enum {
    SAFETENSORS_MAX_RANK = 8,
    SAFETENSORS_MAX_HEADER = 100000000, /* bytes; the reference implementation's limit */
};

struct safetensor {
    const char *name;  /* no control characters */
    const char *dtype; /* as the header spells it: "F32", "BF16", "I64", ... */
    size_t item_size;  /* bytes of one element */
    int rank;
    int64_t shape[SAFETENSORS_MAX_RANK]; /* zeros after `rank` */
    int64_t count;                       /* product of the shape; 1 for a scalar, may be 0 */
    uint64_t begin, end; /* bytes, from the start of the data; end - begin == count * item_size */
};

struct safetensors {
    char *file;                 /* base name, for messages */
    struct safetensor *tensors; /* in the order of the data */
    size_t count;
    const uint8_t *data; /* of the mapped file, where offset 0 lies; NULL after safetensors_parse */
    uint64_t data_size;
    struct mapped_file *map; /* NULL after safetensors_parse */
    /* private */
    char *names;
    struct json_t *metadata; /* NULL where the header has none */
};

/* Opens, maps and checks a file; safetensors_close releases *out, which is empty after a failure.
 * STATUS_IO: it cannot be opened or mapped.  STATUS_INVALID: no regular file, empty, truncated, or
 * its header breaks a rule; the sentence names the file and, where there is one, the tensor.
 * STATUS_NO_MEMORY. */
enum status safetensors_open(struct safetensors *out, const char *path, struct error *err);

/* The same checks on a header in memory: `head` holds the first head_size bytes of a file that is
 * file_size bytes long (head_size <= file_size), `file` is its name for messages.  What is missing
 * of the header itself is STATUS_INVALID. `head` is not needed afterwards. */
enum status safetensors_parse(struct safetensors *out, const void *head, size_t head_size,
                              uint64_t file_size, const char *file, struct error *err);

/* The string under `key` in the header's "__metadata__", or NULL.  Whoever wrote the file chose it:
 * UTF-8, up to its first NUL, shorter than the header, and not checked any further.  It lives until
 * safetensors_close. */
const char *safetensors_metadata(const struct safetensors *f, const char *key);

void safetensors_close(struct safetensors *f); /* NULL and empty are fine */

#endif
