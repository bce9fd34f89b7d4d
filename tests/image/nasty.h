/*
 * nasty.h - the sample files, and files made by hand, for the tests: pieces of PNG, JPEG and WebP, well-formed or not.
 * All append to a buffer and end the test program when memory runs out.
 */
#ifndef TEST_IMAGE_NASTY_H
#define TEST_IMAGE_NASTY_H

#include <stdint.h>

#include "base/buffer.h"

/* A file of tests/data/decode, whole; the caller frees it. */
struct buffer sample(const char *name);

void put(struct buffer *b, const void *bytes, size_t n);
void put_big_endian(struct buffer *b, uint32_t n, int bytes);
void put_little_endian(struct buffer *b, uint32_t n, int bytes);

void put_png_chunk(struct buffer *b, const char *type, const void *data, size_t n);
/* Signature and IHDR. */
void put_png_head(struct buffer *b, uint32_t width, uint32_t height, int depth, int color_type,
                  int interlace);
/* IDAT (n bytes, deflated here) and IEND. */
void put_png_tail(struct buffer *b, const void *rows, size_t n);

/* A well-formed progressive JPEG of uniform gray, its one DC scan repeated `scans` times. */
void put_many_scans_jpeg(struct buffer *b, int width, int height, int scans);

/* RIFF header and chunks; put_webp_end fills in the file's size.  The buffer holds just this file.
 */
void put_webp_head(struct buffer *b);
void put_webp_chunk(struct buffer *b, const char *type, const void *data, size_t n);
void put_webp_end(struct buffer *b);

/* An EXIF block (without "Exif\0\0") with one orientation entry. */
void put_exif(struct buffer *b, int big_endian, int orientation);

#endif
