/*
 * picture_file.h - a picture from a file that the user named; "-" is standard input.
 */
#ifndef CLI_PICTURE_FILE_H
#define CLI_PICTURE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "config/config.h"
#include "firered/picture.h"
#include "firered/status.h"
#include "image/decode.h"

/* Whether the name means standard input, or output. */
bool is_stdio(const char *name);

/* Whether it is standard input, or a pipe that a shell opened: there is no name to make another of. */
bool is_stream(const char *name);

/* STATUS_INVALID for a URL: nothing is fetched here. */
enum status picture_file_check(const char *path, struct error *err);

/* Reads a whole file, or a pipe, into an empty buffer.  STATUS_IO, STATUS_INVALID (over 512 MiB, a
 * folder or a device, a URL), STATUS_NO_MEMORY. */
enum status picture_file_load(struct buffer *out, const char *path, struct error *err);

/* Reads and decodes a picture's file; the caller releases *out.  *report, which may be NULL, says what
 * was found.  The sentence of an error names the file.  Errors of both steps: picture_file_load,
 * picture_decode_with. */
enum status picture_file_decode(struct picture *out, struct decode_report *report, const char *path,
                                const struct decode_options *options, struct error *err);

/* The seed that made a picture, where it is a PNG of ours. */
struct picture_origin {
    bool ours;
    uint64_t seed;
};

/* The same as the settings say; notes go to standard error.  *origin, which may be NULL, says where the
 * picture comes from. */
enum status picture_file_read(struct picture *out, struct picture_origin *origin, const char *path,
                              const struct config *config, struct error *err);

#endif
