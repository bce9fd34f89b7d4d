/*
 * plan.h - everything about an edit that is known before anything is computed: sizes, token ids,
 * positions, schedule.
 */
#ifndef PIPELINE_PLAN_H
#define PIPELINE_PLAN_H

#include "pipeline/engine.h"
#include "text/prompt.h"

struct edit_size {
    int width, height;
};

/* One of the prompts. */
struct plan_prompt {
    struct prompt_ids text;
    int32_t *positions; /* [3][count]: time, row, column (M-RoPE) */
};

struct plan {
    size_t pictures;
    struct edit_size
        condition[FIRERED_MAX_PICTURES]; /* first resize for the vision tower (LANCZOS) */
    struct edit_size
        vision[FIRERED_MAX_PICTURES];           /* second one (BICUBIC), a multiple of its tokens */
    struct edit_size vae[FIRERED_MAX_PICTURES]; /* what the VAE encodes */
    struct patch_grid patches[FIRERED_MAX_PICTURES];
    struct edit_size output; /* what the VAE decodes */
    struct edit_size result; /* what comes back: the output, unless input_size is asked for */
    struct token_grid
        grids[1 + FIRERED_MAX_PICTURES]; /* of latent tokens: the noise, then the pictures */
    int64_t noise_tokens, picture_tokens;

    bool guided;
    double guidance_scale; /* 1 where not guided */
    struct plan_prompt positive, negative;
    int64_t shared; /* tokens with which both prompts begin */

    int steps;
    float *sigmas;    /* [steps + 1] */
    float *timesteps; /* [steps], 0 to 1, as the transformer gets them */
};

/* Checks the request and fills *out; plan_free releases what it holds, after an error too.
 * STATUS_INVALID: counts, sizes, numbers or text out of range, each in one sentence. */
enum status plan_edit(struct plan *out, const struct firered *engine,
                      const struct firered_edit *edit, struct error *err);
void plan_free(struct plan *p);

/* The plan of an edit whose prompts have so many tokens beside the template's, for a dry run: the ids
 * stay empty, only their number is set.  No tokenizer is needed, and the request's prompts are not
 * looked at. */
enum status plan_unwritten_edit(struct plan *out, const struct firered *engine,
                                const struct firered_edit *edit, size_t prompt_tokens,
                                struct error *err);

/* The size of about `area` pixels at an aspect ratio, in multiples of 32.  Source: diffusers,
 * calculate_dimensions. */
struct edit_size size_for_area(int64_t area, int width, int height);

#endif
