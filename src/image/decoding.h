/*
 * decoding.h - a picture under way from a format's own pixels to upright sRGB on white.
 *
 * A format's file sets what it finds (orientation, colours, notes), says once how its pixels lie, and
 * hands over rows; the conversion to sRGB, the composition onto white and the question whether
 * anybody still wants the picture happen here, row by row.
 */
#ifndef IMAGE_DECODING_H
#define IMAGE_DECODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/picture.h"
#include "firered/status.h"
#include "image/colour.h"
#include "image/decode.h"

struct decoding {
    struct picture *out; /* created with the sides that were probed; what it holds is not set */
    const struct decode_options *options;
    struct decode_report *report;
    int orientation; /* EXIF's, 1..8, where the pixels are not upright yet */
    struct colour_source colours;
    /* decoding_begin's */
    struct colour_layout layout;
    struct colour *conversion;
    uint8_t *line; /* a row of RGB */
};

/* A note for the user, kept where there is a place for it; the text lives on. */
void decoding_note(struct decoding *d, const char *text);

/* STATUS_CANCELLED: nobody wants the picture any more. */
enum status decoding_go_on(const struct decoding *d, struct error *err);

/* Before the first row: how pixels lie in a row.  d->colours has been set, and may go away after.
 * STATUS_NO_MEMORY. */
enum status decoding_begin(struct decoding *d, struct colour_layout layout, struct error *err);

/* `count` pixels for row y from column x on; they lie within the picture.  The row is used up.
 * STATUS_CANCELLED. */
enum status decoding_row(struct decoding *d, int y, int x, uint8_t *pixels, int count,
                         struct error *err);

void decoding_end(struct decoding *d); /* at any stage; the picture stays */

#endif
