/*
 * encode.h - pixels to picture files.
 *
 *     struct buffer file = {0};
 *     enum status s = picture_encode(&file, &picture, PICTURE_PNG, &err);
 *
 * PNG   8-bit RGB, exact; compressed quickly rather than tightly (see png_encode.c).
 * JPEG  quality 95, or what is asked for; colour at full resolution (4:4:4), baseline.
 * WebP  lossless, exact, a tenth to a half smaller than our PNG.  An edited picture is often the
 * next edit's input, and lossy WebP halves the colour's resolution each time: that is only made
 * when a quality is asked for.
 */
#ifndef IMAGE_ENCODE_H
#define IMAGE_ENCODE_H

#include <stddef.h>

#include "base/buffer.h"
#include "firered/picture.h"
#include "firered/status.h"
#include "image/format.h"

/* A note kept in the file, such as "Software" or "prompt"; png_text.h reads them back. */
struct picture_text {
    const char *key; /* 1 to 79 bytes of printable ASCII, no space at either end nor two in a row */
    const char *value; /* UTF-8; an empty one is left out */
};

struct encode_options {
    const struct picture_text *texts; /* written to PNG only (tEXt; iTXt where not ASCII) */
    size_t text_count;
    int quality; /* of JPEG and lossy WebP, 1 to 100; 0: as above.  PNG has none */
};

/* The longest side that the format can hold. */
int picture_format_max_side(enum picture_format format);

/* Appends a whole file to *out; on failure *out is as it was.
 * STATUS_INVALID: an empty picture, or a side that the format cannot hold.  STATUS_NO_MEMORY. */
enum status picture_encode(struct buffer *out, const struct picture *p, enum picture_format format,
                           struct error *err);

/* The same with options.  STATUS_INVALID also: a text whose key is not allowed, or a
 * quality out of range. */
enum status picture_encode_with(struct buffer *out, const struct picture *p,
                                enum picture_format format, const struct encode_options *options,
                                struct error *err);

#endif
