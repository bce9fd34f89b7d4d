/*
 * All streams lie in one sequence, so that a block's attention needs no copying together.  A pass
 * walks over parts of it: rows that share weights and modulation.
 */
#include "model/transformer.h"

#include <math.h>
#include <stdlib.h>

enum {
    TIME_FEATURES = 256,      /* of the sinusoidal timestep embedding */
    WIDENING = 4,             /* of the feed-forward; its width, times the model's */
    FEED_FORWARD_ROWS = 2048, /* at a time, to bound memory; a row's result does not change */
};

static const float NORM_EPS = 1e-6f;

/* Picture and text stream have one of these each, in every block. */
struct stream {
    struct linear *qkv, *out;
    struct vector *norm_q, *norm_k;
    struct linear *up, *down;
};

struct block {
    struct stream image, text;
};

/* SiLU(temb) -> shift, scale, gate of attention, then of feed-forward: a block's, per stream. */
struct block_modulation {
    struct linear *image, *text;
};

struct transformer {
    struct transformer_config c;
    struct linear *time_in, *time_out;
    struct linear *image_in, *text_in;
    struct vector *text_norm;
    struct linear *norm_out, *proj_out;
    struct blocks *blocks, *modulation;
};

/* ---- weights ---- */

static void load_modulation(struct loader *l, void *modulation, const void *config, int i) {
    const struct transformer_config *c = config;
    struct block_modulation *m = modulation;
    int64_t n = c->width;
    load_linear(l, &m->image, 6 * n, n, LOAD_BIAS, "transformer_blocks.%d.img_mod.1", i);
    load_linear(l, &m->text, 6 * n, n, LOAD_BIAS, "transformer_blocks.%d.txt_mod.1", i);
}

static void destroy_modulation(void *modulation) {
    struct block_modulation *m = modulation;
    linear_destroy(m->image);
    linear_destroy(m->text);
}

/* Nearly all of the time goes into the layers that every token passes in every block; only they
 * are ever multiplied in 8 bits.  What comes in, what goes out and the modulation, which has a row
 * for each step, are finer for next to nothing. */
static void load_block(struct loader *l, void *block, const void *config, int i) {
    const struct transformer_config *c = config;
    struct block *b = block;
    const char *image[] = {"transformer_blocks.%d.attn.to_q", "transformer_blocks.%d.attn.to_k",
                           "transformer_blocks.%d.attn.to_v"};
    const char *text[] = {"transformer_blocks.%d.attn.add_q_proj",
                          "transformer_blocks.%d.attn.add_k_proj",
                          "transformer_blocks.%d.attn.add_v_proj"};
    int64_t n = c->width, thirds[] = {n, n, n}, d = c->head_dim;

    loader_set_bears(l, PRECISION_FLOAT32 | PRECISION_BFLOAT16 | PRECISION_INT8);
    load_linear_stack(l, &b->image.qkv, image, thirds, 3, n, LOAD_BIAS, i);
    load_vector(l, &b->image.norm_q, d, "transformer_blocks.%d.attn.norm_q.weight", i);
    load_vector(l, &b->image.norm_k, d, "transformer_blocks.%d.attn.norm_k.weight", i);
    load_linear(l, &b->image.out, n, n, LOAD_BIAS, "transformer_blocks.%d.attn.to_out.0", i);
    load_linear(l, &b->image.up, WIDENING * n, n, LOAD_BIAS,
                "transformer_blocks.%d.img_mlp.net.0.proj", i);
    load_linear(l, &b->image.down, n, WIDENING * n, LOAD_BIAS,
                "transformer_blocks.%d.img_mlp.net.2", i);

    load_linear_stack(l, &b->text.qkv, text, thirds, 3, n, LOAD_BIAS, i);
    load_vector(l, &b->text.norm_q, d, "transformer_blocks.%d.attn.norm_added_q.weight", i);
    load_vector(l, &b->text.norm_k, d, "transformer_blocks.%d.attn.norm_added_k.weight", i);
    load_linear(l, &b->text.out, n, n, LOAD_BIAS, "transformer_blocks.%d.attn.to_add_out", i);
    load_linear(l, &b->text.up, WIDENING * n, n, LOAD_BIAS,
                "transformer_blocks.%d.txt_mlp.net.0.proj", i);
    load_linear(l, &b->text.down, n, WIDENING * n, LOAD_BIAS, "transformer_blocks.%d.txt_mlp.net.2",
                i);
    loader_set_bears(l, PRECISION_FLOAT32 | PRECISION_BFLOAT16);
}

static void destroy_stream(struct stream *s) {
    linear_destroy(s->qkv);
    linear_destroy(s->out);
    linear_destroy(s->up);
    linear_destroy(s->down);
    vector_destroy(s->norm_q);
    vector_destroy(s->norm_k);
}

static void destroy_block(void *block) {
    struct block *b = block;
    destroy_stream(&b->image);
    destroy_stream(&b->text);
}

static const struct block_kind block_kind = {"transformer blocks", sizeof(struct block), load_block,
                                             destroy_block};
static const struct block_kind modulation_kind = {
    "modulation layers", sizeof(struct block_modulation), load_modulation, destroy_modulation};

enum status transformer_load(struct transformer **out, const struct transformer_config *c,
                             const int64_t keep[TRANSFORMER_STACKS], struct loader *l,
                             struct error *err) {
    *out = NULL;
    struct transformer *t = calloc(1, sizeof *t);
    if (!t) return fail(err, STATUS_NO_MEMORY, "no memory to load the transformer");
    t->c = *c;
    loader_start(l, err);
    int64_t n = c->width;
    load_linear(l, &t->time_in, n, TIME_FEATURES, LOAD_BIAS,
                "time_text_embed.timestep_embedder.linear_1");
    load_linear(l, &t->time_out, n, n, LOAD_BIAS, "time_text_embed.timestep_embedder.linear_2");
    load_vector(l, &t->text_norm, c->text_width, "txt_norm.weight");
    load_linear(l, &t->image_in, n, c->in_channels, LOAD_BIAS, "img_in");
    load_linear(l, &t->text_in, n, c->text_width, LOAD_BIAS, "txt_in");
    blocks_load(&t->modulation, &modulation_kind, &t->c, c->layers, keep[TRANSFORMER_MODULATION],
                l);
    blocks_load(&t->blocks, &block_kind, &t->c, c->layers, keep[TRANSFORMER_BLOCKS], l);
    load_linear(l, &t->norm_out, 2 * n, n, LOAD_BIAS, "norm_out.linear");
    load_linear(l, &t->proj_out, c->out_channels, n, LOAD_BIAS, "proj_out");
    load_mark(l, INDEX_TIMESTEP_ZERO);
    enum status s = loader_finish(l);
    if (s != STATUS_OK) {
        transformer_destroy(t);
        return s;
    }
    *out = t;
    return STATUS_OK;
}

void transformer_destroy(struct transformer *t) {
    if (!t) return;
    blocks_destroy(t->blocks);
    blocks_destroy(t->modulation);
    linear_destroy(t->time_in);
    linear_destroy(t->time_out);
    linear_destroy(t->image_in);
    linear_destroy(t->text_in);
    linear_destroy(t->norm_out);
    linear_destroy(t->proj_out);
    vector_destroy(t->text_norm);
    free(t);
}

const struct blocks *transformer_stack(const struct transformer *t, enum transformer_stack s) {
    return s == TRANSFORMER_BLOCKS ? t->blocks : t->modulation;
}

/* ---- what a timestep does ---- */

/* cos and sin of 1000 t * 10000^(-i / half).  Source: diffusers, get_timestep_embedding with
 * flip_sin_to_cos. */
static void embed_timestep(float *out, float timestep) {
    const int half = TIME_FEATURES / 2;
    for (int i = 0; i < half; i++) {
        float frequency = expf(-logf(10000.0f) * (float)i / (float)half);
        float angle = 1000.0f * (timestep * frequency);
        out[i] = cosf(angle);
        out[half + i] = sinf(angle);
    }
}

/* The last row is timestep 0. */
static void upload_timesteps(struct workspace *w, struct tensor out, const float *timesteps,
                             int64_t steps) {
    size_t mark = workspace_host_mark(w);
    float *features = workspace_host(w, (size_t)(out.rows * out.cols) * sizeof *features);
    for (int64_t i = 0; features && i < out.rows; i++)
        embed_timestep(features + i * out.cols, i < steps ? timesteps[i] : 0.0f);
    if (features) tensor_upload(w, out, features);
    workspace_host_release(w, mark);
}

static enum status modulate_layers(struct modulation *out, const struct transformer *t,
                                   struct workspace *w, struct tensor temb, struct error *err) {
    struct block_walk *walk;
    const void *layer;
    enum status s = block_walk_start(&walk, t->modulation, w, err);
    for (int64_t i = 0; i < t->c.layers && s == STATUS_OK; i++) {
        if ((s = block_walk_next(walk, &layer, err)) != STATUS_OK) break;
        const struct block_modulation *m = layer;
        op_linear(w, out->image[i], temb, m->image, NULL);
        op_linear(w, out->text[i], temb, m->text, NULL);
        s = workspace_check(w, err);
    }
    block_walk_end(walk);
    return s;
}

enum status modulation_create(struct modulation *out, const struct transformer *t,
                              struct workspace *w, const float *timesteps, int64_t steps,
                              struct error *err) {
    int64_t rows = steps + 1, n = t->c.width;
    *out = (struct modulation){.steps = steps};
    out->image = calloc((size_t)t->c.layers, sizeof *out->image);
    out->text = calloc((size_t)t->c.layers, sizeof *out->text);
    if (!out->image || !out->text) {
        modulation_destroy(out);
        return fail(err, STATUS_NO_MEMORY, "no memory to plan %lld steps", (long long)steps);
    }
    for (int64_t i = 0; i < t->c.layers; i++) {
        out->image[i] = tensor_take(w, rows, 6 * n);
        out->text[i] = tensor_take(w, rows, 6 * n);
    }
    out->out = tensor_take(w, rows, 2 * n);

    size_t mark = workspace_mark(w);
    struct tensor time = tensor_take(w, rows, TIME_FEATURES), temb = tensor_take(w, rows, n),
                  hidden = tensor_take(w, rows, n);
    upload_timesteps(w, time, timesteps, steps);
    op_linear(w, hidden, time, t->time_in, &(struct epilogue){.activation = ACTIVATION_SILU});
    op_linear(w, temb, hidden, t->time_out, NULL);
    op_silu(w, temb, temb); /* all that reads it wants its SiLU */
    enum status s = modulate_layers(out, t, w, temb, err);
    op_linear(w, out->out, temb, t->norm_out, NULL);
    workspace_release(w, mark);
    return s;
}

void modulation_destroy(struct modulation *m) {
    free(m->image);
    free(m->text);
    *m = (struct modulation){0};
}

enum status transformer_text_create(struct transformer_text *out, const struct transformer *t,
                                    struct workspace *w, struct tensor embeds,
                                    const struct token_grid *grids, int64_t grid_count,
                                    struct error *err) {
    int64_t rows = embeds.rows;
    for (int64_t i = 0; i < grid_count; i++) rows += grids[i].height * grids[i].width;
    out->tokens = tensor_take(w, embeds.rows, t->c.width);
    out->angles = tensor_take(w, rows, t->c.head_dim);
    size_t mark = workspace_mark(w), host_mark = workspace_host_mark(w);
    float *angles = workspace_host(w, (size_t)(rows * t->c.head_dim) * sizeof *angles);
    if (angles) {
        rotary_joint(angles, &t->c, embeds.rows, grids, grid_count);
        tensor_upload(w, out->angles, angles);
    }
    workspace_host_release(w, host_mark);
    struct tensor normed = tensor_take_operand(w, embeds.rows, embeds.cols);
    op_rms_norm(w, normed, embeds, t->text_norm, NORM_EPS);
    op_linear(w, out->tokens, normed, t->text_in, NULL);
    workspace_release(w, mark);
    return workspace_check(w, err);
}

/* ---- a block ---- */

/* What a timestep does to a block's attention or to its feed-forward; a row each. */
struct factors {
    struct tensor shift, scale, gate;
};
enum sublayer { ATTENTION, FEED_FORWARD };

static struct factors factors_of(struct tensor modulation, int64_t row, enum sublayer sublayer,
                                 int64_t width) {
    struct tensor all = tensor_cols(tensor_row(modulation, row), sublayer * 3 * width, 3 * width);
    return (struct factors){tensor_cols(all, 0, width), tensor_cols(all, width, width),
                            tensor_cols(all, 2 * width, width)};
}

/* Rows of the joint sequence that share weights and modulation.  Text, noise, and, where
 * reference pictures are modulated as at timestep 0, those. */
struct part {
    int64_t from, rows;
    const struct stream *stream;
    struct tensor modulation;
    int64_t modulation_row;
};

/* All of a forward pass's tensors have the joint sequence as their rows. */
struct pass {
    const struct transformer *t;
    struct workspace *w;
    struct tensor hidden, normed, qkv, angles;
    struct part parts[3];
    int part_count;
};

static void queries_keys_values(const struct pass *p, const struct part *part) {
    int64_t n = p->t->c.width, d = p->t->c.head_dim;
    struct factors c = factors_of(part->modulation, part->modulation_row, ATTENTION, n);
    struct tensor normed = tensor_rows(p->normed, part->from, part->rows);
    struct tensor qkv = tensor_rows(p->qkv, part->from, part->rows);
    struct tensor angles = tensor_rows(p->angles, part->from, part->rows);
    op_layer_norm_modulate(p->w, normed, tensor_rows(p->hidden, part->from, part->rows), c.scale,
                           c.shift, NORM_EPS);
    op_linear(p->w, qkv, normed, part->stream->qkv, NULL);
    op_norm_rotary(p->w, tensor_cols(qkv, 0, n), d, part->stream->norm_q, NORM_EPS, angles,
                   ROTARY_INTERLEAVED);
    op_norm_rotary(p->w, tensor_cols(qkv, n, n), d, part->stream->norm_k, NORM_EPS, angles,
                   ROTARY_INTERLEAVED);
}

/* The attention's output is in `normed`. */
static void project_and_feed_forward(const struct pass *p, const struct part *part) {
    int64_t n = p->t->c.width;
    struct factors a = factors_of(part->modulation, part->modulation_row, ATTENTION, n);
    struct factors f = factors_of(part->modulation, part->modulation_row, FEED_FORWARD, n);
    struct tensor hidden = tensor_rows(p->hidden, part->from, part->rows);
    struct tensor attended = tensor_rows(p->normed, part->from, part->rows);
    op_linear(p->w, hidden, attended, part->stream->out,
              &(struct epilogue){.gate = &a.gate, .residual = &hidden});

    size_t mark = workspace_mark(p->w);
    int64_t max_rows = part->rows < FEED_FORWARD_ROWS ? part->rows : FEED_FORWARD_ROWS;
    struct tensor inner = tensor_take_operand(p->w, max_rows, WIDENING * n);
    for (int64_t from = 0; from < part->rows; from += max_rows) {
        int64_t rows = part->rows - from < max_rows ? part->rows - from : max_rows;
        struct tensor x = tensor_rows(hidden, from, rows), up = tensor_rows(inner, 0, rows);
        struct tensor normed = tensor_rows(p->normed, part->from + from, rows);
        op_layer_norm_modulate(p->w, normed, x, f.scale, f.shift, NORM_EPS);
        op_linear(p->w, up, normed, part->stream->up,
                  &(struct epilogue){.activation = ACTIVATION_GELU_TANH});
        op_linear(p->w, x, up, part->stream->down,
                  &(struct epilogue){.gate = &f.gate, .residual = &x});
    }
    workspace_release(p->w, mark);
}

/* After the last block only the noise is read, so there only the noise asks and is fed forward:
 * `only` is its part. */
static void run_block(const struct pass *p, const struct part *only) {
    const struct transformer_config *c = &p->t->c;
    int64_t n = c->width;
    const struct attention attention = {.heads = c->heads,
                                        .kv_heads = c->heads,
                                        .head_dim = c->head_dim,
                                        .scale = 1.0f / sqrtf((float)c->head_dim),
                                        .bears = PRECISION_FLOAT32 | PRECISION_BFLOAT16 |
                                                 PRECISION_INT8};
    for (int i = 0; i < p->part_count; i++) queries_keys_values(p, &p->parts[i]);

    int64_t from = only ? only->from : 0, rows = only ? only->rows : p->hidden.rows;
    struct tensor attended =
        tensor_rows(p->normed, from, rows); /* normed is free again until the feed-forward */
    op_attention(p->w, attended, tensor_cols(tensor_rows(p->qkv, from, rows), 0, n),
                 tensor_cols(p->qkv, n, n), tensor_cols(p->qkv, 2 * n, n), &attention);
    if (only) project_and_feed_forward(p, only);
    for (int i = 0; i < p->part_count && !only; i++) project_and_feed_forward(p, &p->parts[i]);
}

/* ---- the whole ---- */

static void split_parts(struct pass *p, const struct block *b, int64_t layer,
                        const struct modulation *m, int64_t step, int64_t text, int64_t noise) {
    int64_t pictures = p->hidden.rows - text;
    bool apart = p->t->c.zero_cond_t && pictures > noise;
    p->parts[0] = (struct part){0, text, &b->text, m->text[layer], step};
    p->parts[1] = (struct part){text, apart ? noise : pictures, &b->image, m->image[layer], step};
    p->parts[2] =
        (struct part){text + noise, pictures - noise, &b->image, m->image[layer], m->steps};
    p->part_count = apart ? 3 : 2;
}

/* The noise rows alone, in the image stream: what the last block works on. */
static struct part noise_only(const struct pass *p, int64_t text, int64_t noise) {
    struct part part = p->parts[1];
    part.from = text;
    part.rows = noise;
    return part;
}

enum status transformer_forward(const struct transformer *t, struct workspace *w,
                                struct tensor velocity, struct tensor latents,
                                const struct transformer_text *text, const struct modulation *m,
                                int64_t step, const struct trace *trace, struct error *err) {
    int64_t n = t->c.width, text_rows = text->tokens.rows, noise = velocity.rows,
            rows = text_rows + latents.rows;
    size_t mark = workspace_mark(w);
    struct pass p = {.t = t, .w = w, .angles = text->angles};
    p.hidden = tensor_take(w, rows, n);
    p.normed = tensor_take_operand(w, rows, n);
    p.qkv = tensor_take_operand(w, rows, 3 * n);
    op_copy(w, tensor_rows(p.hidden, 0, text_rows), text->tokens);
    op_linear(w, tensor_rows(p.hidden, text_rows, latents.rows), latents, t->image_in, NULL);

    struct block_walk *walk;
    const void *block;
    enum status s = block_walk_start(&walk, t->blocks, w, err);
    for (int64_t i = 0; i < t->c.layers && s == STATUS_OK; i++) {
        if ((s = block_walk_next(walk, &block, err)) != STATUS_OK) break;
        split_parts(&p, block, i, m, step, text_rows, noise);
        bool last = i + 1 == t->c.layers && !trace;
        struct part only = noise_only(&p, text_rows, noise);
        run_block(&p, last ? &only : NULL);
        trace_tensor(trace, w, tensor_rows(p.hidden, 0, text_rows), "step%d.block%d.txt", (int)step,
                     (int)i);
        trace_tensor(trace, w, tensor_rows(p.hidden, text_rows, latents.rows), "step%d.block%d.img",
                     (int)step, (int)i);
        s = workspace_check(w, err);
    }
    block_walk_end(walk);
    struct tensor out = tensor_rows(p.normed, text_rows, noise);
    struct tensor factors = tensor_row(m->out, step);
    op_layer_norm_modulate(w, out, tensor_rows(p.hidden, text_rows, noise),
                           tensor_cols(factors, 0, n), tensor_cols(factors, n, n), NORM_EPS);
    op_linear(w, velocity, out, t->proj_out, NULL);
    if (s == STATUS_OK) s = workspace_check(w, err);
    workspace_release(w, mark);
    return s;
}
