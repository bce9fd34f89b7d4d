/*
 * picture.h - where pictures come from, for the files of this folder.
 */
#ifndef IMAGE_PICTURE_H
#define IMAGE_PICTURE_H

#include "firered/picture.h"
#include "firered/status.h"

/* Sets *p to width x height pixels whose bytes are not set yet; the caller releases it with
 * picture_free.  The sides have been checked: each is 1..PICTURE_MAX_SIDE.  STATUS_NO_MEMORY, and
 * then *p is empty. */
enum status picture_create(struct picture *p, int width, int height, struct error *err);

#endif
