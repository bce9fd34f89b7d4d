/*
 * vision.h - Qwen2.5-VL's vision tower: pictures in, one embedding per 2x2 patches out.
 *
 * Attention is within windows of window x window pixels, except in the layers that the config
 * names, which attend over a whole picture.  So that a window's patches lie side by side, patches
 * are put into window order on the way in, and tokens back into reading order on the way out.
 *
 * Source: transformers, modeling_qwen2_5_vl.py and vision_utils.py; image_processing_qwen2_vl.py
 * for the input.
 */
#ifndef MODEL_VISION_H
#define MODEL_VISION_H

#include "firered/picture.h"
#include "model/blocks.h"
#include "model/config.h"
#include "model/loader.h"
#include "model/rotary.h"

struct vision;

/* A picture in patches (one frame); rows and columns are multiples of merge. */
struct patch_grid {
    int64_t height, width;
};

/* The size, in pixels, that a picture is resized to before it is cut into patches: multiples of
 * patch * merge, within min_pixels and max_pixels, close to the aspect ratio.  Source:
 * transformers, smart_resize. */
void vision_size(const struct vision_config *c, int width, int height, int *new_width,
                 int *new_height);

/* Elements of one patch: channels * temporal_patch * patch * patch. */
int64_t vision_patch_size(const struct vision_config *c);
int64_t vision_tokens(const struct vision_config *c, const struct patch_grid *grids, int64_t count);

/* Normalises a picture of the size that vision_size gave and cuts it into patches [grid rows *
 * grid cols, patch size], merge x merge neighbours together, as `pixel_values` has them. */
void vision_patches(float *out, const struct vision_config *c, const struct picture *picture);

/* keep: how many layers stay resident, if others do not (model/blocks.h). */
enum status vision_load(struct vision **out, const struct vision_config *c, int64_t keep,
                        struct loader *l, struct error *err);
const struct blocks *vision_layers(const struct vision *v);
void vision_destroy(struct vision *v);

/* embeds [vision_tokens, out_hidden], in reading order, for pixel_values on the host, which may be
 * NULL in a dry workspace. */
enum status vision_forward(const struct vision *v, struct workspace *w, struct tensor embeds,
                           const float *pixel_values, const struct patch_grid *grids, int64_t count,
                           struct error *err);

#endif
