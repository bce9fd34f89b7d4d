/*
 * png_chunk.h - the pieces that a PNG file is made of: a length, four letters, so many bytes, a
 * CRC.
 *
 * For walking over a file that is untrusted:
 *
 *     for (size_t at = PNG_SIGNATURE_SIZE, n; (n = png_chunk_size(bytes, size, at)) != 0; at += n)
 *         if (png_chunk_is(bytes + at, "IEND")) ...
 *
 * Source: PNG, third edition, section 5.
 */
#ifndef IMAGE_PNG_CHUNK_H
#define IMAGE_PNG_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What stands before a chunk's data, and around it. */
enum { PNG_SIGNATURE_SIZE = 8, PNG_CHUNK_HEAD = 8, PNG_CHUNK_FRAME = 12 };

static inline uint32_t png_number(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The whole size of the chunk at `at`, its frame included, or 0 when the file ends before the chunk
 * does. */
static inline size_t png_chunk_size(const uint8_t *bytes, size_t size, size_t at) {
    if (size < at || size - at < PNG_CHUNK_FRAME) return 0;
    size_t length = png_number(bytes + at);
    return length <= size - at - PNG_CHUNK_FRAME ? length + PNG_CHUNK_FRAME : 0;
}

static inline bool png_chunk_is(const uint8_t *chunk, const char *type) {
    return memcmp(chunk + 4, type, 4) == 0;
}

#endif
