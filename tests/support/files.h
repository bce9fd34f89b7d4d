/*
 * files.h - temporary folders, whole files, and hand-made safetensors files for the tests; every
 * failure fails the running test.
 */
#ifndef SUPPORT_FILES_H
#define SUPPORT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct tensor_spec {
    const char *name, *dtype;
    int rank;
    int64_t shape[8];
    const void *data;
    size_t size; /* bytes of data */
};

/* A new empty folder; remove_folder deletes it with all that is in it and frees the string. */
char *temporary_folder(void);
void remove_folder(char *folder);
/* The same, as far as possible, for a folder that another process may still write to. */
void abandon_folder(char *folder);

/* cmocka's set-up and tear-down for a test whose *state is a folder of its own. */
int folder_set_up(void **state);
int folder_tear_down(void **state);

/* FOLDER/NAME, in a buffer that the fourth call after this one uses again. */
const char *in_folder(const char *folder, const char *name);

struct buffer read_bytes(const char *path);                    /* the caller frees it */
bool text_from_file(const char *path, char *out, size_t size); /* false: no such file */

/* Make a file of this.  A link in its place is replaced, not written through. */
void write_bytes(const char *path, const void *bytes, size_t size);
void write_text(const char *path, const char *text);

/* Until what is written next gets another time of modification than what was written before. */
void let_file_times_pass(void);

/* Makes the folder `to` and links all files of the model `from` in it. */
void link_model(const char *to, const char *from);

/* A file of an 8-byte length, the header and data_size bytes 0, 1, 2, ...  `pad` fills the header
 * with spaces to a multiple of 8; `length` other than 0 is written in place of the true one. */
void write_raw(const char *path, const char *header, bool pad, uint64_t length, size_t data_size);

/* A correct file of n tensors, each next to the one before. */
void write_tensors(const char *path, const struct tensor_spec *tensors, size_t n);

/* The same with {KEY: VALUE} as its "__metadata__". */
void write_tensors_with(const char *path, const char *key, const char *value,
                        const struct tensor_spec *tensors, size_t n);

#endif
