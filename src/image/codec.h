/*
 * codec.h - what decode.c and encode.c ask of each format's own file.
 */
#ifndef IMAGE_CODEC_H
#define IMAGE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "firered/picture.h"
#include "firered/status.h"
#include "image/decoding.h"
#include "image/encode.h"

/* X_probe: the sides that the header tells, 0 .. INT_MAX, not judged.
 * X_decode: pixels into d->out, which has been created with just these sides and stays the caller's,
 * whatever happens; see decoding.h.  The bytes begin with the format's signature.
 * STATUS_INVALID: truncated or corrupt.  STATUS_NO_MEMORY.  X_decode also STATUS_CANCELLED. */
enum status png_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                      struct error *err);
enum status png_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err);
enum status jpeg_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                       struct error *err);
enum status jpeg_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err);
enum status webp_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                       struct error *err);
enum status webp_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err);
enum status bmp_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                      struct error *err);
enum status bmp_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err);
enum status gif_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                      struct error *err);
enum status gif_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err);
enum status tiff_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                       struct error *err);
enum status tiff_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err);
enum status heif_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                       struct error *err);
enum status heif_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err);
enum status jxl_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                      struct error *err);
enum status jxl_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err);

/* X_look: of a file that was probed, its orientation, and decode_bytes where that is less than the
 * format's most; what is damaged changes nothing. */
void png_look(struct picture_header *to, const uint8_t *bytes, size_t size);
void jpeg_look(struct picture_header *to, const uint8_t *bytes, size_t size);
void webp_look(struct picture_header *to, const uint8_t *bytes, size_t size);
void tiff_look(struct picture_header *to, const uint8_t *bytes, size_t size);

/* X_encode: appends a whole file to *out; on failure what it appended may be there still.  The
 * sides are ones that the format can hold.
 * STATUS_INVALID: a text that PNG cannot hold.  STATUS_NO_MEMORY. */
enum status png_encode(struct buffer *out, const struct picture *p,
                       const struct encode_options *options, struct error *err);
enum status jpeg_encode(struct buffer *out, const struct picture *p,
                        const struct encode_options *options, struct error *err);
enum status webp_encode(struct buffer *out, const struct picture *p,
                        const struct encode_options *options, struct error *err);

#endif
