/*
 * One walk over the chunks; of each kind the first counts.  The colours are judged after it, since
 * their order in the file says nothing: cICP, iCCP, sRGB, gAMA with cHRM (PNG, third edition,
 * section 4.3).  A profile is inflated only as far as its own header says that it is long.
 */
#include "image/png_facts.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "image/exif.h"
#include "image/png_chunk.h"

enum { IHDR_SIZE = 13, PROFILE_HEADER = 128, MAX_PROFILE = 4 << 20 };

struct chunk {
    const uint8_t *data; /* NULL: there is none */
    size_t size;
};

struct chunks {
    struct chunk cicp, iccp, srgb, gama, chrm, trns, exif, plte;
};

const uint8_t *png_header(const uint8_t *bytes, size_t size) {
    size_t at = PNG_SIGNATURE_SIZE, first = png_chunk_size(bytes, size, at);
    if (first && png_chunk_is(bytes + at, "CgBI")) at += first;
    if (png_chunk_size(bytes, size, at) != IHDR_SIZE + PNG_CHUNK_FRAME ||
        !png_chunk_is(bytes + at, "IHDR"))
        return NULL;
    return bytes + at + PNG_CHUNK_HEAD;
}

static void walk(struct chunks *c, const uint8_t *bytes, size_t size) {
    struct {
        const char *type;
        struct chunk *chunk;
        bool anywhere;
    } kinds[] = {{"cICP", &c->cicp, false}, {"iCCP", &c->iccp, false}, {"sRGB", &c->srgb, false},
                 {"gAMA", &c->gama, false}, {"cHRM", &c->chrm, false}, {"tRNS", &c->trns, false},
                 {"PLTE", &c->plte, false}, {"eXIf", &c->exif, true}};
    bool in_pixels = false;
    for (size_t at = PNG_SIGNATURE_SIZE, whole; (whole = png_chunk_size(bytes, size, at)) != 0;
         at += whole) {
        const uint8_t *chunk = bytes + at;
        if (png_chunk_is(chunk, "IEND")) return;
        in_pixels |= png_chunk_is(chunk, "IDAT");
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
            if ((kinds[i].anywhere || !in_pixels) && png_chunk_is(chunk, kinds[i].type) &&
                (!kinds[i].chunk->data || kinds[i].anywhere))
                *kinds[i].chunk = (struct chunk){chunk + PNG_CHUNK_HEAD, whole - PNG_CHUNK_FRAME};
    }
}

/* A zlib stream's next bytes, all of them; false where it has fewer or is damaged. */
static bool inflate_into(z_stream *z, uint8_t *to, size_t size) {
    z->next_out = to;
    z->avail_out = (uInt)size;
    int why = inflate(z, Z_SYNC_FLUSH);
    return (why == Z_OK || why == Z_STREAM_END) && z->avail_out == 0;
}

/* The profile after its name and a zero that says deflate.  NULL: damaged, or no memory for it. */
static uint8_t *inflate_profile(const struct chunk *iccp, size_t *size) {
    const uint8_t *name_end = memchr(iccp->data, 0, iccp->size < 80 ? iccp->size : 80);
    size_t head = name_end ? (size_t)(name_end - iccp->data) + 2 : iccp->size;
    if (head >= iccp->size || iccp->data[head - 1] != 0) return NULL;
    z_stream z = {.next_in = (uint8_t *)iccp->data + head, .avail_in = (uInt)(iccp->size - head)};
    if (inflateInit(&z) != Z_OK) return NULL;
    uint8_t header[PROFILE_HEADER], *profile = NULL;
    bool ok = inflate_into(&z, header, sizeof header) && memcmp(header + 36, "acsp", 4) == 0;
    *size = png_number(header);
    if (ok && *size > PROFILE_HEADER && *size <= MAX_PROFILE) profile = malloc(*size);
    if (profile) {
        memcpy(profile, header, sizeof header);
        if (!inflate_into(&z, profile + PROFILE_HEADER, *size - PROFILE_HEADER)) {
            free(profile);
            profile = NULL;
        }
    }
    inflateEnd(&z);
    return profile;
}

static void read_gamma(struct colour_source *out, const struct chunks *c) {
    if (!c->gama.data || c->gama.size != 4) return;
    out->gamma = png_number(c->gama.data) / 100000.0;
    if (out->gamma < 0.05 || out->gamma > 20) out->gamma = 0; /* means nothing */
    if (!c->chrm.data || c->chrm.size != 32) return;
    for (int i = 0; i < 8; i++) out->xy[i] = png_number(c->chrm.data + (ptrdiff_t)i * 4) / 100000.0;
}

static void read_colours(struct png_facts *out, struct decoding *d, const struct chunks *c) {
    struct colour_source *to = &d->colours;
    if (c->cicp.data && c->cicp.size == 4 && c->cicp.data[2] == 0) {
        to->primaries = c->cicp.data[0];
        to->transfer = c->cicp.data[1];
        if (to->primaries != 0 && to->primaries != 2) return; /* 2: not specified */
        to->primaries = 0;
    }
    if (c->iccp.data) {
        size_t size = 0;
        out->profile = inflate_profile(&c->iccp, &size);
        to->icc = out->profile;
        to->icc_size = size;
        if (!out->profile) decoding_note(d, "the colour profile is broken and was ignored");
        return;
    }
    if (!c->srgb.data) read_gamma(to, c);
}

/* The transparent colour or the palette's alpha; of a palette no more than it has entries. */
static void read_key(struct png_facts *out, const struct chunks *c) {
    const struct chunk *key = &c->trns;
    if (!key->data || key->size == 0) return;
    size_t entries = c->plte.data ? c->plte.size / 3 : 0;
    size_t size = out->colour_type == 0 ? 2 : out->colour_type == 2 ? 6 : key->size;
    if (out->colour_type == 3 && size > entries) size = entries;
    if (out->colour_type > 3 || size == 0 || size > key->size) return;
    out->key = key->data;
    out->key_size = size;
}

enum status png_facts_read(struct png_facts *out, struct decoding *d, const uint8_t *bytes,
                           size_t size, struct error *err) {
    const uint8_t *header = png_header(bytes, size);
    struct chunks chunks = {0};
    *out = (struct png_facts){0};
    if (!header)
        return fail(err, STATUS_INVALID, "the PNG picture's header is truncated or corrupt");
    out->colour_type = header[9];
    out->interlaced = header[12] != 0;
    out->xcode = png_chunk_is(bytes + PNG_SIGNATURE_SIZE, "CgBI");
    walk(&chunks, bytes, size);
    if (chunks.exif.data) d->orientation = exif_orientation(chunks.exif.data, chunks.exif.size);
    read_key(out, &chunks);
    read_colours(out, d, &chunks);
    return STATUS_OK;
}

int png_orientation(const uint8_t *bytes, size_t size) {
    struct chunks chunks = {0};
    walk(&chunks, bytes, size);
    return chunks.exif.data ? exif_orientation(chunks.exif.data, chunks.exif.size) : 1;
}

void png_facts_free(struct png_facts *f) {
    free(f->profile);
    f->profile = NULL;
}
