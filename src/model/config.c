/*
 * Each config file is one `struct reader`: it opens the JSON, and functions named after what they take
 * (a size, a number, a flag, an array) read a key, check its range and fill in the published model's
 * value where a file may leave it out.  `refuse` holds what a network could not run.
 */
#include "model/config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"

enum {
    CONFIG_LIMIT = 1 << 20,
    MAX_LAYERS = 1024,
    MAX_FEATURES = 1 << 20, /* products of two sizes then stay far inside int64_t */
};

/* One config file being read.  As in loader.h, the first failure makes every later call do
 * nothing. */
struct reader {
    char path[4096];
    json_t *root;
    enum status status;
    struct error *err;
};

static void reader_open(struct reader *r, const char *model, const char *file, struct error *err) {
    *r = (struct reader){.err = err};
    if (snprintf(r->path, sizeof r->path, "%s/%s", model, file) >= (int)sizeof r->path)
        r->status = fail(err, STATUS_INVALID, "the model folder's path is too long");
    else
        r->status = json_open(&r->root, r->path, CONFIG_LIMIT, err);
}

static enum status reader_close(struct reader *r) {
    json_decref(r->root);
    return r->status;
}

/* A key that must be there: its initial value is outside the range. */
static int64_t size_at(struct reader *r, const json_t *object, const char *key, int64_t max) {
    int64_t value = -1;
    if (r->status == STATUS_OK)
        r->status = json_get_int(object, key, 1, max, &value, r->path, r->err);
    if (r->status == STATUS_OK && value < 1)
        r->status = fail(r->err, STATUS_INVALID, "%s: \"%s\" is missing", r->path, key);
    return r->status == STATUS_OK ? value : 1;
}

static int64_t size_or(struct reader *r, const json_t *object, const char *key, int64_t max,
                       int64_t fallback) {
    if (r->status == STATUS_OK)
        r->status = json_get_int(object, key, 1, max, &fallback, r->path, r->err);
    return fallback;
}

static double number_or(struct reader *r, const json_t *object, const char *key, double fallback) {
    if (r->status == STATUS_OK)
        r->status = json_get_double(object, key, &fallback, r->path, r->err);
    return fallback;
}

static bool bool_or(struct reader *r, const json_t *object, const char *key, bool fallback) {
    if (r->status == STATUS_OK) r->status = json_get_bool(object, key, &fallback, r->path, r->err);
    return fallback;
}

/* One line of text that a page can show: jansson has seen to it that it is UTF-8. */
static bool is_line(const json_t *v, size_t max_bytes) {
    const char *text = json_string_value(v);
    if (!text || !*text || strlen(text) > max_bytes) return false;
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f) return false;
    return true;
}

static void examples_or_none(struct reader *r, struct edit_config *out) {
    const json_t *array = json_object_get(r->root, "examples"), *v;
    size_t i, n = json_array_size(array); /* 0 for what is no array */
    if (r->status != STATUS_OK || !array || json_is_null(array)) return;
    bool good = json_is_array(array) && n <= FIRERED_MAX_EXAMPLES;
    for (i = 0; good && i < n; i++) good = is_line(json_array_get(array, i), EDIT_EXAMPLE_BYTES);
    if (!good) {
        r->status = fail(r->err, STATUS_INVALID,
                         "%s: \"examples\" must be at most %d lines of text of 1 to %d bytes",
                         r->path, FIRERED_MAX_EXAMPLES, EDIT_EXAMPLE_BYTES);
        return;
    }
    json_array_foreach(array, i, v)
        snprintf(out->examples[i], sizeof out->examples[i], "%s", json_string_value(v));
    out->example_count = n;
}

static void note_or_none(struct reader *r, struct edit_config *out) {
    const json_t *note = json_object_get(r->root, "note");
    if (r->status != STATUS_OK || !note || json_is_null(note)) return;
    if (is_line(note, EDIT_NOTE_BYTES))
        snprintf(out->note, sizeof out->note, "%s", json_string_value(note));
    else
        r->status = fail(r->err, STATUS_INVALID, "%s: \"note\" must be one line of 1 to %d bytes",
                         r->path, EDIT_NOTE_BYTES);
}

/* An array of exactly n numbers; absent, *out is left alone. */
static void numbers_or(struct reader *r, const json_t *object, const char *key, double *out,
                       size_t n) {
    const json_t *array = json_object_get(object, key);
    if (r->status != STATUS_OK || !array || json_is_null(array)) return;
    bool good = json_array_size(array) == n;
    for (size_t i = 0; good && i < n; i++) {
        const json_t *v = json_array_get(array, i);
        good = json_is_number(v);
        out[i] = json_number_value(v);
    }
    if (!good)
        r->status = fail(r->err, STATUS_INVALID, "%s: \"%s\" must be %zu numbers", r->path, key, n);
}

/* The same for positive sizes. */
static void sizes_or(struct reader *r, const json_t *object, const char *key, int64_t *out,
                     size_t n) {
    double values[VAE_MAX_LEVELS];
    for (size_t i = 0; i < n; i++) values[i] = (double)out[i];
    numbers_or(r, object, key, values, n);
    for (size_t i = 0; r->status == STATUS_OK && i < n; i++) {
        out[i] = values[i] >= 1 && values[i] <= MAX_FEATURES ? (int64_t)values[i] : 0;
        if (out[i] < 1 || (double)out[i] != values[i])
            r->status =
                fail(r->err, STATUS_INVALID, "%s: \"%s\" must be positive integers", r->path, key);
    }
}

static void refuse(struct reader *r, bool bad, const char *what) {
    if (r->status == STATUS_OK && bad)
        r->status = fail(r->err, STATUS_INVALID, "%s: %s", r->path, what);
}

enum status transformer_config_load(struct transformer_config *out, const char *model,
                                    struct error *err) {
    struct reader r;
    reader_open(&r, model, "transformer/config.json", err);
    struct transformer_config c = {.axes = {16, 56, 56}};
    int64_t patch = size_or(&r, r.root, "patch_size", 8, 2);
    c.layers = size_or(&r, r.root, "num_layers", MAX_LAYERS, 60);
    c.heads = size_or(&r, r.root, "num_attention_heads", MAX_FEATURES, 24);
    c.head_dim = size_or(&r, r.root, "attention_head_dim", 1024, 128);
    c.width = c.heads * c.head_dim;
    c.in_channels = size_or(&r, r.root, "in_channels", 4096, 64);
    c.out_channels = patch * patch * size_or(&r, r.root, "out_channels", 4096, 16);
    c.text_width = size_or(&r, r.root, "joint_attention_dim", MAX_FEATURES, 3584);
    c.zero_cond_t = bool_or(&r, r.root, "zero_cond_t", false);
    sizes_or(&r, r.root, "axes_dims_rope", c.axes, 3);
    refuse(&r, c.width > MAX_FEATURES, "the transformer is wider than this program allows");
    refuse(&r, patch != 2, "\"patch_size\" must be 2");
    refuse(&r, c.out_channels != c.in_channels,
           "\"out_channels\" times 4 must equal \"in_channels\"");
    refuse(&r, c.axes[0] + c.axes[1] + c.axes[2] != c.head_dim,
           "\"axes_dims_rope\" must add up to \"attention_head_dim\"");
    refuse(&r, c.axes[0] % 2 || c.axes[1] % 2 || c.axes[2] % 2, "\"axes_dims_rope\" must be even");
    refuse(&r, bool_or(&r, r.root, "guidance_embeds", false),
           "\"guidance_embeds\" is not supported");
    refuse(&r, bool_or(&r, r.root, "use_additional_t_cond", false),
           "\"use_additional_t_cond\" is not supported");
    refuse(&r, bool_or(&r, r.root, "use_layer3d_rope", false),
           "\"use_layer3d_rope\" is not supported");
    *out = c;
    return reader_close(&r);
}

/* The rotary settings are in "rope_parameters" (transformers 5), or "rope_theta" and "rope_scaling"
 * (transformers 4). */
static void read_rope(struct reader *r, const json_t *text, struct language_config *c) {
    const json_t *rope = json_object_get(text, "rope_parameters");
    if (!rope) rope = json_object_get(text, "rope_scaling");
    c->rope_theta = number_or(r, text, "rope_theta", 1e6);
    c->rope_theta = number_or(r, rope, "rope_theta", c->rope_theta);
    c->mrope_section[0] = 16;
    c->mrope_section[1] = c->mrope_section[2] = 24;
    sizes_or(r, rope, "mrope_section", c->mrope_section, 3);
    refuse(r, c->rope_theta <= 1, "\"rope_theta\" must be more than 1");
    refuse(r, c->mrope_section[0] + c->mrope_section[1] + c->mrope_section[2] != c->head_dim / 2,
           "\"mrope_section\" must add up to half of a head's size");
    const char *type = json_string_value(json_object_get(rope, "rope_type"));
    refuse(r, type && strcmp(type, "default") != 0 && strcmp(type, "mrope") != 0,
           "a \"rope_type\" other than default is not supported");
}

static void read_language(struct reader *r, struct language_config *c) {
    const json_t *text = json_object_get(r->root, "text_config");
    if (!json_is_object(text)) text = r->root;
    c->layers = size_at(r, text, "num_hidden_layers", MAX_LAYERS);
    c->hidden = size_at(r, text, "hidden_size", MAX_FEATURES);
    c->intermediate = size_at(r, text, "intermediate_size", MAX_FEATURES);
    c->heads = size_at(r, text, "num_attention_heads", 4096);
    c->kv_heads = size_at(r, text, "num_key_value_heads", 4096);
    c->vocabulary = size_at(r, text, "vocab_size", 1 << 24);
    c->rms_eps = number_or(r, text, "rms_norm_eps", 1e-6);
    c->tied = bool_or(r, r->root, "tie_word_embeddings", false);
    refuse(r, c->hidden % c->heads != 0,
           "\"hidden_size\" must be a multiple of \"num_attention_heads\"");
    refuse(r, c->heads % c->kv_heads != 0,
           "\"num_attention_heads\" must be a multiple of \"num_key_value_heads\"");
    c->head_dim = c->hidden / c->heads;
    refuse(r, c->head_dim % 2 != 0, "a head's size must be even");
    refuse(r, bool_or(r, text, "use_sliding_window", false),
           "\"use_sliding_window\" is not supported");
    read_rope(r, text, c);
}

static void read_full_attention(struct reader *r, const json_t *vision, struct vision_config *c) {
    const json_t *blocks = json_object_get(vision, "fullatt_block_indexes");
    size_t i;
    json_t *index;
    refuse(r, !json_is_array(blocks), "\"fullatt_block_indexes\" must be an array");
    json_array_foreach(blocks, i, index) {
        json_int_t at = json_integer_value(index);
        refuse(r, !json_is_integer(index), "\"fullatt_block_indexes\" must be numbers of layers");
        if (r->status != STATUS_OK) return;
        /* What no layer has as its number says nothing, as in transformers. */
        if (at >= 0 && at < c->layers) c->full_attention[at] = true;
    }
}

static void read_vision(struct reader *r, const struct language_config *language,
                        struct vision_config *c) {
    const json_t *vision = json_object_get(r->root, "vision_config");
    refuse(r, !json_is_object(vision), "\"vision_config\" is missing");
    c->layers = size_at(r, vision, "depth", VISION_MAX_LAYERS);
    c->hidden = size_at(r, vision, "hidden_size", MAX_FEATURES);
    c->intermediate = size_at(r, vision, "intermediate_size", MAX_FEATURES);
    c->heads = size_at(r, vision, "num_heads", 4096);
    c->out_hidden = size_at(r, vision, "out_hidden_size", MAX_FEATURES);
    c->channels = size_or(r, vision, "in_channels", 16, size_or(r, vision, "in_chans", 16, 3));
    c->patch = size_at(r, vision, "patch_size", 256);
    c->temporal_patch = size_or(r, vision, "temporal_patch_size", 16, 2);
    c->merge = size_or(r, vision, "spatial_merge_size", 16, 2);
    c->window = size_at(r, vision, "window_size", 1 << 16);
    refuse(r, c->channels != 3, "the vision tower must take pictures of 3 channels");
    refuse(r, c->hidden % c->heads != 0 || c->hidden / c->heads % 4 != 0,
           "the vision tower's \"hidden_size\" must be \"num_heads\" times a multiple of 4");
    refuse(r, c->out_hidden != language->hidden,
           "\"out_hidden_size\" must equal the language model's \"hidden_size\"");
    refuse(r, c->window < c->patch * c->merge, "\"window_size\" must hold at least one token");
    c->head_dim = c->hidden / c->heads;
    read_full_attention(r, vision, c);
}

/* How pictures become the vision tower's input: processor/preprocessor_config.json or
 * processor_config.json. */
static enum status read_processor(struct vision_config *c, const char *model, struct error *err) {
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/processor/preprocessor_config.json", model);
    bool old = n > 0 && n < (int)sizeof path && access(path, F_OK) == 0;
    struct reader r;
    reader_open(&r, model,
                old ? "processor/preprocessor_config.json" : "processor/processor_config.json",
                err);
    const json_t *image = json_object_get(r.root, "image_processor");
    if (!image) image = r.root;
    const json_t *size = json_object_get(image, "size");
    const double mean[] = {0.48145466, 0.4578275, 0.40821073},
                 std[] = {0.26862954, 0.26130258, 0.27577711};
    const int64_t max = (int64_t)1 << 40;
    memcpy(c->mean, mean, sizeof mean);
    memcpy(c->std, std, sizeof std);
    c->min_pixels =
        size_or(&r, image, "min_pixels", max, size_or(&r, size, "shortest_edge", max, 56 * 56));
    c->max_pixels = size_or(&r, image, "max_pixels", max,
                            size_or(&r, size, "longest_edge", max, 28 * 28 * 1280));
    numbers_or(&r, image, "image_mean", c->mean, 3);
    numbers_or(&r, image, "image_std", c->std, 3);
    refuse(&r, c->std[0] <= 0 || c->std[1] <= 0 || c->std[2] <= 0,
           "\"image_std\" must be positive");
    refuse(&r, c->min_pixels > c->max_pixels, "\"min_pixels\" must not exceed \"max_pixels\"");
    refuse(&r,
           size_or(&r, image, "patch_size", 256, c->patch) != c->patch ||
               size_or(&r, image, "merge_size", 16, c->merge) != c->merge ||
               size_or(&r, image, "temporal_patch_size", 16, c->temporal_patch) !=
                   c->temporal_patch,
           "its patches differ from the vision tower's");
    return reader_close(&r);
}

enum status text_encoder_config_load(struct language_config *language, struct vision_config *vision,
                                     const char *model, struct error *err) {
    struct reader r;
    reader_open(&r, model, "text_encoder/config.json", err);
    *language = (struct language_config){0};
    *vision = (struct vision_config){0};
    read_language(&r, language);
    read_vision(&r, language, vision);
    enum status s = reader_close(&r);
    return s == STATUS_OK ? read_processor(vision, model, err) : s;
}

static void read_levels(struct reader *r, struct vae_config *c) {
    const json_t *mult = json_object_get(r->root, "dim_mult"),
                 *temporal = json_object_get(r->root, "temperal_downsample");
    size_t levels = mult ? json_array_size(mult) : 4;
    refuse(r, levels < 2 || levels > VAE_MAX_LEVELS, "\"dim_mult\" must have 2 to 8 levels");
    refuse(r, temporal && json_array_size(temporal) != levels - 1,
           "\"temperal_downsample\" must have one entry less than \"dim_mult\"");
    if (r->status != STATUS_OK) return;
    const int64_t usual[] = {1, 2, 4, 4};
    c->levels = (int)levels;
    if (!mult) memcpy(c->mult, usual, sizeof usual);
    sizes_or(r, r->root, "dim_mult", c->mult, levels);
    for (size_t i = 0; i + 1 < levels; i++)
        c->temporal[i] = temporal ? json_is_true(json_array_get(temporal, i)) : i > 0;
    for (size_t i = 0; i < levels; i++)
        refuse(r, c->mult[i] > 64, "\"dim_mult\" must not exceed 64");
}

/* What the published VAE has; its config may leave it out. */
static const double usual_mean[] = {-0.7571, -0.7089, -0.9113, 0.1075,  -0.1745, 0.9653,
                                    -0.1517, 1.5508,  0.4134,  -0.0715, 0.5517,  -0.3632,
                                    -0.1922, -0.9497, 0.2503,  -0.2921};
static const double usual_std[] = {2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
                                   3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160};

enum status vae_config_load(struct vae_config *out, const char *model, struct error *err) {
    struct reader r;
    reader_open(&r, model, "vae/config.json", err);
    struct vae_config c = {0};
    c.base = size_or(&r, r.root, "base_dim", 4096, 96);
    c.z = size_or(&r, r.root, "z_dim", VAE_MAX_CHANNELS, 16);
    c.picture_channels = size_or(&r, r.root, "input_channels", 16, 3);
    c.res_blocks = size_or(&r, r.root, "num_res_blocks", 64, 2);
    read_levels(&r, &c);
    refuse(&r, c.picture_channels != 3, "the VAE must take pictures of 3 channels");
    refuse(&r, json_array_size(json_object_get(r.root, "attn_scales")) > 0,
           "\"attn_scales\" is not supported");
    bool usual = c.z == (int64_t)(sizeof usual_mean / sizeof *usual_mean);
    refuse(&r,
           !usual && (!json_object_get(r.root, "latents_mean") ||
                      !json_object_get(r.root, "latents_std")),
           "\"latents_mean\" and \"latents_std\" are missing");
    if (usual) memcpy(c.mean, usual_mean, sizeof usual_mean);
    if (usual) memcpy(c.std, usual_std, sizeof usual_std);
    numbers_or(&r, r.root, "latents_mean", c.mean, (size_t)c.z);
    numbers_or(&r, r.root, "latents_std", c.std, (size_t)c.z);
    for (int64_t i = 0; i < c.z; i++)
        refuse(&r, !(c.std[i] > 0), "\"latents_std\" must be positive");
    *out = c;
    return reader_close(&r);
}

int vae_scale(const struct vae_config *c) {
    return 1 << (c->levels - 1);
}

enum status edit_config_load(struct edit_config *out, const char *model, struct error *err) {
    *out = (struct edit_config){.condition_area = 384 * 384,
                                .vae_area = 1024 * 1024,
                                .output_area = 1024 * 1024,
                                .default_guidance = -1,
                                .int8 = true,
                                .max_pictures = FIRERED_MAX_PICTURES};
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/edit_config.json", model);
    if (n > 0 && n < (int)sizeof path && access(path, F_OK) != 0) return STATUS_OK;
    struct reader r;
    reader_open(&r, model, "edit_config.json", err);
    const int64_t max = (int64_t)1 << 24; /* four times the largest output that may be asked for */
    out->condition_area = size_or(&r, r.root, "condition_area", max, out->condition_area);
    out->vae_area = size_or(&r, r.root, "vae_area", max, out->vae_area);
    out->output_area = size_or(&r, r.root, "output_area", max, out->output_area);
    out->vae_follows_output = bool_or(&r, r.root, "vae_follows_output", false);
    out->default_steps = size_or(&r, r.root, "default_steps", 1000, 0);
    out->default_guidance = number_or(&r, r.root, "default_guidance", -1);
    out->distilled = bool_or(&r, r.root, "distilled", false);
    out->distilled_given = json_is_boolean(json_object_get(r.root, "distilled"));
    out->int8 = bool_or(&r, r.root, "int8", true);
    examples_or_none(&r, out);
    note_or_none(&r, out);
    out->max_pictures =
        size_or(&r, r.root, "max_pictures", FIRERED_MAX_PICTURES, out->max_pictures);
    return reader_close(&r);
}
