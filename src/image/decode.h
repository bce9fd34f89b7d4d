/*
 * decode.h - picture files to pixels, as Pillow shows them after exif_transpose and convert("RGB").
 *
 * PNG of every bit depth and colour type (Xcode's too), JPEG (baseline, progressive, arithmetic; gray,
 * colour, CMYK), WebP and BMP; HEIC, AVIF, TIFF, GIF and JPEG XL where the build has their libraries.
 * Of an animation the first frame counts, of several pages the largest.  What the bytes are is seen in the
 * bytes: nobody's file name or content type is believed.  The bytes are untrusted: a damaged or
 * hostile file costs no more than what its header admits to, and that is checked before a pixel is
 * decoded.
 *
 * Transparency is composed onto white.  Colours become sRGB by what the file says about them: an ICC
 * profile, codes, PNG's gAMA and cHRM; untagged pictures and those in sRGB keep their bytes.  16-bit
 * samples keep their high byte.
 *
 * Of a damaged file what is decoded whole is used: an end that is cut behind the last row, damaged
 * restart marks.  Where rows are missing it is refused.
 *
 * Source of the conversions: Pillow 12 (PngImagePlugin, JpegImagePlugin, WebPImagePlugin, Convert.c).
 * A wilful difference: 16-bit gray keeps its high byte where Pillow clips it to white.
 */
#ifndef IMAGE_DECODE_H
#define IMAGE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/picture.h"
#include "firered/status.h"
#include "image/format.h"

/* What a file says about itself. */
struct picture_header {
    enum picture_format format;
    int width, height; /* as stored */
    int orientation;   /* EXIF's, 1..8: from 5 on the upright picture's sides are exchanged */
    int decode_bytes;  /* the most memory that decoding takes, for each pixel */
};

/* The sides that picture_decode will give. */
void picture_upright_sides(const struct picture_header *header, int *width, int *height);

enum { PICTURE_MAX_ASPECT = 200 }; /* the longer side over the shorter one */

/* Whether this build reads it: what is not PNG, JPEG, WebP or BMP hangs on a library. */
bool picture_format_is_read(enum picture_format format);

/* Reads the header only, and what it takes to be upright.  The sides are at least 1; nothing else is promised about them.
 * STATUS_UNSUPPORTED: no bytes, or no format of ours.  STATUS_INVALID: a header that is truncated
 * or corrupt, or a side of zero.  STATUS_NO_MEMORY. */
enum status picture_probe(struct picture_header *out, const void *bytes, size_t size,
                          struct error *err);

struct decode_options {
    int64_t max_pixels;   /* the largest width * height */
    bool ignore_profiles; /* take the bytes for sRGB, whatever the file says: as the reference does */
    bool (*cancelled)(void *arg); /* asked for every row; NULL: never */
    void *arg;
};

enum { DECODE_MAX_NOTES = 4 };

/* What was found on the way.  The notes are sentences for the user; nobody frees them. */
struct decode_report {
    struct picture_header header;
    int orientation;
    bool converted; /* the colours were not sRGB, and are now */
    const char *notes[DECODE_MAX_NOTES];
    size_t note_count;
};

/* Whether picture_decode_with would begin to decode what has this header: errors as there. */
enum status picture_check(const struct picture_header *header, const struct decode_options *options,
                          struct error *err);

/* Sets *out to the upright picture, which the caller releases with picture_free; when it fails,
 * *out is empty.  The report, which may be NULL, is set as far as the picture was read.
 * STATUS_UNSUPPORTED: no bytes, or no format of ours.
 * STATUS_INVALID: truncated, corrupt, a side of zero or over PICTURE_MAX_SIDE, more than
 * max_pixels, an aspect ratio over PICTURE_MAX_ASPECT.
 * STATUS_NO_MEMORY, STATUS_CANCELLED.
 *
 * Takes at most the header's decode_bytes of memory per pixel, the picture's own 3 included, and a
 * few times the file's size: 3 for a simple PNG or JPEG, 6 where the picture is turned, 11 for a
 * progressive CMYK JPEG, 24 where a library decodes at once (HEIC, AVIF, JPEG XL, TIFF in one strip).
 * Those cannot be stopped within that call. */
enum status picture_decode_with(struct picture *out, struct decode_report *report,
                                const void *bytes, size_t size,
                                const struct decode_options *options, struct error *err);

/* The same with colours converted, and nobody to stop it. */
enum status picture_decode(struct picture *out, const void *bytes, size_t size, int64_t max_pixels,
                           struct error *err);

#endif
