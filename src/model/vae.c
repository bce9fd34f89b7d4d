/*
 * Loads encoder and decoder, and runs each as a chain of layers over bands of rows on the
 * picture's side, with the middle, which attends over the whole map, at the other end.
 */
#include "model/vae.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/vae_bands.h"

enum { VAE_MAX_RES_BLOCKS = 65 };

struct attention_block {
    struct vector *norm;
    struct linear *qkv, *proj;
};

struct level {
    struct res_block blocks[VAE_MAX_RES_BLOCKS];
    int64_t count;
    struct conv *resample; /* NULL in the last level */
};

/* Encoder or decoder. */
struct coder {
    struct conv *conv_in, *conv_out;
    struct level levels[VAE_MAX_LEVELS];
    struct res_block middle[2];
    struct attention_block attention;
    struct vector *norm_out;
    int64_t middle_channels, out_channels; /* of the middle, and before conv_out */
};

struct vae {
    struct vae_config c;
    struct coder encoder, decoder;
    struct linear *quant, *post_quant;
    int64_t band_rows; /* see vae_set_band */
};

/* Pixels of the picture in a band.  Fewer take less memory; but in a small map a band then has
 * so few rows that transforming the weights (conv_winograd.c) and starting the threads begin to
 * count. */
enum { BAND_PIXELS = 1 << 17 };

/* ---- weights ---- */

static void load_res_block(struct loader *l, struct res_block *b, int64_t in, int64_t out,
                           const char *name) {
    b->in = in;
    b->out = out;
    load_vector(l, &b->norm1, in, "%s.norm1.gamma", name);
    load_conv(l, &b->conv1, out, in, 3, 5, 3, "%s.conv1", name);
    load_vector(l, &b->norm2, out, "%s.norm2.gamma", name);
    load_conv(l, &b->conv2, out, out, 3, 5, 3, "%s.conv2", name);
    if (in != out) load_pointwise(l, &b->shortcut, out, in, 5, "%s.conv_shortcut", name);
}

static void load_middle(struct loader *l, struct coder *coder, int64_t n, const char *name) {
    char block[LOADER_NAME_MAX];
    coder->middle_channels = n;
    for (int i = 0; i < 2; i++) {
        snprintf(block, sizeof block, "%s.resnets.%d", name, i);
        load_res_block(l, &coder->middle[i], n, n, block);
    }
    load_vector(l, &coder->attention.norm, n, "%s.attentions.0.norm.gamma", name);
    load_pointwise(l, &coder->attention.qkv, 3 * n, n, 4, "%s.attentions.0.to_qkv", name);
    load_pointwise(l, &coder->attention.proj, n, n, 4, "%s.attentions.0.proj", name);
}

/* Convolutions over time, which a still picture never meets. */
static void skip_time_conv(struct loader *l, const char *name, int64_t out, int64_t in) {
    load_nothing(l, (const int64_t[]){out, in, 3, 1, 1}, 5, "%s.time_conv.weight", name);
    load_nothing(l, &out, 1, "%s.time_conv.bias", name);
}

static void load_encoder(struct loader *l, struct coder *coder, const struct vae_config *c) {
    char name[LOADER_NAME_MAX];
    int64_t n = c->base;
    int flat = 0; /* diffusers numbers an encoder's blocks through all levels */
    load_conv(l, &coder->conv_in, n, c->picture_channels, 3, 5, 3, "encoder.conv_in");
    for (int i = 0; i < c->levels; i++) {
        struct level *level = &coder->levels[i];
        int64_t out = c->base * c->mult[i];
        for (level->count = 0; level->count < c->res_blocks; level->count++, n = out) {
            snprintf(name, sizeof name, "encoder.down_blocks.%d", flat++);
            load_res_block(l, &level->blocks[level->count], n, out, name);
        }
        if (i + 1 == c->levels) break;
        snprintf(name, sizeof name, "encoder.down_blocks.%d", flat++);
        load_conv(l, &level->resample, n, n, 3, 4, 1, "%s.resample.1", name);
        if (c->temporal[i]) skip_time_conv(l, name, n, n);
    }
    load_middle(l, coder, n, "encoder.mid_block");
    load_vector(l, &coder->norm_out, n, "encoder.norm_out.gamma");
    load_conv(l, &coder->conv_out, 2 * c->z, n, 3, 5, 3, "encoder.conv_out");
    coder->out_channels = n;
}

static void load_decoder(struct loader *l, struct coder *coder, const struct vae_config *c) {
    char name[LOADER_NAME_MAX];
    int64_t n = c->base * c->mult[c->levels - 1];
    load_conv(l, &coder->conv_in, n, c->z, 3, 5, 3, "decoder.conv_in");
    load_middle(l, coder, n, "decoder.mid_block");
    for (int i = 0; i < c->levels; i++) {
        struct level *level = &coder->levels[i];
        int64_t out = c->base * c->mult[c->levels - 1 - i];
        for (level->count = 0; level->count < c->res_blocks + 1; level->count++, n = out) {
            snprintf(name, sizeof name, "decoder.up_blocks.%d.resnets.%d", i, (int)level->count);
            load_res_block(l, &level->blocks[level->count], n, out, name);
        }
        if (i + 1 == c->levels) break;
        snprintf(name, sizeof name, "decoder.up_blocks.%d.upsamplers.0", i);
        load_conv(l, &level->resample, n / 2, n, 3, 4, 1, "%s.resample.1", name);
        if (c->temporal[c->levels - 2 - i]) skip_time_conv(l, name, 2 * n, n);
        n /= 2;
    }
    load_vector(l, &coder->norm_out, n, "decoder.norm_out.gamma");
    load_conv(l, &coder->conv_out, c->picture_channels, n, 3, 5, 3, "decoder.conv_out");
    coder->out_channels = n;
}

enum status vae_load(struct vae **out, const struct vae_config *c, struct loader *l,
                     struct error *err) {
    *out = NULL;
    struct vae *v = calloc(1, sizeof *v);
    if (!v) return fail(err, STATUS_NO_MEMORY, "no memory to load the VAE");
    v->c = *c;
    loader_start(l, err);
    load_encoder(l, &v->encoder, c);
    load_pointwise(l, &v->quant, 2 * c->z, 2 * c->z, 5, "quant_conv");
    load_pointwise(l, &v->post_quant, c->z, c->z, 5, "post_quant_conv");
    load_decoder(l, &v->decoder, c);
    enum status s = loader_finish(l);
    if (s != STATUS_OK) {
        vae_destroy(v);
        return s;
    }
    *out = v;
    return STATUS_OK;
}

static void res_block_destroy(struct res_block *b) {
    vector_destroy(b->norm1);
    vector_destroy(b->norm2);
    conv_destroy(b->conv1);
    conv_destroy(b->conv2);
    linear_destroy(b->shortcut);
}

static void coder_destroy(struct coder *coder) {
    for (int i = 0; i < VAE_MAX_LEVELS; i++) {
        for (int64_t k = 0; k < coder->levels[i].count; k++)
            res_block_destroy(&coder->levels[i].blocks[k]);
        conv_destroy(coder->levels[i].resample);
    }
    res_block_destroy(&coder->middle[0]);
    res_block_destroy(&coder->middle[1]);
    vector_destroy(coder->attention.norm);
    linear_destroy(coder->attention.qkv);
    linear_destroy(coder->attention.proj);
    vector_destroy(coder->norm_out);
    conv_destroy(coder->conv_in);
    conv_destroy(coder->conv_out);
}

void vae_destroy(struct vae *v) {
    if (!v) return;
    coder_destroy(&v->encoder);
    coder_destroy(&v->decoder);
    linear_destroy(v->quant);
    linear_destroy(v->post_quant);
    free(v);
}

void vae_set_band(struct vae *v, int64_t rows) {
    v->band_rows = rows;
}

/* ---- a pass ---- */

static void conv3(struct workspace *w, struct feature_map out, struct feature_map in,
                  const struct conv *v, const struct tensor *residual) {
    op_conv(w, out, in, v,
            &(struct conv_options){.stride = 1, .pad_top = 1, .pad_left = 1, .residual = residual});
}

/* x + conv(silu(norm(conv(silu(norm(x)))))) on a whole map, in place. */
static void run_middle_block(struct workspace *w, struct feature_map x, struct feature_map normed,
                             const struct res_block *b) {
    size_t mark = workspace_mark(w);
    struct feature_map inner = feature_map_take(w, x.height, x.width, b->out);
    op_channel_norm(w, normed.t, x.t, b->norm1, true);
    conv3(w, inner, normed, b->conv1, NULL);
    op_channel_norm(w, inner.t, inner.t, b->norm2, true);
    conv3(w, x, inner, b->conv2, &x.t);
    workspace_release(w, mark);
}

static void run_attention(struct workspace *w, struct feature_map x, struct feature_map normed,
                          const struct attention_block *a) {
    int64_t n = x.t.cols;
    size_t mark = workspace_mark(w);
    struct tensor qkv = tensor_take(w, x.t.rows, 3 * n);
    /* Alone in here this bears bfloat16: docs/decisions/006. */
    const struct attention attention = {.heads = 1,
                                        .kv_heads = 1,
                                        .head_dim = n,
                                        .scale = 1.0f / sqrtf((float)n),
                                        .bears = PRECISION_FLOAT32 | PRECISION_BFLOAT16};
    op_channel_norm(w, normed.t, x.t, a->norm, false);
    op_linear(w, qkv, normed.t, a->qkv, NULL);
    op_attention(w, normed.t, tensor_cols(qkv, 0, n), tensor_cols(qkv, n, n),
                 tensor_cols(qkv, 2 * n, n), &attention);
    op_linear(w, x.t, normed.t, a->proj, &(struct epilogue){.residual = &x.t});
    workspace_release(w, mark);
}

/* The middle sees the whole map at once. */
static enum status run_middle(struct workspace *w, struct feature_map x, const struct coder *coder,
                              struct error *err) {
    size_t mark = workspace_mark(w);
    struct feature_map normed = feature_map_take(w, x.height, x.width, x.t.cols);
    run_middle_block(w, x, normed, &coder->middle[0]);
    enum status s = workspace_check(w, err);
    if (s == STATUS_OK) {
        run_attention(w, x, normed, &coder->attention);
        run_middle_block(w, x, normed, &coder->middle[1]);
        s = workspace_check(w, err);
    }
    workspace_release(w, mark);
    return s;
}

/* Rows of the picture in a band: such that a band of the smallest map is whole tiles too. */
static int64_t band_rows(const struct vae *v, const struct workspace *w, int64_t width) {
    int64_t whole = op_conv_tile(w) * vae_scale(&v->c), rows = BAND_PIXELS / width;
    return v->band_rows ? v->band_rows : rows < whole ? whole : rows / whole * whole;
}

/* Between a chain, the picture on the host and the map in the middle. */
struct band_io {
    const float *picture;
    struct vae_picture *decoded;
    struct tensor finite; /* [1, 1]: 0 once something was decoded that is no number */
    struct feature_map middle;
};

static struct tensor middle_rows(const struct band_io *e, int64_t from, struct feature_map band) {
    return tensor_rows(e->middle.t, from * e->middle.width, band.t.rows);
}

static void read_picture(void *arg, struct workspace *w, struct feature_map to, int64_t from) {
    const struct band_io *e = arg;
    if (!workspace_is_dry(w)) tensor_upload(w, to.t, e->picture + from * to.width * to.t.cols);
}

static void write_picture(void *arg, struct workspace *w, struct feature_map rows, int64_t from) {
    const struct band_io *e = arg;
    int64_t at = from * rows.width * rows.t.cols;
    size_t mark = workspace_mark(w);
    struct tensor bytes = tensor_take(w, 1, rows.t.rows * rows.t.cols / 4);
    op_clamp(w, rows.t, rows.t);
    op_all_finite(w, e->finite, rows.t);
    op_to_bytes(w, bytes, rows.t);
    if (!workspace_is_dry(w)) {
        tensor_download(w, (float *)(void *)(e->decoded->bytes + at), bytes);
        if (e->decoded->floats) tensor_download(w, e->decoded->floats + at, rows.t);
    }
    workspace_release(w, mark);
}

static void read_middle(void *arg, struct workspace *w, struct feature_map to, int64_t from) {
    op_copy(w, to.t, middle_rows(arg, from, to));
}

static void write_middle(void *arg, struct workspace *w, struct feature_map rows, int64_t from) {
    op_copy(w, middle_rows(arg, from, rows), rows.t);
}

static enum status encoder_layers(struct chain **out, const struct vae *v, int64_t height,
                                  int64_t width, struct error *err) {
    const struct coder *coder = &v->encoder;
    enum status s = chain_create(out, err);
    if (s != STATUS_OK) return s;
    chain_input(*out, height, width, v->c.picture_channels);
    chain_add_conv(*out, NULL, coder->conv_in, v->c.base);
    for (int i = 0; i < v->c.levels; i++) {
        const struct level *level = &coder->levels[i];
        for (int64_t k = 0; k < level->count; k++) chain_add_block(*out, &level->blocks[k]);
        if (level->resample) chain_add_downsample(*out, level->resample, v->c.base * v->c.mult[i]);
    }
    return s;
}

enum status vae_encode(const struct vae *v, struct workspace *w, struct tensor mean,
                       const float *picture, int64_t height, int64_t width, struct error *err) {
    const struct coder *coder = &v->encoder;
    int64_t scale = vae_scale(&v->c);
    size_t mark = workspace_mark(w);
    struct band_io io = {.picture = picture};
    struct feature_map x = io.middle =
        feature_map_take(w, height / scale, width / scale, coder->middle_channels);
    struct chain *layers;
    enum status s = encoder_layers(&layers, v, height, width, err);
    if (s == STATUS_OK)
        s = chain_run(layers, w, band_rows(v, w, width), false,
                      &(struct chain_io){read_picture, write_middle, &io}, err);
    if (s == STATUS_OK) s = run_middle(w, x, coder, err);
    if (s == STATUS_OK) {
        struct feature_map moments = feature_map_take(w, x.height, x.width, 2 * v->c.z);
        struct tensor quantised = tensor_take(w, moments.t.rows, 2 * v->c.z);
        op_channel_norm(w, x.t, x.t, coder->norm_out, true);
        conv3(w, moments, x, coder->conv_out, NULL);
        op_linear(w, quantised, moments.t, v->quant, NULL);
        op_copy(w, mean, tensor_cols(quantised, 0, v->c.z));
        s = workspace_check(w, err);
    }
    chain_destroy(layers);
    workspace_release(w, mark);
    return s;
}

static enum status decoder_layers(struct chain **out, const struct vae *v, int64_t height,
                                  int64_t width, struct error *err) {
    const struct coder *coder = &v->decoder;
    enum status s = chain_create(out, err);
    if (s != STATUS_OK) return s;
    chain_input(*out, height, width, coder->middle_channels);
    for (int i = 0; i < v->c.levels; i++) {
        const struct level *level = &coder->levels[i];
        for (int64_t k = 0; k < level->count; k++) chain_add_block(*out, &level->blocks[k]);
        if (level->resample)
            chain_add_upsample(*out, level->resample, level->blocks[level->count - 1].out / 2);
    }
    chain_add_conv(*out, coder->norm_out, coder->conv_out, v->c.picture_channels);
    return s;
}

/* From latents to the map in the middle. */
static enum status decode_middle(const struct vae *v, struct workspace *w, struct feature_map x,
                                 struct tensor latents, struct error *err) {
    size_t mark = workspace_mark(w);
    struct feature_map unquantised = feature_map_take(w, x.height, x.width, v->c.z);
    op_linear(w, unquantised.t, latents, v->post_quant, NULL);
    conv3(w, x, unquantised, v->decoder.conv_in, NULL);
    workspace_release(w, mark);
    return run_middle(w, x, &v->decoder, err);
}

enum status vae_decode(const struct vae *v, struct workspace *w, struct vae_picture *picture,
                       struct tensor latents, int64_t height, int64_t width, struct error *err) {
    int64_t scale = vae_scale(&v->c);
    size_t mark = workspace_mark(w);
    float finite = 1;
    struct band_io io = {.decoded = picture, .finite = tensor_take(w, 1, 1)};
    tensor_upload(w, io.finite, &finite);
    struct feature_map x = io.middle =
        feature_map_take(w, height, width, v->decoder.middle_channels);
    struct chain *layers;
    enum status s = decoder_layers(&layers, v, height, width, err);
    if (s == STATUS_OK) s = decode_middle(v, w, x, latents, err);
    if (s == STATUS_OK)
        s = chain_run(layers, w, band_rows(v, w, width * scale), true,
                      &(struct chain_io){read_middle, write_picture, &io}, err);
    tensor_download(w, &finite, io.finite);
    picture->finite = finite != 0;
    if (s == STATUS_OK) s = workspace_check(w, err);
    chain_destroy(layers);
    workspace_release(w, mark);
    return s;
}
