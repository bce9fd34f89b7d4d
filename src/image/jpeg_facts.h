/*
 * jpeg_facts.h - what a JPEG's segments say beside its pixels.
 */
#ifndef IMAGE_JPEG_FACTS_H
#define IMAGE_JPEG_FACTS_H

#include <stddef.h>
#include <stdint.h>

#include "image/decoding.h"

/* Sets d's orientation, colours and notes.  The colours point into *profile, which the caller frees;
 * NULL: there is none.  What is damaged is passed over.  STATUS_NO_MEMORY. */
/* EXIF's, 1 where there is none. */
int jpeg_orientation(const uint8_t *bytes, size_t size);

enum status jpeg_facts_read(struct decoding *d, uint8_t **profile, const uint8_t *bytes,
                            size_t size, struct error *err);

#endif
