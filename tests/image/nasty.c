/*
 * The formats' own framing, written out byte by byte: no encoder would make such files.
 */
#include "nasty.h"
#include "support/files.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct buffer sample(const char *name) {
    return read_bytes(in_folder(TEST_DATA "/decode", name));
}

void put(struct buffer *b, const void *bytes, size_t n) {
    if (buffer_append(b, bytes, n, NULL) != STATUS_OK) exit(EXIT_FAILURE);
}

void put_big_endian(struct buffer *b, uint32_t n, int bytes) {
    for (int i = bytes - 1; i >= 0; i--) put(b, &(uint8_t){(uint8_t)(n >> (8 * i))}, 1);
}

void put_little_endian(struct buffer *b, uint32_t n, int bytes) {
    for (int i = 0; i < bytes; i++) put(b, &(uint8_t){(uint8_t)(n >> (8 * i))}, 1);
}

void put_png_chunk(struct buffer *b, const char *type, const void *data, size_t n) {
    put_big_endian(b, (uint32_t)n, 4);
    size_t from = b->size;
    put(b, type, 4);
    put(b, data, n);
    put_big_endian(b, (uint32_t)crc32(0, (const Bytef *)b->data + from, (uInt)(n + 4)), 4);
}

void put_png_head(struct buffer *b, uint32_t width, uint32_t height, int depth, int color_type,
                  int interlace) {
    struct buffer ihdr = {0};
    put(b, "\x89PNG\r\n\x1a\n", 8);
    put_big_endian(&ihdr, width, 4);
    put_big_endian(&ihdr, height, 4);
    put(&ihdr, (uint8_t[]){(uint8_t)depth, (uint8_t)color_type, 0, 0, (uint8_t)interlace}, 5);
    put_png_chunk(b, "IHDR", ihdr.data, ihdr.size);
    buffer_free(&ihdr);
}

void put_png_tail(struct buffer *b, const void *rows, size_t n) {
    uLongf packed_size = compressBound(n);
    Bytef *packed = malloc(packed_size);
    if (!packed || compress(packed, &packed_size, rows, n) != Z_OK) exit(EXIT_FAILURE);
    put_png_chunk(b, "IDAT", packed, packed_size);
    put_png_chunk(b, "IEND", "", 0);
    free(packed);
}

void put_many_scans_jpeg(struct buffer *b, int width, int height, int scans) {
    put(b, "\xff\xd8", 2);
    put(b, "\xff\xdb\x00\x43\x00", 5); /* DQT: all ones */
    for (int i = 0; i < 64; i++) put(b, "\x01", 1);
    put(b, "\xff\xc2\x00\x0b\x08", 5); /* SOF2: progressive, 8 bit */
    put_big_endian(b, (uint32_t)height, 2);
    put_big_endian(b, (uint32_t)width, 2);
    put(b, "\x01\x01\x11\x00", 4);
    /* DHT: one code, "0", for a difference of zero */
    put(b, "\xff\xc4\x00\x14\x00\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x00", 22);
    size_t blocks = (size_t)((width + 7) / 8) * (size_t)((height + 7) / 8);
    for (int i = 0; i < scans; i++) {
        put(b, "\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00", 10); /* SOS: DC, all bits */
        for (size_t k = 0; k + 8 <= blocks; k += 8) put(b, "\x00", 1);
        if (blocks % 8) put(b, &(uint8_t){(uint8_t)(0xff >> blocks % 8)}, 1);
    }
    put(b, "\xff\xd9", 2);
}

void put_webp_head(struct buffer *b) {
    put(b, "RIFF\0\0\0\0WEBP", 12);
}

void put_webp_chunk(struct buffer *b, const char *type, const void *data, size_t n) {
    put(b, type, 4);
    put_little_endian(b, (uint32_t)n, 4);
    put(b, data, n);
    if (n % 2) put(b, "\0", 1);
}

void put_webp_end(struct buffer *b) {
    uint32_t n = (uint32_t)b->size - 8;
    for (int i = 0; i < 4; i++) b->data[4 + i] = (char)(n >> (8 * i));
}

void put_exif(struct buffer *b, int big_endian, int orientation) {
    void (*number)(struct buffer *, uint32_t, int) =
        big_endian ? put_big_endian : put_little_endian;
    put(b, big_endian ? "MM" : "II", 2);
    number(b, 42, 2);
    number(b, 8, 4);
    number(b, 1, 2);
    number(b, 0x0112, 2);
    number(b, 3, 2);
    number(b, 1, 4);
    number(b, (uint32_t)orientation, 2);
    number(b, 0, 2);
    number(b, 0, 4);
}
