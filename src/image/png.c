/*
 * PNG through libspng.
 *
 * libspng is handed a file that is made anew while it reads: the critical chunks (IHDR, PLTE, IDAT),
 * straight out of the caller's bytes, tRNS, and an IEND; a reader between the two leaves out all
 * others.  Of those png_facts reads what we need.  So no compressed text is ever inflated, no chunk
 * is stored, and a fault in one that nobody looks at is none.  A file that is cut within its pixels
 * ends in a chunk that is whole: whether rows are missing is then seen by the rows alone.
 *
 * Xcode's pictures (a CgBI chunk, blue before red, alpha multiplied in, deflate without zlib's frame)
 * become PNGs on the same way, by an IDAT more that holds the two bytes that are missing.
 */
#include <limits.h>
#include <spng.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "image/codec.h"
#include "image/png_chunk.h"
#include "image/png_facts.h"

enum { MAX_PIECES = 3, HEAD_AND_CRC = 12 };

struct piece {
    const uint8_t *bytes;
    size_t size;
};

struct png_reader {
    const struct png_facts *facts;
    const uint8_t *bytes;
    size_t size, at; /* the next chunk */
    bool in_pixels, ended;
    struct piece pieces[MAX_PIECES]; /* of the chunk that is being handed over */
    int piece, piece_count;
    uint8_t head[PNG_SIGNATURE_SIZE], crc[4]; /* of one that is made */
};

static void put_big_endian(uint8_t *to, uint32_t v) {
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void hand_over(struct png_reader *r, const uint8_t *bytes, size_t size) {
    r->pieces[0] = (struct piece){bytes, size};
    r->piece = 0;
    r->piece_count = 1;
}

static void hand_over_made(struct png_reader *r, const char *type, const uint8_t *data,
                           size_t size) {
    put_big_endian(r->head, (uint32_t)size);
    memcpy(r->head + 4, type, 4);
    uLong crc = crc32(0, r->head + 4, 4);
    if (size) crc = crc32(crc, data, (uInt)size);
    put_big_endian(r->crc, (uint32_t)crc);
    r->pieces[0] = (struct piece){r->head, sizeof r->head};
    r->pieces[1] = (struct piece){data, size};
    r->pieces[2] = (struct piece){r->crc, sizeof r->crc};
    r->piece = 0;
    r->piece_count = MAX_PIECES;
}

/* What stands before the pixels, once: tRNS, and zlib's head where it is missing. */
static bool hand_over_before_pixels(struct png_reader *r) {
    static const uint8_t zlib_head[2] = {0x78, 0x01};
    if (!r->in_pixels && r->facts->key) {
        hand_over_made(r, "tRNS", r->facts->key, r->facts->key_size);
    } else if (!r->in_pixels && r->facts->xcode) {
        hand_over_made(r, "IDAT", zlib_head, sizeof zlib_head);
    } else {
        return false;
    }
    return true;
}

/* Sets r->pieces to the next chunk for libspng.  False: there is none. */
static bool next_chunk(struct png_reader *r) {
    if (r->ended) return false;
    for (size_t whole; (whole = png_chunk_size(r->bytes, r->size, r->at)) != 0; r->at += whole) {
        const uint8_t *chunk = r->bytes + r->at;
        if (png_chunk_is(chunk, "IEND")) break;
        bool pixels = png_chunk_is(chunk, "IDAT");
        bool wanted = pixels || png_chunk_is(chunk, "IHDR") || png_chunk_is(chunk, "PLTE");
        bool ancillary = chunk[4] & 0x20; /* a small first letter says so */
        if (!wanted && (ancillary || png_chunk_is(chunk, "CgBI"))) continue;
        if (pixels && !r->in_pixels) {
            bool made = hand_over_before_pixels(r);
            /* tRNS may be followed by zlib's head only in theory: Xcode writes no tRNS. */
            r->in_pixels = true;
            if (made) return true;
        }
        hand_over(r, chunk, whole);
        r->at += whole;
        return true;
    }
    const uint8_t *chunk = r->bytes + r->at;
    size_t left = r->size - r->at;
    if (left > PNG_CHUNK_HEAD && png_chunk_is(chunk, "IDAT")) { /* cut */
        if (!r->in_pixels) {
            bool made = hand_over_before_pixels(r);
            r->in_pixels = true;
            if (made) return true;
        }
        size_t data = left - PNG_CHUNK_HEAD, length = png_number(chunk);
        hand_over_made(r, "IDAT", chunk + PNG_CHUNK_HEAD, data < length ? data : length);
        r->at = r->size;
    } else {
        hand_over_made(r, "IEND", NULL, 0);
        r->ended = true;
    }
    return true;
}

static int read_made(spng_ctx *ctx, void *user, void *dest, size_t length) {
    (void)ctx;
    struct png_reader *r = user;
    for (uint8_t *to = dest; length > 0;) {
        if (r->piece == r->piece_count) {
            if (!next_chunk(r)) return SPNG_IO_EOF;
            continue;
        }
        struct piece *p = &r->pieces[r->piece];
        size_t n = p->size < length ? p->size : length;
        if (n) memcpy(to, p->bytes, n);
        p->bytes = n ? p->bytes + n : p->bytes;
        p->size -= n;
        to += n;
        length -= n;
        if (p->size == 0) r->piece++;
    }
    return 0;
}

static enum status png_fail(int why, struct error *err) {
    if (why == SPNG_EMEM || why == SPNG_EZLIB_INIT)
        return fail(err, STATUS_NO_MEMORY, "no memory to decode the PNG picture");
    return fail(err, STATUS_INVALID, "the PNG picture is truncated or corrupt: %s",
                spng_strerror(why));
}

enum status png_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                      struct error *err) {
    const uint8_t *ihdr = png_header(bytes, size);
    if (!ihdr || png_number(ihdr) > INT_MAX || png_number(ihdr + 4) > INT_MAX)
        return fail(err, STATUS_INVALID, "the PNG picture's header is truncated or corrupt");
    *width = (int)png_number(ihdr);
    *height = (int)png_number(ihdr + 4);
    return STATUS_OK;
}

static void swap_red_and_blue(uint8_t *row, int count, int stride) {
    for (int i = 0; i < count; i++, row += stride) {
        uint8_t red = row[2];
        row[2] = row[0];
        row[0] = red;
    }
}

/* Rows of an interlaced picture come several times, a pass each: they are kept until all are whole. */
static enum status read_rows(struct decoding *d, spng_ctx *ctx, const struct png_facts *facts,
                             uint8_t *rows, struct error *err) {
    int stride = d->layout.stride, width = d->out->width;
    size_t row_size = (size_t)width * (size_t)stride;
    int why = 0;
    while (why == 0) {
        struct spng_row_info row;
        enum status s = STATUS_OK;
        why = spng_get_row_info(ctx, &row);
        uint8_t *to = facts->interlaced ? rows + row.row_num * row_size : rows;
        if (why == 0) why = spng_decode_row(ctx, to, row_size);
        if (why != 0 && why != SPNG_EOI) return png_fail(why, err);
        if (facts->xcode && !facts->interlaced) swap_red_and_blue(to, width, stride);
        s = facts->interlaced ? decoding_go_on(d, err)
                              : decoding_row(d, (int)row.row_num, 0, to, width, err);
        if (s != STATUS_OK) return s;
    }
    for (int y = 0; facts->interlaced && y < d->out->height; y++) {
        uint8_t *row = rows + (size_t)y * row_size;
        if (facts->xcode) swap_red_and_blue(row, width, stride);
        enum status s = decoding_row(d, y, 0, row, width, err);
        if (s != STATUS_OK) return s;
    }
    return STATUS_OK;
}

static enum status decode_pixels(struct decoding *d, spng_ctx *ctx, const struct png_facts *facts,
                                 struct error *err) {
    bool alpha = facts->colour_type & 4 || facts->key || facts->xcode;
    bool gray = facts->colour_type == 0 || facts->colour_type == 4;
    int format = alpha ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8;
    struct colour_layout layout = {.kind = gray ? COLOUR_GRAY : COLOUR_RGB,
                                   .stride = alpha ? 4 : 3,
                                   .alpha = alpha,
                                   .premultiplied = facts->xcode};
    size_t width = (size_t)d->out->width, need = 0;
    size_t expected = width * (size_t)d->out->height * (size_t)layout.stride;
    int why = spng_decoded_image_size(ctx, format, &need);
    if (why == 0 && need != expected) why = SPNG_EINTERNAL;
    if (why == 0)
        why = spng_decode_image(ctx, NULL, 0, format,
                                SPNG_DECODE_PROGRESSIVE | (facts->key ? SPNG_DECODE_TRNS : 0));
    if (why != 0) return png_fail(why, err);
    enum status s = decoding_begin(d, layout, err);
    if (s != STATUS_OK) return s;
    uint8_t *rows = calloc(facts->interlaced ? expected : width * (size_t)layout.stride, 1);
    s = rows ? read_rows(d, ctx, facts, rows, err) : png_fail(SPNG_EMEM, err);
    free(rows);
    return s;
}

enum status png_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err) {
    struct png_facts facts;
    enum status s = png_facts_read(&facts, d, bytes, size, err);
    if (s != STATUS_OK) return s;
    spng_ctx *ctx = spng_ctx_new(0);
    struct png_reader reader = {
        .facts = &facts, .bytes = bytes, .size = size, .at = PNG_SIGNATURE_SIZE};
    hand_over(&reader, bytes, PNG_SIGNATURE_SIZE);
    int why = ctx ? spng_set_png_stream(ctx, read_made, &reader) : SPNG_EMEM;
    s = why == 0 ? decode_pixels(d, ctx, &facts, err) : png_fail(why, err);
    spng_ctx_free(ctx);
    png_facts_free(&facts);
    return s;
}

/* An interlaced picture is kept whole beside the one that is made of it. */
void png_look(struct picture_header *to, const uint8_t *bytes, size_t size) {
    const uint8_t *header = png_header(bytes, size);
    if (header && !header[12]) to->decode_bytes = 3;
    to->orientation = png_orientation(bytes, size);
}
