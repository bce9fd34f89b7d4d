/*
 * The one door for picture files: what is it, is it too much, decode, turn upright.  Everything
 * that a file could lie about is judged here from its header; the formats' own files only have to
 * be right about their format.
 */
#include "image/decode.h"

#include <string.h>

#include "image/codec.h"
#include "image/exif.h"
#include "image/picture.h"

static const struct codec {
    enum status (*probe)(const uint8_t *bytes, size_t size, int *width, int *height,
                         struct error *err);
    enum status (*decode)(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err);
} codecs[] = {
    [PICTURE_PNG] = {png_probe, png_decode},
    [PICTURE_JPEG] = {jpeg_probe, jpeg_decode},
    [PICTURE_WEBP] = {webp_probe, webp_decode},
};

static bool sniff(enum picture_format *out, const uint8_t *b, size_t size) {
    if (size >= 8 && memcmp(b, "\x89PNG\r\n\x1a\n", 8) == 0)
        *out = PICTURE_PNG;
    else if (size >= 3 && memcmp(b, "\xff\xd8\xff", 3) == 0)
        *out = PICTURE_JPEG;
    else if (size >= 12 && memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WEBP", 4) == 0)
        *out = PICTURE_WEBP;
    else
        return false;
    return true;
}

enum status picture_probe(struct picture_header *out, const void *bytes, size_t size,
                          struct error *err) {
    *out = (struct picture_header){0};
    if (size == 0)
        return fail(err, STATUS_UNSUPPORTED,
                    "the picture file is empty; send a PNG, JPEG or WebP picture");
    if (!sniff(&out->format, bytes, size))
        return fail(
            err, STATUS_UNSUPPORTED,
            "the bytes are no picture format that we know; send a PNG, JPEG or WebP picture");

    enum status s = codecs[out->format].probe(bytes, size, &out->width, &out->height, err);
    if (s == STATUS_OK && (out->width < 1 || out->height < 1))
        s = fail(err, STATUS_INVALID, "the %s picture has no pixels: its size is %dx%d",
                 picture_format_name(out->format), out->width, out->height);
    return s;
}

static enum status check_size(const struct picture_header *h, int64_t max_pixels,
                              struct error *err) {
    int64_t longer = h->width > h->height ? h->width : h->height;
    int64_t shorter = h->width > h->height ? h->height : h->width;
    if (longer > PICTURE_MAX_SIDE)
        return fail(err, STATUS_INVALID,
                    "the picture has %dx%d pixels; a side may have at most %d: make it smaller",
                    h->width, h->height, PICTURE_MAX_SIDE);
    if (longer * shorter > max_pixels)
        return fail(err, STATUS_INVALID,
                    "the picture has %dx%d pixels, more than the %lld allowed: make it smaller",
                    h->width, h->height, (long long)max_pixels);
    if (longer > PICTURE_MAX_ASPECT * shorter)
        return fail(err, STATUS_INVALID,
                    "the picture has %dx%d pixels; the longer side may be at most %d times the "
                    "shorter one: crop it",
                    h->width, h->height, PICTURE_MAX_ASPECT);
    return STATUS_OK;
}

enum status picture_decode_with(struct picture *out, struct decode_report *report,
                                const void *bytes, size_t size,
                                const struct decode_options *options, struct error *err) {
    *out = (struct picture){0};
    struct decode_report unread;
    if (!report) report = &unread;
    *report = (struct decode_report){.orientation = 1};
    enum status s = picture_probe(&report->header, bytes, size, err);
    const struct picture_header *header = &report->header;
    if (s == STATUS_OK) s = check_size(header, options->max_pixels, err);
    if (s == STATUS_OK) s = picture_create(out, header->width, header->height, err);

    struct decoding d = {.out = out, .options = options, .report = report, .orientation = 1};
    if (s == STATUS_OK) s = codecs[header->format].decode(&d, bytes, size, err);
    decoding_end(&d);
    report->orientation = d.orientation;
    if (s == STATUS_OK) s = picture_make_upright(out, d.orientation, err);
    if (s != STATUS_OK) picture_free(out);
    return s;
}

enum status picture_decode(struct picture *out, const void *bytes, size_t size, int64_t max_pixels,
                           struct error *err) {
    const struct decode_options options = {.max_pixels = max_pixels};
    return picture_decode_with(out, NULL, bytes, size, &options, err);
}
