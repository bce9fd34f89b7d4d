/*
 * Tables of names.
 */
#include "image/format.h"

#include <stddef.h>
#include <strings.h>

bool picture_format_from_name(enum picture_format *out, const char *name) {
    static const struct {
        const char *name;
        enum picture_format format;
    } known[] = {{"png", PICTURE_PNG},
                 {"jpeg", PICTURE_JPEG},
                 {"jpg", PICTURE_JPEG},
                 {"webp", PICTURE_WEBP}};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasecmp(known[i].name, name) == 0) {
            *out = known[i].format;
            return true;
        }
    return false;
}

const char *picture_format_name(enum picture_format format) {
    switch (format) {
    case PICTURE_PNG: return "PNG";
    case PICTURE_JPEG: return "JPEG";
    case PICTURE_WEBP: return "WebP";
    case PICTURE_HEIC: return "HEIC";
    case PICTURE_AVIF: return "AVIF";
    case PICTURE_TIFF: return "TIFF";
    case PICTURE_GIF: return "GIF";
    case PICTURE_BMP: return "BMP";
    case PICTURE_JXL: return "JPEG XL";
    default: return "unknown";
    }
}

const char *picture_format_mime(enum picture_format format) {
    switch (format) {
    case PICTURE_PNG: return "image/png";
    case PICTURE_JPEG: return "image/jpeg";
    case PICTURE_WEBP: return "image/webp";
    case PICTURE_HEIC: return "image/heic";
    case PICTURE_AVIF: return "image/avif";
    case PICTURE_TIFF: return "image/tiff";
    case PICTURE_GIF: return "image/gif";
    case PICTURE_BMP: return "image/bmp";
    case PICTURE_JXL: return "image/jxl";
    default: return "application/octet-stream";
    }
}
