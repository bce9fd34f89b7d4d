/*
 * picture.h - the one form in which pictures travel through the program.
 */
#ifndef FIRERED_PICTURE_H
#define FIRERED_PICTURE_H

#include <stdint.h>

/* 8-bit sRGB, rows from top to bottom, pixels interleaved, no padding: width * height * 3 bytes.
 * Whoever fills `rgb` owns it; picture_free releases one that came from a function of ours. */
struct picture {
    int width, height;
    uint8_t *rgb;
};

enum { PICTURE_MAX_SIDE = 1 << 16 };

void picture_free(struct picture *p); /* NULL and empty pictures are fine */

#endif
