/*
 * vae.h - AutoencoderKLQwenImage on a still picture: pixels to latents and back.
 *
 * The checkpoint is a video autoencoder, causal in time.  Of one frame only the last temporal slice
 * of its 3-D kernels meets data, the others meet the padding; so each is an ordinary 2-D
 * convolution, exactly, and its convolutions over time do not run at all.
 *
 * Feature maps have their channels side by side.  The large ones, on the picture's side of the
 * middle, never exist as a whole: the layers there run in bands of rows (vae_bands.h), with the
 * same result to the byte.
 *
 * Source: diffusers, autoencoder_kl_qwenimage.py.
 */
#ifndef MODEL_VAE_H
#define MODEL_VAE_H

#include "model/config.h"
#include "model/loader.h"
#include "model/trace.h"

struct vae;

enum status vae_load(struct vae **out, const struct vae_config *c, struct loader *l,
                     struct error *err);
void vae_destroy(struct vae *v);

/* How many rows of the picture are worked on at a time; 0, as at first: chosen by its width.  For
 * tests: results do not depend on it, memory and time do. */
void vae_set_band(struct vae *v, int64_t rows);

/* The posterior's mean [height/8 * width/8, z], not yet normalised by the config's mean and std,
 * of a picture [height * width, 3] in -1..1 on the host, NULL in a dry workspace.  Sides are
 * multiples of vae_scale. */
enum status vae_encode(const struct vae *v, struct workspace *w, struct tensor mean,
                       const float *picture, int64_t height, int64_t width, struct error *err);

/* Where a decoded picture [height*8 * width*8, 3] goes, on the host: as bytes and, where anybody
 * wants them, as floats clamped to -1..1.  Both are NULL in a dry workspace. */
struct vae_picture {
    uint8_t *bytes;
    float *floats; /* may be NULL */
    bool finite;   /* set by vae_decode: whether no element is NaN or infinite */
};

/* The picture of latents [height * width, z] in the VAE's own scale. */
enum status vae_decode(const struct vae *v, struct workspace *w, struct vae_picture *picture,
                       struct tensor latents, int64_t height, int64_t width, struct error *err);

#endif
