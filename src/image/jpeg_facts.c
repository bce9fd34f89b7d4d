/*
 * Looks for EXIF and a profile itself, up to the first scan: libjpeg would keep every segment of that
 * kind in a list, whose end it seeks anew for each, which takes hours for a file that is full of empty
 * ones.
 *
 * A profile comes in up to 255 parts of 64 KB, each with its number and how many there are, in any
 * order (ICC.1:2010, annex B.4).  Of a part that comes twice the first counts.
 */
#include "image/jpeg_facts.h"

#include <stdlib.h>
#include <string.h>

#include "image/exif.h"

enum { MAX_PARTS = 255, PART_HEAD = 14 };

struct segment {
    int marker;
    const uint8_t *data;
    size_t size;
};

struct parts {
    struct segment part[MAX_PARTS + 1]; /* by number, from 1 */
    int count;                          /* as the first one says; 0: there is none */
};

/* The next segment from *at on, before the first scan. */
static bool next_segment(struct segment *out, const uint8_t *bytes, size_t size, size_t *at) {
    enum { SOS = 0xda, EOI = 0xd9 };
    while (size - *at > 4) {
        const uint8_t *b = bytes + *at;
        if (b[0] != 0xff || b[1] == 0xff) { /* padding */
            ++*at;
            continue;
        }
        *at += 2;
        if (b[1] == SOS || b[1] == EOI) return false;
        if (b[1] <= 1 || (b[1] & 0xf8) == 0xd0) continue; /* these have no length */
        size_t length = (size_t)b[2] << 8 | b[3];
        if (length < 2 || length >= size - *at) return false;
        *out = (struct segment){b[1], b + 4, length - 2};
        *at += length;
        return true;
    }
    return false;
}

static void keep_part(struct parts *p, const struct segment *s) {
    if (s->size <= PART_HEAD || memcmp(s->data, "ICC_PROFILE", 12) != 0) return;
    int number = s->data[12];
    if (!p->count) p->count = s->data[13];
    if (number >= 1 && !p->part[number].data) p->part[number] = *s;
}

static enum status join(struct decoding *d, uint8_t **profile, const struct parts *p,
                        struct error *err) {
    size_t size = 0;
    for (int i = 1; i <= p->count; i++) {
        if (!p->part[i].data) {
            decoding_note(d, "the colour profile is incomplete and was ignored");
            return STATUS_OK;
        }
        size += p->part[i].size - PART_HEAD;
    }
    if (size == 0) return STATUS_OK;
    *profile = malloc(size);
    if (!*profile) return fail(err, STATUS_NO_MEMORY, "no memory to decode the JPEG picture");
    d->colours.icc = *profile;
    for (int i = 1; i <= p->count; i++) {
        size_t n = p->part[i].size - PART_HEAD;
        memcpy(*profile + d->colours.icc_size, p->part[i].data + PART_HEAD, n);
        d->colours.icc_size += n;
    }
    return STATUS_OK;
}

enum { APP1 = 0xe1, APP2 = 0xe2 };

int jpeg_orientation(const uint8_t *bytes, size_t size) {
    struct segment s;
    for (size_t at = 2; next_segment(&s, bytes, size, &at);)
        if (s.marker == APP1 && s.size >= 6 && memcmp(s.data, "Exif\0\0", 6) == 0)
            return exif_orientation(s.data, s.size);
    return 1;
}

enum status jpeg_facts_read(struct decoding *d, uint8_t **profile, const uint8_t *bytes,
                            size_t size, struct error *err) {
    struct parts parts = {0};
    struct segment s;
    *profile = NULL;
    for (size_t at = 2; next_segment(&s, bytes, size, &at);)
        if (s.marker == APP2) keep_part(&parts, &s);
    d->orientation = jpeg_orientation(bytes, size);
    return join(d, profile, &parts, err);
}
