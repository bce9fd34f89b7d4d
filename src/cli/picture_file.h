/*
 * picture_file.h - a picture from a file that the user named.
 */
#ifndef CLI_PICTURE_FILE_H
#define CLI_PICTURE_FILE_H

#include <stdint.h>

#include "firered/picture.h"
#include "firered/status.h"

/* Reads and decodes a PNG, JPEG or WebP file; the caller releases *out.  The sentence of an error
 * names the file.  STATUS_IO; else as picture_decode. */
enum status picture_file_read(struct picture *out, const char *path, int64_t max_pixels,
                              struct error *err);

#endif
