/*
 * A layer is RMS norm, grouped-query attention with rotary positions, and a gated feed-forward,
 * each added to its input.  Keys and values go straight into the cache, so that the layers know no
 * difference between a prompt and the rest of one.
 */
#include "model/language.h"

#include <math.h>
#include <stdlib.h>

#include "model/rotary.h"

struct layer {
    struct vector *norm1, *norm2;
    struct linear *qkv, *out;
    struct linear *gate_up, *down;
};

struct language {
    struct language_config c;
    const struct weight *embeddings; /* stays in its file: a prompt reads some hundred rows of it */
    struct blocks *layers;
    struct vector *norm;
};

static void load_layer(struct loader *l, void *to, const void *config, int i) {
    const struct language_config *c = config;
    struct layer *layer = to;
    const char *qkv[] = {"layers.%d.self_attn.q_proj", "layers.%d.self_attn.k_proj",
                         "layers.%d.self_attn.v_proj"};
    const char *gate_up[] = {"layers.%d.mlp.gate_proj", "layers.%d.mlp.up_proj"};
    int64_t n = c->hidden, kv = c->kv_heads * c->head_dim;
    int64_t thirds[] = {c->heads * c->head_dim, kv, kv},
            inner[] = {c->intermediate, c->intermediate};
    load_vector(l, &layer->norm1, n, "layers.%d.input_layernorm.weight", i);
    load_linear_stack(l, &layer->qkv, qkv, thirds, 3, n, LOAD_BIAS, i);
    load_linear(l, &layer->out, n, c->heads * c->head_dim, LOAD_NO_BIAS,
                "layers.%d.self_attn.o_proj", i);
    load_vector(l, &layer->norm2, n, "layers.%d.post_attention_layernorm.weight", i);
    load_linear_stack(l, &layer->gate_up, gate_up, inner, 2, n, LOAD_NO_BIAS, i);
    load_linear(l, &layer->down, n, c->intermediate, LOAD_NO_BIAS, "layers.%d.mlp.down_proj", i);
}

static void destroy_layer(void *layer) {
    struct layer *l = layer;
    vector_destroy(l->norm1);
    vector_destroy(l->norm2);
    linear_destroy(l->qkv);
    linear_destroy(l->out);
    linear_destroy(l->gate_up);
    linear_destroy(l->down);
}

static const struct block_kind layer_kind = {"language layers", sizeof(struct layer), load_layer,
                                             destroy_layer};

enum status language_load(struct language **out, const struct language_config *c, int64_t keep,
                          struct loader *l, struct error *err) {
    *out = NULL;
    struct language *m = calloc(1, sizeof *m);
    if (!m) return fail(err, STATUS_NO_MEMORY, "no memory to load the language model");
    m->c = *c;
    load_table(l, &m->embeddings, c->vocabulary, c->hidden, "embed_tokens.weight");
    blocks_load(&m->layers, &layer_kind, &m->c, c->layers, keep, l);
    load_vector(l, &m->norm, c->hidden, "norm.weight");
    *out = m;
    return l->status;
}

void language_destroy(struct language *m) {
    if (!m) return;
    blocks_destroy(m->layers);
    vector_destroy(m->norm);
    free(m);
}

const struct blocks *language_layers(const struct language *m) {
    return m->layers;
}

enum status language_check_file(const struct language *m, struct error *err) {
    return weight_check(m->embeddings, err);
}

enum status language_embed(const struct language *m, struct workspace *w, struct tensor out,
                           const int32_t *ids, struct error *err) {
    const struct matrix table = {.dtype = m->embeddings->dtype,
                                 .rows = m->c.vocabulary,
                                 .cols = m->c.hidden,
                                 .data = m->embeddings->data,
                                 .scales = m->embeddings->scales};
    for (int64_t i = 0; i < out.rows && !workspace_is_dry(w); i++)
        if (ids[i] < 0 || ids[i] >= table.rows)
            return fail(err, STATUS_INVALID,
                        "the tokenizer has token %d, but the text encoder's vocabulary has %lld",
                        (int)ids[i], (long long)table.rows);
    tensor_upload_rows(w, out, &table, ids);
    return workspace_is_dry(w) ? STATUS_OK : language_check_file(m, err);
}

enum status language_cache_create(struct language_cache *out, const struct language *m,
                                  struct workspace *w, int64_t capacity, struct error *err) {
    *out = (struct language_cache){.capacity = capacity};
    out->keys = calloc((size_t)m->c.layers, sizeof *out->keys);
    out->values = calloc((size_t)m->c.layers, sizeof *out->values);
    if (!out->keys || !out->values) {
        language_cache_destroy(out);
        return fail(err, STATUS_NO_MEMORY, "no memory to read the prompt");
    }
    for (int64_t i = 0; i < m->c.layers; i++) {
        out->keys[i] = tensor_take_operand(w, capacity, m->c.kv_heads * m->c.head_dim);
        out->values[i] = tensor_take_operand(w, capacity, m->c.kv_heads * m->c.head_dim);
    }
    return STATUS_OK;
}

void language_cache_destroy(struct language_cache *c) {
    free(c->keys);
    free(c->values);
    *c = (struct language_cache){0};
}

static void attend(const struct language *m, const struct layer *l, int64_t i, struct workspace *w,
                   struct tensor x, struct tensor normed, struct tensor angles, int64_t first,
                   struct language_cache *cache) {
    const struct language_config *c = &m->c;
    const struct attention attention = {.heads = c->heads,
                                        .kv_heads = c->kv_heads,
                                        .head_dim = c->head_dim,
                                        .scale = 1.0f / sqrtf((float)c->head_dim),
                                        .causal = true,
                                        .bears = PRECISION_FLOAT32 | PRECISION_BFLOAT16};
    int64_t n = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    size_t mark = workspace_mark(w);
    struct tensor qkv = tensor_take_operand(w, x.rows, n + 2 * kv);
    struct tensor q = tensor_cols(qkv, 0, n), k = tensor_cols(qkv, n, kv);
    op_rms_norm(w, normed, x, l->norm1, (float)c->rms_eps);
    op_linear(w, qkv, normed, l->qkv, NULL);
    op_norm_rotary(w, q, c->head_dim, NULL, 0, angles, ROTARY_HALVES);
    op_norm_rotary(w, k, c->head_dim, NULL, 0, angles, ROTARY_HALVES);
    op_copy(w, tensor_rows(cache->keys[i], first, x.rows), k);
    op_copy(w, tensor_rows(cache->values[i], first, x.rows), tensor_cols(qkv, n + kv, kv));
    op_attention(w, q, q, tensor_rows(cache->keys[i], 0, first + x.rows),
                 tensor_rows(cache->values[i], 0, first + x.rows), &attention);
    op_linear(w, x, q, l->out, &(struct epilogue){.residual = &x});
    workspace_release(w, mark);
}

static void feed_forward(const struct language *m, const struct layer *l, struct workspace *w,
                         struct tensor x, struct tensor normed) {
    int64_t inner = m->c.intermediate;
    size_t mark = workspace_mark(w);
    struct tensor gate_up = tensor_take_operand(w, x.rows, 2 * inner),
                  gate = tensor_cols(gate_up, 0, inner);
    op_rms_norm(w, normed, x, l->norm2, (float)m->c.rms_eps);
    op_linear(w, gate_up, normed, l->gate_up, NULL);
    op_silu_mul(w, gate, gate, tensor_cols(gate_up, inner, inner));
    op_linear(w, x, gate, l->down, &(struct epilogue){.residual = &x});
    workspace_release(w, mark);
}

static void upload_angles(const struct language *m, struct workspace *w, struct tensor angles,
                          const int32_t *positions) {
    size_t mark = workspace_host_mark(w);
    float *host = workspace_host(w, (size_t)(angles.rows * angles.cols) * sizeof *host);
    if (host) {
        rotary_language(host, &m->c, positions, angles.rows);
        tensor_upload(w, angles, host);
    }
    workspace_host_release(w, mark);
}

enum status language_forward(const struct language *m, struct workspace *w, struct tensor x,
                             const int32_t *positions, int64_t first, struct language_cache *cache,
                             const struct trace *trace, const char *tag, struct error *err) {
    size_t mark = workspace_mark(w);
    struct tensor normed = tensor_take_operand(w, x.rows, m->c.hidden);
    struct tensor angles = tensor_take(w, x.rows, m->c.head_dim);
    struct block_walk *walk = NULL;
    const void *layer;
    upload_angles(m, w, angles, positions);
    enum status s = block_walk_start(&walk, m->layers, w, err);
    for (int64_t i = 0; i < m->c.layers && s == STATUS_OK; i++) {
        if ((s = block_walk_next(walk, &layer, err)) != STATUS_OK) break;
        trace_tensor(trace, w, x, "%s.hidden.%d", tag, (int)i);
        attend(m, layer, i, w, x, normed, angles, first, cache);
        feed_forward(m, layer, w, x, normed);
        s = workspace_check(w, err);
    }
    block_walk_end(walk);
    op_rms_norm(w, x, x, m->norm, (float)m->c.rms_eps);
    trace_tensor(trace, w, x, "%s.hidden.%d", tag, (int)m->c.layers);
    if (s == STATUS_OK) s = workspace_check(w, err);
    workspace_release(w, mark);
    return s;
}
