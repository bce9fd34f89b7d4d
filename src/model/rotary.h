/*
 * rotary.h - tables of angles for op_norm_rotary, made on the host: [rows, head_dim], first the
 * cosines of a row's head_dim/2 pairs, then their sines.
 */
#ifndef MODEL_ROTARY_H
#define MODEL_ROTARY_H

#include <stdint.h>

#include "model/config.h"

/* A picture in the transformer's sequence, in latent tokens. */
struct token_grid {
    int64_t height, width;
};

/* QwenImage: `text` text rows, then the rows of each grid.  Rows and columns are counted from
 * the picture's middle, grid i is frame i, and text continues on the diagonal from the largest
 * half side.  Source: diffusers, QwenEmbedRope with scale_rope. */
void rotary_joint(float *angles, const struct transformer_config *c, int64_t text,
                  const struct token_grid *grids, int64_t grid_count);

/* Qwen2.5-VL's language model: positions is [3][rows] (time, row, column).  Source: transformers,
 * Qwen2_5_VLRotaryEmbedding. */
void rotary_language(float *angles, const struct language_config *c, const int32_t *positions,
                     int64_t rows);

/* Qwen2.5-VL's vision tower: positions is [2][rows] (row, column of a patch).  Source:
 * transformers, Qwen2_5_VLVisionRotaryEmbedding. */
void rotary_vision(float *angles, const struct vision_config *c, const int32_t *positions,
                   int64_t rows);

#endif
