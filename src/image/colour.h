/*
 * colour.h - what a file says about its colours, and the way from there to sRGB.
 *
 * A profile that is broken or for another kind of colour is no reason to refuse a picture: its bytes
 * are then taken for sRGB, with a note.  The same holds for colours that are sRGB already, without
 * one: such a picture keeps its bytes.
 *
 * The intent is perceptual, as in browsers and Pillow: for screens' profiles (a matrix and curves) it
 * is the same as relative colorimetric; for presses' it keeps the differences between dark tones.
 *
 * Sources: ICC.1:2010; ITU-T H.273 (the codes of cICP and nclx); PNG, third edition, section 11.3.2.
 */
#ifndef IMAGE_COLOUR_H
#define IMAGE_COLOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"

enum colour_kind { COLOUR_GRAY, COLOUR_RGB, COLOUR_CMYK };

/* The first that is set counts, in this order, save that codes stand before a profile in PNG: a
 * format's file sets only what counts there. */
struct colour_source {
    const uint8_t *icc; /* a whole profile, or NULL */
    size_t icc_size;
    int primaries, transfer; /* H.273's codes; 0: none */
    double gamma;            /* PNG's gAMA: about 1/2.2; 0: none */
    double xy[8];            /* with it: white, red, green, blue; all 0: sRGB's */
};

/* Pixels as they lie in a row. */
struct colour_layout {
    enum colour_kind kind;
    int stride; /* bytes from pixel to pixel: gray may be repeated, alpha is the last byte */
    bool alpha; /* the last byte of a pixel is alpha */
    bool premultiplied; /* colours have been multiplied by it */
    bool inverted;      /* CMYK in which 255 is no ink, as Adobe's */
};

struct colour; /* a conversion to sRGB */

/* *out NULL: nothing is to be converted.  *note is then NULL, or says what was wrong, a constant.
 * STATUS_NO_MEMORY, and then *out is NULL, too. */
enum status colour_create(struct colour **out, const struct colour_source *source,
                          const struct colour_layout *layout, const char **note, struct error *err);
void colour_destroy(struct colour *c);

/* `count` pixels to RGB; alpha is passed over. */
void colour_convert(struct colour *c, uint8_t *rgb, const uint8_t *pixels, size_t count);

#endif
