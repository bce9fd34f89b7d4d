/*
 * Checks what holds for every format and hands the picture to the format's own file; what one has
 * left behind after a failure is cut off here.
 */
#include "image/encode.h"

#include "image/codec.h"

int picture_format_max_side(enum picture_format format) {
    switch (format) {
    case PICTURE_JPEG: return 65500; /* libjpeg's JPEG_MAX_DIMENSION */
    case PICTURE_WEBP: return 16383; /* 14 bits */
    default: return PICTURE_MAX_SIDE;
    }
}

enum status picture_encode(struct buffer *out, const struct picture *p, enum picture_format format,
                           struct error *err) {
    return picture_encode_with(out, p, format, &(struct encode_options){0}, err);
}

enum status picture_encode_with(struct buffer *out, const struct picture *p,
                                enum picture_format format, const struct encode_options *options,
                                struct error *err) {
    int max_side = picture_format_max_side(format);
    if (!p->rgb || p->width < 1 || p->height < 1)
        return fail(err, STATUS_INVALID, "an empty picture cannot be encoded");
    if (p->width > max_side || p->height > max_side)
        return fail(err, STATUS_INVALID,
                    "a picture of %dx%d pixels is too large for %s (at most %d a side)", p->width,
                    p->height, picture_format_name(format), max_side);
    if (options->quality < 0 || options->quality > 100)
        return fail(err, STATUS_INVALID, "a picture's quality is %d; it must be 1 to 100",
                    options->quality);

    size_t before = out->size;
    enum status s = STATUS_INTERNAL;
    switch (format) {
    case PICTURE_PNG: s = png_encode(out, p, options, err); break;
    case PICTURE_JPEG: s = jpeg_encode(out, p, options, err); break;
    case PICTURE_WEBP: s = webp_encode(out, p, options, err); break;
    default:
        s = fail(err, STATUS_INTERNAL, "%s pictures are not written", picture_format_name(format));
    }
    if (s != STATUS_OK && out->data) {
        out->size = before;
        out->data[before] = '\0';
    }
    return s;
}
