/*
 * language.h - Qwen2.5-VL's language model, as a reader: token embeddings in, hidden states out.
 * There is no output head and no sampling.
 *
 * The two prompts of a guided edit begin alike: template, pictures, and as much of the sentence as
 * they share.  Attention is causal, so hidden states of that beginning are the same.  A
 * language_cache keeps keys and values of the first prompt, and the second one continues from where
 * they part.
 *
 * Source: transformers, modeling_qwen2_5_vl.py (Qwen2_5_VLTextModel).
 */
#ifndef MODEL_LANGUAGE_H
#define MODEL_LANGUAGE_H

#include "model/blocks.h"
#include "model/config.h"
#include "model/loader.h"
#include "model/trace.h"

struct language;

/* keep: how many layers stay resident, if others do not (model/blocks.h). */
enum status language_load(struct language **out, const struct language_config *c, int64_t keep,
                          struct loader *l, struct error *err);
const struct blocks *language_layers(const struct language *m);
void language_destroy(struct language *m);

/* STATUS_IO: the file of the embeddings, which are read for every prompt, is no longer as it was
 * when it was opened. */
enum status language_check_file(const struct language *m, struct error *err);

/* Embeddings of out.rows token ids: out [ids, hidden].  An id beyond the vocabulary is
 * STATUS_INVALID.  ids may be NULL in a dry workspace.  STATUS_IO as language_check_file. */
enum status language_embed(const struct language *m, struct workspace *w, struct tensor out,
                           const int32_t *ids, struct error *err);

/* Keys and values of every layer, in the workspace, for up to `capacity` tokens. */
struct language_cache {
    struct tensor *keys, *values; /* [layers] of [capacity, kv_heads * head_dim] */
    int64_t capacity;
};
enum status language_cache_create(struct language_cache *out, const struct language *m,
                                  struct workspace *w, int64_t capacity, struct error *err);
void language_cache_destroy(struct language_cache *c);

/* Makes of the embeddings of tokens first .. first + x.rows - 1 in x [tokens, hidden] their last
 * hidden states, after the final norm.  The cache must hold tokens 0 .. first - 1, from an earlier
 * call, and holds these too afterwards.  positions: [3][x.rows], of these tokens, on the host; NULL
 * in a dry workspace.  trace: shows every layer's input as "TAG.hidden.N". */
enum status language_forward(const struct language *m, struct workspace *w, struct tensor x,
                             const int32_t *positions, int64_t first, struct language_cache *cache,
                             const struct trace *trace, const char *tag, struct error *err);

#endif
