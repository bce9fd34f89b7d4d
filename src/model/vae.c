#include "model/vae.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_RES_BLOCKS = 65 };

struct res_block {
    int64_t in, out;
    struct vector *norm1, *norm2;
    struct conv *conv1, *conv2;
    struct linear *shortcut; /* NULL where in == out */
};

struct attention_block {
    struct vector *norm;
    struct linear *qkv, *proj;
};

struct level {
    struct res_block blocks[MAX_RES_BLOCKS];
    int64_t count;
    struct conv *resample; /* NULL in the last level */
};

/* One direction: encoder or decoder. */
struct half {
    struct conv *conv_in, *conv_out;
    struct level levels[VAE_MAX_LEVELS];
    struct res_block middle[2];
    struct attention_block attention;
    struct vector *norm_out;
    int64_t middle_channels, out_channels; /* of the middle, and before conv_out */
};

struct vae {
    struct vae_config c;
    struct half encoder, decoder;
    struct linear *quant, *post_quant;
};

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

static void load_middle(struct loader *l, struct half *h, int64_t n, const char *name) {
    char block[LOADER_NAME_MAX];
    h->middle_channels = n;
    for (int i = 0; i < 2; i++) {
        snprintf(block, sizeof block, "%s.resnets.%d", name, i);
        load_res_block(l, &h->middle[i], n, n, block);
    }
    load_vector(l, &h->attention.norm, n, "%s.attentions.0.norm.gamma", name);
    load_pointwise(l, &h->attention.qkv, 3 * n, n, 4, "%s.attentions.0.to_qkv", name);
    load_pointwise(l, &h->attention.proj, n, n, 4, "%s.attentions.0.proj", name);
}

/* Convolutions over time, which a still picture never meets. */
static void skip_time_conv(struct loader *l, const char *name, int64_t out, int64_t in) {
    load_nothing(l, (const int64_t[]){out, in, 3, 1, 1}, 5, "%s.time_conv.weight", name);
    load_nothing(l, &out, 1, "%s.time_conv.bias", name);
}

static void load_encoder(struct loader *l, struct half *h, const struct vae_config *c) {
    char name[LOADER_NAME_MAX];
    int64_t n = c->base;
    int flat = 0; /* diffusers numbers an encoder's blocks through all levels */
    load_conv(l, &h->conv_in, n, c->picture_channels, 3, 5, 3, "encoder.conv_in");
    for (int i = 0; i < c->levels; i++) {
        struct level *level = &h->levels[i];
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
    load_middle(l, h, n, "encoder.mid_block");
    load_vector(l, &h->norm_out, n, "encoder.norm_out.gamma");
    load_conv(l, &h->conv_out, 2 * c->z, n, 3, 5, 3, "encoder.conv_out");
    h->out_channels = n;
}

static void load_decoder(struct loader *l, struct half *h, const struct vae_config *c) {
    char name[LOADER_NAME_MAX];
    int64_t n = c->base * c->mult[c->levels - 1];
    load_conv(l, &h->conv_in, n, c->z, 3, 5, 3, "decoder.conv_in");
    load_middle(l, h, n, "decoder.mid_block");
    for (int i = 0; i < c->levels; i++) {
        struct level *level = &h->levels[i];
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
    load_vector(l, &h->norm_out, n, "decoder.norm_out.gamma");
    load_conv(l, &h->conv_out, c->picture_channels, n, 3, 5, 3, "decoder.conv_out");
    h->out_channels = n;
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

static void half_destroy(struct half *h) {
    for (int i = 0; i < VAE_MAX_LEVELS; i++) {
        for (int64_t k = 0; k < h->levels[i].count; k++) res_block_destroy(&h->levels[i].blocks[k]);
        conv_destroy(h->levels[i].resample);
    }
    res_block_destroy(&h->middle[0]);
    res_block_destroy(&h->middle[1]);
    vector_destroy(h->attention.norm);
    linear_destroy(h->attention.qkv);
    linear_destroy(h->attention.proj);
    vector_destroy(h->norm_out);
    conv_destroy(h->conv_in);
    conv_destroy(h->conv_out);
}

void vae_destroy(struct vae *v) {
    if (!v) return;
    half_destroy(&v->encoder);
    half_destroy(&v->decoder);
    linear_destroy(v->quant);
    linear_destroy(v->post_quant);
    free(v);
}

/* ---- a pass ---- */

/* The map being worked on, and the three buffers it wanders through.  x lies in buffers[at]. */
struct pass {
    struct workspace *w;
    struct tensor buffers[3]; /* of one row */
    int at;
    struct feature_map x;
};

static struct feature_map map_in(const struct pass *p, int buffer, int64_t height, int64_t width,
                                 int64_t channels) {
    struct tensor t = {p->buffers[buffer].data, height * width, channels, channels};
    return (struct feature_map){t, height, width};
}

static int other(const struct pass *p, int steps) {
    return (p->at + steps) % 3;
}

static void conv3(struct pass *p, struct feature_map out, struct feature_map in,
                  const struct conv *v, const struct tensor *residual) {
    op_conv(p->w, out, in, v,
            &(struct conv_options){.stride = 1, .pad_top = 1, .pad_left = 1, .residual = residual});
}

/* x + conv(silu(norm(conv(silu(norm(x)))))), where a change of channels goes through the
 * shortcut. */
static void run_res_block(struct pass *p, const struct res_block *b) {
    int64_t h = p->x.height, w = p->x.width;
    struct feature_map normed = map_in(p, other(p, 1), h, w, b->in),
                       inner = map_in(p, other(p, 2), h, w, b->out);
    op_channel_norm(p->w, normed.t, p->x.t, b->norm1, true);
    conv3(p, inner, normed, b->conv1, NULL);
    op_channel_norm(p->w, inner.t, inner.t, b->norm2, true);
    if (b->shortcut) {
        p->at = other(p, 1); /* normed is no longer needed */
        struct feature_map out = map_in(p, p->at, h, w, b->out);
        op_linear(p->w, out.t, p->x.t, b->shortcut, NULL);
        p->x = out;
    }
    conv3(p, p->x, inner, b->conv2, &p->x.t);
}

static void run_attention(struct pass *p, const struct attention_block *a) {
    int64_t n = p->x.t.cols;
    size_t mark = workspace_mark(p->w);
    struct tensor normed = map_in(p, other(p, 1), p->x.height, p->x.width, n).t;
    struct tensor qkv = tensor_take(p->w, normed.rows, 3 * n);
    const struct attention attention = {
        .heads = 1, .kv_heads = 1, .head_dim = n, .scale = 1.0f / sqrtf((float)n)};
    op_channel_norm(p->w, normed, p->x.t, a->norm, false);
    op_linear(p->w, qkv, normed, a->qkv, NULL);
    op_attention(p->w, normed, tensor_cols(qkv, 0, n), tensor_cols(qkv, n, n),
                 tensor_cols(qkv, 2 * n, n), &attention);
    op_linear(p->w, p->x.t, normed, a->proj, &(struct epilogue){.residual = &p->x.t});
    workspace_release(p->w, mark);
}

static void run_middle(struct pass *p, const struct half *h) {
    run_res_block(p, &h->middle[0]);
    run_attention(p, &h->attention);
    run_res_block(p, &h->middle[1]);
}

static void resample(struct pass *p, const struct conv *v, int64_t height, int64_t width,
                     int64_t channels, const struct conv_options *o) {
    p->at = other(p, 1);
    struct feature_map out = map_in(p, p->at, height, width, channels);
    op_conv(p->w, out, p->x, v, o);
    p->x = out;
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* The most numbers that a map of a half has, for a picture of that many pixels at full size.
 * Level 0 of the encoder and the last of the decoder are at full size. */
static int64_t largest_map(const struct half *h, const struct vae_config *c, int64_t pixels,
                           bool encoder) {
    int64_t latents = pixels >> 2 * (c->levels - 1);
    int64_t most = larger(pixels * c->picture_channels, latents * larger(c->z, h->middle_channels));
    for (int i = 0; i < c->levels; i++) {
        const struct level *level = &h->levels[i];
        int shrink = encoder ? i : c->levels - 1 - i;
        for (int64_t k = 0; k < level->count; k++) {
            int64_t channels = larger(level->blocks[k].in, level->blocks[k].out);
            most = larger(most, (pixels >> 2 * shrink) * channels);
        }
    }
    return most;
}

static void start_pass(struct pass *p, struct workspace *w, int64_t numbers) {
    *p = (struct pass){.w = w};
    for (int i = 0; i < 3; i++) p->buffers[i] = tensor_take(w, 1, numbers);
}

enum status vae_encode(const struct vae *v, struct workspace *w, float *mean, const float *picture,
                       int64_t height, int64_t width, struct error *err) {
    const struct half *h = &v->encoder;
    size_t mark = workspace_mark(w);
    struct pass p;
    start_pass(&p, w, largest_map(h, &v->c, height * width, true));
    struct feature_map input = map_in(&p, 1, height, width, v->c.picture_channels);
    tensor_upload(w, input.t, picture);
    p.x = map_in(&p, 0, height, width, v->c.base);
    conv3(&p, p.x, input, h->conv_in, NULL);
    enum status s = workspace_check(w, err);
    for (int i = 0; i < v->c.levels && s == STATUS_OK; i++) {
        const struct level *level = &h->levels[i];
        for (int64_t k = 0; k < level->count && s == STATUS_OK; k++) {
            run_res_block(&p, &level->blocks[k]);
            s = workspace_check(w, err);
        }
        if (level->resample) /* zeros beyond the right and lower edge only */
            resample(&p, level->resample, p.x.height / 2, p.x.width / 2, p.x.t.cols,
                     &(struct conv_options){.stride = 2});
    }
    if (s == STATUS_OK) {
        run_middle(&p, h);
        op_channel_norm(w, p.x.t, p.x.t, h->norm_out, true);
        struct feature_map moments = feature_map_take(w, p.x.height, p.x.width, 2 * v->c.z);
        struct tensor quantised = tensor_take(w, moments.t.rows, 2 * v->c.z);
        conv3(&p, moments, p.x, h->conv_out, NULL);
        op_linear(w, quantised, moments.t, v->quant, NULL);
        tensor_download(w, mean, tensor_cols(quantised, 0, v->c.z));
        s = workspace_check(w, err);
    }
    workspace_release(w, mark);
    return s;
}

static void clamp(float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        x[i] = x[i] < -1.0f ? -1.0f : x[i] > 1.0f ? 1.0f : x[i]; /* NaN stays */
}

enum status vae_decode(const struct vae *v, struct workspace *w, float *picture,
                       const float *latents, int64_t height, int64_t width, struct error *err) {
    const struct half *h = &v->decoder;
    int64_t pixels = height * width * vae_scale(&v->c) * vae_scale(&v->c);
    size_t mark = workspace_mark(w);
    struct pass p;
    start_pass(&p, w, largest_map(h, &v->c, pixels, false));
    struct feature_map z = map_in(&p, 1, height, width, v->c.z),
                       unquantised = map_in(&p, 2, height, width, v->c.z);
    tensor_upload(w, z.t, latents);
    op_linear(w, unquantised.t, z.t, v->post_quant, NULL);
    p.x = map_in(&p, 0, height, width, h->middle_channels);
    conv3(&p, p.x, unquantised, h->conv_in, NULL);
    run_middle(&p, h);
    enum status s = workspace_check(w, err);
    for (int i = 0; i < v->c.levels && s == STATUS_OK; i++) {
        const struct level *level = &h->levels[i];
        for (int64_t k = 0; k < level->count && s == STATUS_OK; k++) {
            run_res_block(&p, &level->blocks[k]);
            s = workspace_check(w, err);
        }
        if (level->resample)
            resample(
                &p, level->resample, p.x.height * 2, p.x.width * 2, p.x.t.cols / 2,
                &(struct conv_options){.stride = 1, .pad_top = 1, .pad_left = 1, .upsample = true});
    }
    if (s == STATUS_OK) {
        op_channel_norm(w, p.x.t, p.x.t, h->norm_out, true);
        struct feature_map out =
            map_in(&p, other(&p, 1), p.x.height, p.x.width, v->c.picture_channels);
        conv3(&p, out, p.x, h->conv_out, NULL);
        tensor_download(w, picture, out.t);
        s = workspace_check(w, err);
    }
    if (s == STATUS_OK && !workspace_is_dry(w)) clamp(picture, pixels * v->c.picture_channels);
    workspace_release(w, mark);
    return s;
}
