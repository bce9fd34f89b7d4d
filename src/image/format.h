/*
 * format.h - the file formats of pictures, by their names.
 */
#ifndef IMAGE_FORMAT_H
#define IMAGE_FORMAT_H

#include <stdbool.h>

enum picture_format { PICTURE_PNG, PICTURE_JPEG, PICTURE_WEBP };

/* "png", "jpeg" (also "jpg") or "webp", in any case.  False: the name is none of them, and *out is
 * as it was. */
bool picture_format_from_name(enum picture_format *out, const char *name);

const char *picture_format_name(enum picture_format format); /* for a person: "PNG" */
const char *picture_format_mime(enum picture_format format); /* for Content-Type: "image/png" */

#endif
