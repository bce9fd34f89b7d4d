/*
 * buffer.h - bytes that grow: replies, encoded pictures, request bodies.
 *
 * A zeroed struct is an empty buffer.  After a failed append the buffer is as it was before.  The
 * owner frees it.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>

#include "firered/status.h"

struct buffer {
    char *data; /* always followed by a '\0' that `size` does not count; NULL while empty */
    size_t size, capacity;
};

/* STATUS_NO_MEMORY is the only error. */
enum status buffer_append(struct buffer *b, const void *bytes, size_t n, struct error *err);
__attribute__((format(printf, 2, 3))) enum status buffer_printf(struct buffer *b,
                                                                const char *format, ...);
void buffer_free(struct buffer *b); /* leaves it empty */

/* Reads a whole file, at most `limit` bytes, into an empty buffer. STATUS_IO: cannot be opened
 * or read.  STATUS_INVALID: larger than the limit, or no regular file.  STATUS_NO_MEMORY. */
enum status buffer_read_file(struct buffer *b, const char *path, size_t limit, struct error *err);

/* The same of what the user named, which may be a pipe: `<(...)`, /dev/stdin.  Waits for its writer. */
enum status buffer_read_input(struct buffer *b, const char *path, size_t limit, struct error *err);

#endif
