/*
 * format.h - the file formats of pictures, by their names.
 */
#ifndef IMAGE_FORMAT_H
#define IMAGE_FORMAT_H

#include <stdbool.h>

/* Those that are written come first. */
enum picture_format {
    PICTURE_PNG,
    PICTURE_JPEG,
    PICTURE_WEBP,
    PICTURE_HEIC,
    PICTURE_AVIF,
    PICTURE_TIFF,
    PICTURE_GIF,
    PICTURE_BMP,
    PICTURE_JXL,
    PICTURE_FORMATS
};

/* One that is written: "png", "jpeg" (also "jpg") or "webp", in any case.  False: the name is none of them, and *out is
 * as it was. */
bool picture_format_from_name(enum picture_format *out, const char *name);

const char *picture_format_name(enum picture_format format); /* for a person: "PNG" */
const char *picture_format_mime(enum picture_format format); /* for Content-Type: "image/png" */

#endif
