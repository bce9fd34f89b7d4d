/*
 * latents.h - what goes into an edit's first operations, as the host makes it.
 */
#ifndef PIPELINE_LATENTS_H
#define PIPELINE_LATENTS_H

#include <stdint.h>

#include "firered/picture.h"

/* Noise comes channel after channel, [channels][height][width], as torch draws it; packed it is what
 * op_pack makes of a map. */
void latents_pack_planes(float *packed, const float *planes, int64_t height, int64_t width,
                         int64_t channels);

/* Bytes to -1..1. */
void pixels_to_floats(float *out, const struct picture *p);

#endif
