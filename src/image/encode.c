#include "image/encode.h"

#include "image/codec.h"

enum status picture_encode(struct buffer *out, const struct picture *p, enum picture_format format,
                           struct error *err) {
    return picture_encode_with(out, p, format, &(struct encode_options){0}, err);
}

enum status picture_encode_with(struct buffer *out, const struct picture *p,
                                enum picture_format format, const struct encode_options *options,
                                struct error *err) {
    static const int max_side[] = {
        [PICTURE_PNG] = PICTURE_MAX_SIDE, [PICTURE_JPEG] = 65500, [PICTURE_WEBP] = 16383};

    if (!p->rgb || p->width < 1 || p->height < 1)
        return fail(err, STATUS_INVALID, "an empty picture cannot be encoded");
    if (p->width > max_side[format] || p->height > max_side[format])
        return fail(err, STATUS_INVALID,
                    "a picture of %dx%d pixels is too large for %s (at most %d a side)", p->width,
                    p->height, picture_format_name(format), max_side[format]);

    size_t before = out->size;
    enum status s = STATUS_INTERNAL;
    switch (format) {
    case PICTURE_PNG: s = png_encode(out, p, options, err); break;
    case PICTURE_JPEG: s = jpeg_encode(out, p, err); break;
    case PICTURE_WEBP: s = webp_encode(out, p, err); break;
    }
    if (s != STATUS_OK && out->data) {
        out->size = before;
        out->data[before] = '\0';
    }
    return s;
}
