/*
 * transformer.h - the MMDiT (QwenImageTransformer2DModel): noise, reference pictures and a prompt
 * in, velocity out.
 *
 * Sequence: text tokens first, then the noise tokens, then the tokens of each reference picture.
 * Both streams have weights of their own and meet in the attention of every block.
 *
 * What does not change from step to step is prepared once per edit: the prompt's projection
 * (transformer_text_create) and what the timestep does to every layer, for all steps at once
 * (modulation_create): the modulation weights are a third of the model, and are read once per edit
 * instead of twice per step.
 *
 * Source: diffusers, transformer_qwenimage.py.
 */
#ifndef MODEL_TRANSFORMER_H
#define MODEL_TRANSFORMER_H

#include "model/blocks.h"
#include "model/config.h"
#include "model/loader.h"
#include "model/rotary.h"
#include "model/trace.h"

struct transformer;

/* Its weights lie in two stacks (model/blocks.h), because the modulation's are read once per edit
 * and the blocks' once per step. */
enum transformer_stack { TRANSFORMER_BLOCKS, TRANSFORMER_MODULATION, TRANSFORMER_STACKS };

/* A tensor that is there for its name alone: it says what zero_cond_t of a config says. */
#define INDEX_TIMESTEP_ZERO "__index_timestep_zero__"

/* The caller owns *out.  keep: how many blocks of each stack stay resident, if others do not. */
enum status transformer_load(struct transformer **out, const struct transformer_config *c,
                             const int64_t keep[TRANSFORMER_STACKS], struct loader *l,
                             struct error *err);
const struct blocks *transformer_stack(const struct transformer *t, enum transformer_stack s);
void transformer_destroy(struct transformer *t);

/* How the timesteps modulate the layers, in the workspace.  timesteps: [steps], from 0 to 1
 * (sigmas). */
struct modulation {
    struct tensor *image,
        *text;         /* [layers] of [steps + 1, 6 * width]; the last row is timestep 0 */
    struct tensor out; /* [steps + 1, 2 * width] */
    int64_t steps;
};
enum status modulation_create(struct modulation *out, const struct transformer *t,
                              struct workspace *w, const float *timesteps, int64_t steps,
                              struct error *err);
void modulation_destroy(struct modulation *m);

/* A prompt as the blocks want it. */
struct transformer_text {
    struct tensor tokens; /* [text rows, width] */
    struct tensor angles; /* [text rows + all picture rows, head_dim] */
};
/* embeds: [rows, text_width].  grids: the noise's, then each reference picture's. */
enum status transformer_text_create(struct transformer_text *out, const struct transformer *t,
                                    struct workspace *w, struct tensor embeds,
                                    const struct token_grid *grids, int64_t grid_count,
                                    struct error *err);

/* velocity [noise rows, out_channels] for latents [noise rows + reference rows, in_channels] at
 * step `step`. With a trace every block is computed whole, and shown; else the last one leaves
 * out what nobody reads. STATUS_CANCELLED, or what workspace_check says. */
enum status transformer_forward(const struct transformer *t, struct workspace *w,
                                struct tensor velocity, struct tensor latents,
                                const struct transformer_text *text, const struct modulation *m,
                                int64_t step, const struct trace *trace, struct error *err);

#endif
