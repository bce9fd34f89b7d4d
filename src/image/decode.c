/*
 * The one door for picture files: what is it, is it too much, decode, turn upright.  Everything
 * that a file could lie about is judged here from its header; the formats' own files only have to
 * be right about their format.
 */
#include "image/decode.h"

#include <stdio.h>

#include "image/codec.h"
#include "image/exif.h"
#include "image/kind.h"
#include "image/picture.h"

static const struct codec {
    enum status (*probe)(const uint8_t *bytes, size_t size, int *width, int *height,
                         struct error *err);
    enum status (*decode)(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err);
    int decode_bytes; /* for a pixel, where look does not say less */
    void (*look)(struct picture_header *to, const uint8_t *bytes, size_t size); /* may be NULL */
} codecs[] = {
    [PICTURE_PNG] = {png_probe, png_decode, 7, png_look},
    [PICTURE_JPEG] = {jpeg_probe, jpeg_decode, 11, jpeg_look},
    [PICTURE_WEBP] = {webp_probe, webp_decode, 11, webp_look},
    [PICTURE_BMP] = {bmp_probe, bmp_decode, 3, NULL},
#if FIRERED_GIF
    [PICTURE_GIF] = {gif_probe, gif_decode, 3, NULL},
#endif
#if FIRERED_TIFF
    [PICTURE_TIFF] = {tiff_probe, tiff_decode, 24, tiff_look},
#endif
#if FIRERED_HEIF
    [PICTURE_HEIC] = {heif_probe, heif_decode, 24, NULL},
    [PICTURE_AVIF] = {heif_probe, heif_decode, 24, NULL},
#endif
#if FIRERED_JXL
    [PICTURE_JXL] = {jxl_probe, jxl_decode, 24, NULL},
#endif
};

bool picture_format_is_read(enum picture_format format) {
    return (size_t)format < sizeof codecs / sizeof codecs[0] && codecs[format].decode;
}

/* "PNG, JPEG or WebP", as far as this build reads them. */
static void list_formats(char *out, size_t size) {
    size_t n = 0, last = 0;
    for (size_t f = 0; f < PICTURE_FORMATS; f++)
        if (picture_format_is_read((enum picture_format)f)) last = f;
    *out = '\0';
    for (size_t f = 0; f <= last && n < size; f++)
        if (picture_format_is_read((enum picture_format)f))
            n += (size_t)snprintf(out + n, size - n, "%s%s",
                                  f == 0      ? ""
                                  : f == last ? " or "
                                              : ", ",
                                  picture_format_name((enum picture_format)f));
}

static enum status sniff(enum picture_format *out, const uint8_t *bytes, size_t size,
                         struct error *err) {
    char formats[128];
    list_formats(formats, sizeof formats);
    if (size == 0)
        return fail(err, STATUS_UNSUPPORTED, "the picture file is empty; send %s", formats);
    bool ours = picture_kind(out, bytes, size);
    if (ours && picture_format_is_read(*out)) return STATUS_OK;
    if (ours)
        return fail(err, STATUS_UNSUPPORTED,
                    "this is a picture in %s, which is not in this build; send %s",
                    picture_format_name(*out), formats);
    const char *kind = foreign_kind(bytes, size);
    if (kind)
        return fail(err, STATUS_UNSUPPORTED, "this is %s; this build reads %s", kind, formats);
    return fail(err, STATUS_UNSUPPORTED, "the bytes are no picture format that we know; send %s",
                formats);
}

enum status picture_probe(struct picture_header *out, const void *bytes, size_t size,
                          struct error *err) {
    *out = (struct picture_header){.orientation = 1};
    enum status s = sniff(&out->format, bytes, size, err);
    if (s == STATUS_OK) s = codecs[out->format].probe(bytes, size, &out->width, &out->height, err);
    if (s == STATUS_OK && (out->width < 1 || out->height < 1))
        s = fail(err, STATUS_INVALID, "the %s picture has no pixels: its size is %dx%d",
                 picture_format_name(out->format), out->width, out->height);
    if (s != STATUS_OK) return s;
    enum { TURNING = 6 }; /* two of them */
    out->decode_bytes = codecs[out->format].decode_bytes;
    if (codecs[out->format].look) codecs[out->format].look(out, bytes, size);
    if (out->orientation != 1 && out->decode_bytes < TURNING) out->decode_bytes = TURNING;
    return s;
}

void picture_upright_sides(const struct picture_header *h, int *width, int *height) {
    bool exchanged = h->orientation >= 5;
    *width = exchanged ? h->height : h->width;
    *height = exchanged ? h->width : h->height;
}

enum status picture_check(const struct picture_header *h, const struct decode_options *options,
                          struct error *err) {
    int64_t max_pixels = options->max_pixels;
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
    if (s == STATUS_OK) s = picture_check(header, options, err);
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
