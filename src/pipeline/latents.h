/*
 * latents.h - the forms in which a picture's latents travel between the VAE and the transformer.
 *
 * A latent map is [height * width, channels], pixel after pixel.  Packed latents are [height/2 *
 * width/2, channels * 4]: a token is a 2x2 square, its numbers ordered by channel, then row, then
 * column. Source: diffusers, QwenImageEditPlusPipeline._pack_latents, _unpack_latents.
 */
#ifndef PIPELINE_LATENTS_H
#define PIPELINE_LATENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/picture.h"
#include "model/config.h"

/* tokens are height/2 x width/2 of a map that is height x width. */
void latents_pack(float *packed, const float *map, int64_t height, int64_t width, int64_t channels);
void latents_unpack(float *map, const float *packed, int64_t height, int64_t width,
                    int64_t channels);

/* Noise comes channel after channel, [channels][height][width], as torch draws it. */
void latents_pack_planes(float *packed, const float *planes, int64_t height, int64_t width,
                         int64_t channels);

/* (x - mean) / std per channel of a map, and back. */
void latents_normalise(float *map, int64_t pixels, const struct vae_config *c);
void latents_denormalise(float *map, int64_t pixels, const struct vae_config *c);

/* Bytes to -1..1 and back, rounded as the reference's postprocessing does. */
void pixels_to_floats(float *out, const struct picture *p);
void pixels_from_floats(struct picture *p, const float *in);

bool all_finite(const float *x, size_t n);

#endif
