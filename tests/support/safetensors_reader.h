/*
 * safetensors_reader.h - the reference data of the tests, by name.  For files that we made
 * ourselves: a fault in one ends the test program with a message.
 *
 *     struct safetensors_reader *file = safetensors_reader_open(TEST_DATA "/unit/x.safetensors");
 *     struct reader_tensor t = safetensors_reader_get(file, "0.input");
 *     const uint8_t *bytes = t.data;
 *     safetensors_reader_close(file);
 *
 * It shares no code with src/weights/, which it also serves to test.
 */
#ifndef SUPPORT_SAFETENSORS_READER_H
#define SUPPORT_SAFETENSORS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct safetensors_reader;

enum { READER_MAX_RANK = 8 };

struct reader_tensor {
    char dtype[8]; /* as the file says: "F32", "BF16", "I64", "U8" */
    int rank;
    int64_t shape[READER_MAX_RANK];
    size_t count;     /* of elements */
    size_t bytes;     /* of data */
    const void *data; /* aligned for its type; lives until the file is closed */
};

struct safetensors_reader *safetensors_reader_open(const char *path);
void safetensors_reader_close(struct safetensors_reader *file);

bool safetensors_reader_has(const struct safetensors_reader *file, const char *name);
struct reader_tensor safetensors_reader_get(const struct safetensors_reader *file,
                                            const char *name);

/* The names, in the file's order: 0 to count - 1. */
size_t safetensors_reader_count(const struct safetensors_reader *file);
const char *safetensors_reader_name(const struct safetensors_reader *file, size_t i);

/* The elements of a BF16, F32, I64 or U8 tensor as float32; malloc'ed, the caller frees them. */
float *safetensors_reader_floats(const struct safetensors_reader *file, const char *name);

#endif
