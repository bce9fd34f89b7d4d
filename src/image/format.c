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
    }
    return "unknown";
}

const char *picture_format_mime(enum picture_format format) {
    switch (format) {
    case PICTURE_PNG: return "image/png";
    case PICTURE_JPEG: return "image/jpeg";
    case PICTURE_WEBP: return "image/webp";
    }
    return "application/octet-stream";
}
