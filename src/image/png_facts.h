/*
 * png_facts.h - what a PNG's chunks say beside its pixels.
 */
#ifndef IMAGE_PNG_FACTS_H
#define IMAGE_PNG_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/decoding.h"

struct png_facts {
    int colour_type;
    bool interlaced;
    bool xcode;         /* Apple's own kind: see png.c */
    const uint8_t *key; /* tRNS, where it counts and is sound; NULL: none */
    size_t key_size;
    uint8_t *profile; /* inflated */
};

/* IHDR's data, 13 bytes, or NULL where the file does not begin with it, or with CgBI before it. */
const uint8_t *png_header(const uint8_t *bytes, size_t size);

/* Sets *out, and d's orientation, colours and notes; the colours point into *out.  What is damaged is
 * passed over.  STATUS_NO_MEMORY, and then *out needs no release. */
enum status png_facts_read(struct png_facts *out, struct decoding *d, const uint8_t *bytes,
                           size_t size, struct error *err);
/* EXIF's, 1 where there is none. */
int png_orientation(const uint8_t *bytes, size_t size);
void png_facts_free(struct png_facts *f);

#endif
