/*
 * Patches are put into window order once, before the first layer; attention then runs over
 * stretches of rows, short ones for windows and long ones for whole pictures.
 */
#include "model/vision.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float NORM_EPS = 1e-6f;

struct layer {
    struct vector *norm1, *norm2;
    struct linear *qkv, *proj;
    struct linear *gate_up, *down;
};

struct vision {
    struct vision_config c;
    struct linear *patch_embed;
    struct blocks *layers;
    struct vector *merger_norm;
    struct linear *merger_in, *merger_out;
};

/* ---- pictures into patches ---- */

void vision_size(const struct vision_config *c, int width, int height, int *new_width,
                 int *new_height) {
    double factor = (double)(c->patch * c->merge), w = width, h = height;
    double wide = nearbyint(w / factor) * factor,
           high = nearbyint(h / factor) * factor; /* ties to even, as Python */
    if (wide * high > (double)c->max_pixels) {
        double beta = sqrt(h * w / (double)c->max_pixels);
        high = fmax(factor, floor(h / beta / factor) * factor);
        wide = fmax(factor, floor(w / beta / factor) * factor);
    } else if (wide * high < (double)c->min_pixels) {
        double beta = sqrt((double)c->min_pixels / (h * w));
        high = ceil(h * beta / factor) * factor;
        wide = ceil(w * beta / factor) * factor;
    }
    *new_width = (int)wide;
    *new_height = (int)high;
}

int64_t vision_patch_size(const struct vision_config *c) {
    return c->channels * c->temporal_patch * c->patch * c->patch;
}

static int64_t count_patches(const struct patch_grid *grids, int64_t count) {
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++) n += grids[i].height * grids[i].width;
    return n;
}

int64_t vision_tokens(const struct vision_config *c, const struct patch_grid *grids,
                      int64_t count) {
    return count_patches(grids, count) / (c->merge * c->merge);
}

/* One patch: for each channel, the same pixels for each frame. */
static float *cut_patch(float *out, const struct vision_config *c, const struct picture *p,
                        int64_t y0, int64_t x0) {
    for (int64_t channel = 0; channel < c->channels; channel++) {
        float mean = (float)(c->mean[channel] * 255.0), std = (float)(c->std[channel] * 255.0);
        for (int64_t frame = 0; frame < c->temporal_patch; frame++)
            for (int64_t y = y0; y < y0 + c->patch; y++)
                for (int64_t x = x0; x < x0 + c->patch; x++)
                    *out++ = ((float)p->rgb[(y * p->width + x) * 3 + channel] - mean) / std;
    }
    return out;
}

void vision_patches(float *out, const struct vision_config *c, const struct picture *p) {
    int64_t step = c->patch * c->merge;
    for (int64_t y = 0; y + step <= p->height; y += step)
        for (int64_t x = 0; x + step <= p->width; x += step)
            for (int64_t i = 0; i < c->merge; i++)
                for (int64_t j = 0; j < c->merge; j++)
                    out = cut_patch(out, c, p, y + i * c->patch, x + j * c->patch);
}

/* ---- weights ---- */

static void load_layer(struct loader *l, void *to, const void *config, int i) {
    const struct vision_config *c = config;
    struct layer *layer = to;
    const char *gate_up[] = {"blocks.%d.mlp.gate_proj", "blocks.%d.mlp.up_proj"};
    int64_t n = c->hidden, inner[] = {c->intermediate, c->intermediate};
    load_vector(l, &layer->norm1, n, "blocks.%d.norm1.weight", i);
    load_linear(l, &layer->qkv, 3 * n, n, LOAD_BIAS, "blocks.%d.attn.qkv", i);
    load_linear(l, &layer->proj, n, n, LOAD_BIAS, "blocks.%d.attn.proj", i);
    load_vector(l, &layer->norm2, n, "blocks.%d.norm2.weight", i);
    load_linear_stack(l, &layer->gate_up, gate_up, inner, 2, n, LOAD_BIAS, i);
    load_linear(l, &layer->down, n, c->intermediate, LOAD_BIAS, "blocks.%d.mlp.down_proj", i);
}

static void destroy_layer(void *layer) {
    struct layer *l = layer;
    vector_destroy(l->norm1);
    vector_destroy(l->norm2);
    linear_destroy(l->qkv);
    linear_destroy(l->proj);
    linear_destroy(l->gate_up);
    linear_destroy(l->down);
}

static const struct block_kind layer_kind = {"vision layers", sizeof(struct layer), load_layer,
                                             destroy_layer};

enum status vision_load(struct vision **out, const struct vision_config *c, int64_t keep,
                        struct loader *l, struct error *err) {
    *out = NULL;
    struct vision *v = calloc(1, sizeof *v);
    if (!v) return fail(err, STATUS_NO_MEMORY, "no memory to load the vision tower");
    v->c = *c;
    int64_t merged = c->hidden * c->merge * c->merge;
    load_flattened(l, &v->patch_embed, c->hidden,
                   (const int64_t[]){c->channels, c->temporal_patch, c->patch, c->patch}, 4,
                   "patch_embed.proj.weight");
    blocks_load(&v->layers, &layer_kind, &v->c, c->layers, keep, l);
    load_vector(l, &v->merger_norm, c->hidden, "merger.ln_q.weight");
    load_linear(l, &v->merger_in, merged, merged, LOAD_BIAS, "merger.mlp.0");
    load_linear(l, &v->merger_out, c->out_hidden, merged, LOAD_BIAS, "merger.mlp.2");
    *out = v;
    return l->status;
}

void vision_destroy(struct vision *v) {
    if (!v) return;
    blocks_destroy(v->layers);
    linear_destroy(v->patch_embed);
    vector_destroy(v->merger_norm);
    linear_destroy(v->merger_in);
    linear_destroy(v->merger_out);
    free(v);
}

const struct blocks *vision_layers(const struct vision *v) {
    return v->layers;
}

/* ---- window order ---- */

/* How patches are arranged for the layers. */
struct arrangement {
    int64_t tokens;              /* merge x merge patches each */
    int32_t *order;              /* [tokens] the reading-order number of the token at each place */
    int32_t *places;             /* [tokens] the place of each token in reading order */
    int32_t *positions;          /* [2][patches] row and column of the patch at each place */
    int32_t *windows, *pictures; /* first patch of each window and picture, and the end */
    size_t window_count, picture_count;
};

static void arrangement_free(struct arrangement *a) {
    free(a->order);
    free(a->places);
    free(a->positions);
    free(a->windows);
    free(a->pictures);
}

/* The tokens of one window of a picture, which may be cut off by its right and lower edge. */
static void place_window(struct arrangement *a, const struct vision_config *c, struct patch_grid g,
                         int64_t first_token, int64_t wy, int64_t wx, int64_t side,
                         int64_t *place) {
    int64_t rows = g.height / c->merge, cols = g.width / c->merge, unit = c->merge * c->merge;
    int64_t patches = a->tokens * unit;
    for (int64_t y = wy; y < rows && y < wy + side; y++)
        for (int64_t x = wx; x < cols && x < wx + side; x++, ++*place) {
            a->order[*place] = (int32_t)(first_token + y * cols + x);
            for (int64_t i = 0; i < unit; i++) {
                a->positions[*place * unit + i] = (int32_t)(y * c->merge + i / c->merge);
                a->positions[patches + *place * unit + i] = (int32_t)(x * c->merge + i % c->merge);
            }
        }
    a->windows[++a->window_count] = (int32_t)(*place * unit);
}

static enum status arrange(struct arrangement *a, const struct vision_config *c,
                           const struct patch_grid *grids, int64_t count, struct error *err) {
    int64_t unit = c->merge * c->merge, side = c->window / c->merge / c->patch;
    *a = (struct arrangement){.tokens = vision_tokens(c, grids, count)};
    a->order = calloc((size_t)a->tokens + 1, sizeof *a->order);
    a->places = calloc((size_t)a->tokens + 1, sizeof *a->places);
    a->positions = calloc((size_t)(2 * a->tokens * unit) + 1, sizeof *a->positions);
    a->windows =
        calloc((size_t)a->tokens + 1, sizeof *a->windows); /* a window has at least one token */
    a->pictures = calloc((size_t)count + 1, sizeof *a->pictures);
    if (!a->order || !a->places || !a->positions || !a->windows || !a->pictures) {
        fail(err, STATUS_NO_MEMORY, "no memory to arrange %lld picture tokens",
             (long long)a->tokens);
        arrangement_free(a);
        return STATUS_NO_MEMORY;
    }
    int64_t place = 0;
    for (int64_t g = 0; g < count; g++) {
        int64_t first = place;
        for (int64_t y = 0; y < grids[g].height / c->merge; y += side)
            for (int64_t x = 0; x < grids[g].width / c->merge; x += side)
                place_window(a, c, grids[g], first, y, x, side, &place);
        a->pictures[++a->picture_count] = (int32_t)(place * unit);
    }
    for (int64_t i = 0; i < a->tokens; i++) a->places[a->order[i]] = (int32_t)i;
    return STATUS_OK;
}

/* ---- forward ---- */

/* Patches and their angles, in window order. */
static void upload_inputs(const struct vision_config *c, struct workspace *w, struct tensor pixels,
                          struct tensor angles, const float *pixel_values,
                          const struct arrangement *a) {
    struct tensor tokens = tensor_merge_rows(pixels, c->merge * c->merge);
    const struct matrix stored = {
        .dtype = DTYPE_F32, .rows = tokens.rows, .cols = tokens.cols, .data = pixel_values};
    tensor_upload_rows(w, tokens, &stored, a->order);
    size_t mark = workspace_host_mark(w);
    float *host = workspace_host(w, (size_t)(angles.rows * angles.cols) * sizeof *host);
    if (host) {
        rotary_vision(host, c, a->positions, angles.rows);
        tensor_upload(w, angles, host);
    }
    workspace_host_release(w, mark);
}

static void run_layer(const struct vision *v, const struct layer *l, int64_t i, struct workspace *w,
                      struct tensor x, struct tensor angles, const struct arrangement *a) {
    const struct vision_config *c = &v->c;
    bool full = c->full_attention[i];
    const struct attention attention = {.heads = c->heads,
                                        .kv_heads = c->heads,
                                        .head_dim = c->head_dim,
                                        .scale = 1.0f / sqrtf((float)c->head_dim),
                                        .segments = full ? a->pictures : a->windows,
                                        .segment_count = full ? a->picture_count : a->window_count,
                                        .bears = PRECISION_FLOAT32 | PRECISION_BFLOAT16};
    int64_t n = c->hidden;
    size_t mark = workspace_mark(w);
    struct tensor normed = tensor_take_operand(w, x.rows, n);
    op_rms_norm(w, normed, x, l->norm1, NORM_EPS);
    size_t inner = workspace_mark(w);
    struct tensor qkv = tensor_take_operand(w, x.rows, 3 * n);
    op_linear(w, qkv, normed, l->qkv, NULL);
    op_norm_rotary(w, tensor_cols(qkv, 0, n), c->head_dim, NULL, 0, angles, ROTARY_HALVES);
    op_norm_rotary(w, tensor_cols(qkv, n, n), c->head_dim, NULL, 0, angles, ROTARY_HALVES);
    op_attention(w, normed, tensor_cols(qkv, 0, n), tensor_cols(qkv, n, n),
                 tensor_cols(qkv, 2 * n, n), &attention);
    op_linear(w, x, normed, l->proj, &(struct epilogue){.residual = &x});
    workspace_release(w, inner);

    op_rms_norm(w, normed, x, l->norm2, NORM_EPS);
    struct tensor gate_up = tensor_take_operand(w, x.rows, 2 * c->intermediate);
    struct tensor gate = tensor_cols(gate_up, 0, c->intermediate);
    op_linear(w, gate_up, normed, l->gate_up, NULL);
    op_silu_mul(w, gate, gate, tensor_cols(gate_up, c->intermediate, c->intermediate));
    op_linear(w, x, gate, l->down, &(struct epilogue){.residual = &x});
    workspace_release(w, mark);
}

enum status vision_forward(const struct vision *v, struct workspace *w, struct tensor embeds,
                           const float *pixel_values, const struct patch_grid *grids, int64_t count,
                           struct error *err) {
    const struct vision_config *c = &v->c;
    struct arrangement a;
    enum status s = arrange(&a, c, grids, count, err);
    if (s != STATUS_OK) return s;
    int64_t patches = count_patches(grids, count), unit = c->merge * c->merge;
    size_t mark = workspace_mark(w);
    struct tensor x = tensor_take(w, patches, c->hidden),
                  angles = tensor_take(w, patches, c->head_dim);
    size_t inner = workspace_mark(w);
    struct tensor pixels = tensor_take_operand(w, patches, vision_patch_size(c));
    upload_inputs(c, w, pixels, angles, pixel_values, &a);
    op_linear(w, x, pixels, v->patch_embed, NULL);
    workspace_release(w, inner);

    struct block_walk *walk = NULL;
    const void *layer;
    s = block_walk_start(&walk, v->layers, w, err);
    for (int64_t i = 0; i < c->layers && s == STATUS_OK; i++) {
        if ((s = block_walk_next(walk, &layer, err)) != STATUS_OK) break;
        run_layer(v, layer, i, w, x, angles, &a);
        s = workspace_check(w, err);
    }
    block_walk_end(walk);
    if (s == STATUS_OK) {
        struct tensor normed = tensor_take_operand(w, patches, c->hidden);
        struct tensor merged = tensor_take_operand(w, patches / unit, c->hidden * unit);
        struct tensor tokens = tensor_take(w, patches / unit, c->out_hidden);
        op_rms_norm(w, normed, x, v->merger_norm, NORM_EPS);
        /* merge x merge patches side by side are one row already */
        op_linear(w, merged, tensor_merge_rows(normed, unit), v->merger_in,
                  &(struct epilogue){.activation = ACTIVATION_GELU});
        op_linear(w, tokens, merged, v->merger_out, NULL);
        op_rows(w, embeds, tokens, a.places);
        s = workspace_check(w, err);
    }
    workspace_release(w, mark);
    arrangement_free(&a);
    return s;
}
