/*
 * decode.h - picture files to pixels, as Pillow shows them after exif_transpose and convert("RGB").
 *
 * PNG of every bit depth and colour type, JPEG (baseline and progressive; gray, colour, CMYK) and
 * WebP (lossy, lossless; of an animation its first frame).  What the bytes are is seen in the
 * bytes: nobody's file name or content type is believed.  The bytes are untrusted: a damaged or
 * hostile file costs no more than what its header admits to, and that is checked before a pixel is
 * decoded.
 *
 * Alpha is dropped, not composited: the colour channels stay as they are.  16-bit samples keep
 * their high byte.  Embedded colour profiles are not applied (Pillow does not either).
 *
 * Source of the conversions: Pillow 12 (PngImagePlugin, JpegImagePlugin, WebPImagePlugin,
 * Convert.c).  Two wilful differences: 16-bit gray keeps its high byte where Pillow clips it to
 * white, and a truncated or corrupt file is always refused, one that lacks its end marker included.
 */
#ifndef IMAGE_DECODE_H
#define IMAGE_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "firered/picture.h"
#include "firered/status.h"
#include "image/format.h"

/* What a file says about itself. */
struct picture_header {
    enum picture_format format;
    int width, height; /* as stored: EXIF may yet turn the picture */
};

enum { PICTURE_MAX_ASPECT = 200 }; /* the longer side over the shorter one */

/* Reads the header only.  The sides are at least 1; nothing else is promised about them.
 * STATUS_UNSUPPORTED: no bytes, or no format of ours.  STATUS_INVALID: a header that is truncated
 * or corrupt, or a side of zero.  STATUS_NO_MEMORY. */
enum status picture_probe(struct picture_header *out, const void *bytes, size_t size,
                          struct error *err);

/* Sets *out to the upright picture, which the caller releases with picture_free; when it fails,
 * *out is empty.  max_pixels is the largest width * height.
 * STATUS_UNSUPPORTED: no bytes, or no format of ours.
 * STATUS_INVALID: truncated, corrupt, a side of zero or over PICTURE_MAX_SIDE, more than
 * max_pixels, an aspect ratio over PICTURE_MAX_ASPECT.
 * STATUS_NO_MEMORY.
 *
 * Takes at most 11 bytes of memory per pixel (a progressive CMYK JPEG), the picture's own 3
 * included, and a few times the file's size. */
enum status picture_decode(struct picture *out, const void *bytes, size_t size, int64_t max_pixels,
                           struct error *err);

#endif
