/*
 * exif.h - which way up a picture is.
 *
 * Cameras store pixels as the sensor lay and note in EXIF tag 0x0112 how to turn them.
 * Source: EXIF 2.32, section 4.6.4 (Orientation) on the structure of TIFF 6.0.
 */
#ifndef IMAGE_EXIF_H
#define IMAGE_EXIF_H

#include <stddef.h>
#include <stdint.h>

#include "firered/picture.h"
#include "firered/status.h"

/* The orientation, 1..8, that an EXIF block tells: a TIFF header with its first directory, with or
 * without "Exif\0\0" before it.  A block that is damaged or has no such tag is 1, upright: a fault
 * here is no reason to refuse a picture whose pixels are fine. */
int exif_orientation(const void *bytes, size_t size);

/* Turns and mirrors *p in the way that makes a picture stored with this orientation upright; 5 to 8
 * swap its sides.  STATUS_NO_MEMORY, and then *p is as it was. */
enum status picture_make_upright(struct picture *p, int orientation, struct error *err);

#endif
