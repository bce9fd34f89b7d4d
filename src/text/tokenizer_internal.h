/*
 * tokenizer_internal.h - what a tokenizer consists of, and how it is built from files that are in
 * memory already.  For this folder and its tests.
 */
#ifndef TEXT_TOKENIZER_INTERNAL_H
#define TEXT_TOKENIZER_INTERNAL_H

#include "base/buffer.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"

struct tokenizer {
    struct pretokenizer *pretokenizer;
    struct bpe *bpe;
    struct added_tokens added;
};

struct tokenizer_source { /* one file */
    bool there;
    struct buffer text;
    char path[1024]; /* for error messages */
};

struct tokenizer_sources {
    struct tokenizer_source tokenizer_json, vocab_json, merges_txt, added_tokens_json,
        tokenizer_config_json;
};

/* As tokenizer_open; the sources stay the caller's. */
enum status tokenizer_from_sources(struct tokenizer **out, const struct tokenizer_sources *sources,
                                   struct error *err);

/* --- tokenizer_json.c: the JSON files; each adds to `t` what its file says --- */

/* {"token": id, ...} */
enum status tokenizer_read_vocab(struct tokenizer *t, const struct tokenizer_source *source,
                                 struct error *err);
/* HF tokenizers' format.  STATUS_INVALID also where it asks for anything but Qwen2's normalizer,
 * split and model. */
enum status tokenizer_read_json(struct tokenizer *t, const struct tokenizer_source *source,
                                struct error *err);
/* "added_tokens_decoder": {"id": {"content": "token", ...}, ...}; the other keys are not looked at.
 */
enum status tokenizer_read_config(struct tokenizer *t, const struct tokenizer_source *source,
                                  struct error *err);
/* {"token": id, ...}, without flags: the standard tokens have their standard ones, others are
 * special. */
enum status tokenizer_read_added(struct tokenizer *t, const struct tokenizer_source *source,
                                 struct error *err);

/* Appends Qwen's 22 standard tokens after the largest id, those that the vocabulary lacks. */
enum status tokenizer_add_standard(struct tokenizer *t, struct error *err);

#endif
