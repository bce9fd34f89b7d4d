/*
 * picture_file.h - a picture from a file that the user named; "-" is standard input.
 */
#ifndef CLI_PICTURE_FILE_H
#define CLI_PICTURE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "firered/picture.h"
#include "firered/status.h"

/* Whether the name means standard input, or output. */
bool is_stdio(const char *name);

/* Reads a whole file into an empty buffer.  STATUS_IO, STATUS_INVALID (over 512 MiB, or no regular
 * file), STATUS_NO_MEMORY. */
enum status picture_file_load(struct buffer *out, const char *path, struct error *err);

/* Reads and decodes a PNG, JPEG or WebP file; the caller releases *out.  The sentence of an error
 * names the file.  Errors of both steps: picture_file_load, picture_decode. */
enum status picture_file_read(struct picture *out, const char *path, int64_t max_pixels,
                              struct error *err);

#endif
