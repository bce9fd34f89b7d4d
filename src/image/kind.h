/*
 * kind.h - what bytes are, by how they begin, whatever a name or a content type says.
 */
#ifndef IMAGE_KIND_H
#define IMAGE_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/format.h"

/* True: a format of ours, whether this build reads it or not. */
bool picture_kind(enum picture_format *out, const uint8_t *bytes, size_t size);

/* Of what is no format of ours: "a Photoshop picture (PSD)", or NULL. */
const char *foreign_kind(const uint8_t *bytes, size_t size);

#endif
