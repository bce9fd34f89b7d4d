/*
 * PNG through libspng.
 *
 * libspng is handed the critical chunks only (IHDR, PLTE, IDAT, IEND), straight out of the caller's
 * bytes: a reader between the two leaves out all others.  Of those we need one, eXIf, and read it
 * ourselves.  So no compressed text or colour profile is ever inflated, no chunk is stored, and a
 * fault in one that nobody looks at is none.  tRNS is among those left out: alpha is dropped
 * anyway.
 */
#include <limits.h>
#include <spng.h>
#include <string.h>

#include "image/codec.h"
#include "image/exif.h"
#include "image/png_chunk.h"

enum { IHDR_SIZE = 13 };

struct png_reader {
    const uint8_t *bytes;
    size_t size;
    size_t at, end; /* what is being handed over: up to the end of a chunk */
};

static int read_critical(spng_ctx *ctx, void *user, void *dest, size_t length) {
    (void)ctx;
    struct png_reader *r = user;
    for (uint8_t *to = dest; length > 0;) {
        if (r->at == r->end) {
            size_t chunk = png_chunk_size(r->bytes, r->size, r->at);
            if (chunk == 0) return SPNG_IO_EOF;
            r->end += chunk;
            bool ancillary = r->bytes[r->at + 4] & 0x20; /* a small first letter says so */
            if (ancillary) r->at = r->end;
            continue;
        }
        size_t n = r->end - r->at < length ? r->end - r->at : length;
        memcpy(to, r->bytes + r->at, n);
        r->at += n;
        to += n;
        length -= n;
    }
    return 0;
}

/* Follows the chunks to IEND: is all of the file there?  Takes the orientation along, which may
 * stand behind the pixels. */
static enum status walk(const uint8_t *bytes, size_t size, int *orientation, struct error *err) {
    *orientation = 1;
    for (size_t at = PNG_SIGNATURE_SIZE, chunk; (chunk = png_chunk_size(bytes, size, at)) != 0;
         at += chunk) {
        if (png_chunk_is(bytes + at, "IEND")) return STATUS_OK;
        if (png_chunk_is(bytes + at, "eXIf"))
            *orientation = exif_orientation(bytes + at + PNG_CHUNK_HEAD, chunk - PNG_CHUNK_FRAME);
    }
    return fail(err, STATUS_INVALID, "the PNG picture is truncated or corrupt: its end is missing");
}

static enum status png_fail(int why, struct error *err) {
    if (why == SPNG_EMEM || why == SPNG_EZLIB_INIT)
        return fail(err, STATUS_NO_MEMORY, "no memory to decode the PNG picture");
    return fail(err, STATUS_INVALID, "the PNG picture is truncated or corrupt: %s",
                spng_strerror(why));
}

enum status png_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                      struct error *err) {
    const uint8_t *ihdr = bytes + PNG_SIGNATURE_SIZE;
    if (png_chunk_size(bytes, size, PNG_SIGNATURE_SIZE) != IHDR_SIZE + PNG_CHUNK_FRAME ||
        !png_chunk_is(ihdr, "IHDR") || png_number(ihdr + 8) > INT_MAX ||
        png_number(ihdr + 12) > INT_MAX)
        return fail(err, STATUS_INVALID, "the PNG picture's header is truncated or corrupt");
    *width = (int)png_number(ihdr + 8);
    *height = (int)png_number(ihdr + 12);
    return STATUS_OK;
}

enum status png_decode(struct picture *out, int *orientation, const uint8_t *bytes, size_t size,
                       struct error *err) {
    enum status s = walk(bytes, size, orientation, err);
    if (s != STATUS_OK) return s;
    spng_ctx *ctx = spng_ctx_new(0);
    if (!ctx) return png_fail(SPNG_EMEM, err);

    struct png_reader reader = {bytes, size, 0, PNG_SIGNATURE_SIZE};
    size_t need = 0;
    int why = spng_set_png_stream(ctx, read_critical, &reader);
    if (why == 0) why = spng_decoded_image_size(ctx, SPNG_FMT_RGB8, &need);
    if (why == 0 && need != (size_t)out->width * (size_t)out->height * 3) why = SPNG_EINTERNAL;
    if (why == 0) why = spng_decode_image(ctx, out->rgb, need, SPNG_FMT_RGB8, 0);
    if (why == 0) why = spng_decode_chunks(ctx); /* up to IEND: checks what follows the pixels */
    spng_ctx_free(ctx);
    return why == 0 ? STATUS_OK : png_fail(why, err);
}
