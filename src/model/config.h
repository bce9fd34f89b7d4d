/*
 * config.h - the sizes of the networks, from the model's own config files.
 *
 * Nothing about a model is a constant of ours: layers, widths, axes and areas are read here,
 * checked for sense (a file is untrusted), and handed to the networks.  Both layouts in circulation
 * are read: transformers 4's flat text config with preprocessor_config.json, and transformers 5's
 * nested text_config with processor_config.json.
 *
 * Every loader returns STATUS_INVALID with a sentence that names file and key, or STATUS_IO when a
 * file is not there.
 */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "firered.h"

/* transformer/config.json: QwenImageTransformer2DModel */
struct transformer_config {
    int64_t layers, heads, head_dim;
    int64_t width;        /* heads * head_dim */
    int64_t in_channels;  /* of a packed latent token: 4 x the VAE's z_dim */
    int64_t out_channels; /* of the same token, predicted */
    int64_t text_width;   /* joint_attention_dim: the text encoder's hidden_size */
    int64_t axes[3];  /* features of a head that turn with frame, row, column; head_dim in all */
    bool zero_cond_t; /* reference pictures are modulated as at timestep 0 (Qwen-Image-Edit-2511) */
};
enum status transformer_config_load(struct transformer_config *out, const char *model,
                                    struct error *err);

/* text_encoder/config.json: Qwen2_5_VLForConditionalGeneration's language model ... */
struct language_config {
    int64_t layers, hidden, intermediate, heads, kv_heads, head_dim, vocabulary;
    double rms_eps, rope_theta;
    int64_t mrope_section
        [3];   /* rotary pairs that turn with time, row, column; their sum is head_dim / 2 */
    bool tied; /* no output head of its own in the checkpoint */
};

/* ... and its vision tower. */
enum { VISION_MAX_LAYERS = 512 };
struct vision_config {
    int64_t layers, hidden, intermediate, heads, head_dim, out_hidden, channels;
    int64_t patch, temporal_patch; /* pixels and frames of a patch */
    int64_t merge;                 /* merge x merge patches become one token */
    int64_t window;                /* pixels of an attention window's side */
    bool full_attention[VISION_MAX_LAYERS];
    /* (pre)processor_config.json */
    int64_t min_pixels, max_pixels;
    double mean[3], std[3];
};
enum status text_encoder_config_load(struct language_config *language, struct vision_config *vision,
                                     const char *model, struct error *err);

/* vae/config.json: AutoencoderKLQwenImage */
enum { VAE_MAX_LEVELS = 8, VAE_MAX_CHANNELS = 256 };
struct vae_config {
    int64_t base, z, picture_channels, res_blocks;
    int levels; /* of dim_mult; each but the last halves the picture */
    int64_t mult[VAE_MAX_LEVELS];
    bool temporal[VAE_MAX_LEVELS]; /* the level's resampling has a convolution over time too */
    double mean[VAE_MAX_CHANNELS], std[VAE_MAX_CHANNELS]; /* of the latents, per channel */
};
enum status vae_config_load(struct vae_config *out, const char *model, struct error *err);
int vae_scale(const struct vae_config *c); /* pixels of a latent's side: 2^(levels - 1) */

enum { EDIT_EXAMPLE_BYTES = 200, EDIT_NOTE_BYTES = 300 };

/* edit_config.json: ours, all keys optional; QwenImageEditPlusPipeline has these as constants. */
struct edit_config {
    int64_t condition_area; /* pixels of a picture for the text encoder: 384 * 384 */
    int64_t vae_area;       /* ... for the VAE: 1024 * 1024 */
    int64_t output_area;    /* of the edited picture: 1024 * 1024 */
    bool vae_follows_output; /* the VAE gets pictures in the output's size, vae_area counts no more */
    int64_t default_steps;   /* 0: not given */
    double default_guidance; /* negative: not given */
    bool distilled;          /* run without guidance, always */
    bool distilled_given;    /* the file says whether */
    bool int8;               /* whether 8-bit weights suit it: true */
    size_t example_count;    /* prompts that show what the model can do, for a page to offer */
    char examples[FIRERED_MAX_EXAMPLES][EDIT_EXAMPLE_BYTES + 1];
    char note[EDIT_NOTE_BYTES + 1]; /* what the model can do, in a sentence or two; "": not given */
    int64_t max_pictures;           /* of an edit: FIRERED_MAX_PICTURES */
};
enum status edit_config_load(struct edit_config *out, const char *model, struct error *err);

#endif
