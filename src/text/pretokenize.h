/*
 * pretokenize.h - cuts text into the words within which byte pairs are merged.
 *
 * Qwen2's pattern (PRETOKENIZE_REGEX in transformers, models/qwen2/tokenization_qwen2.py), first
 * alternative that matches:
 *
 *     (?i:'s|'t|'re|'ve|'m|'ll|'d)
 *     [^\r\n\p{L}\p{N}]?\p{L}+
 *     \p{N}
 *      ?[^\s\p{L}\p{N}]+[\r\n]*         (a blank, optionally, comes first)
 *     \s*[\r\n]+
 *     \s+(?!\S)
 *     \s+
 *
 * PCRE2 matches it, with \s as Unicode's White_Space.  The words are those of the reference (the
 * package tokenizers 0.23: Oniguruma, Unicode 16) except around characters that one of the two
 * libraries' Unicode does not have yet: PCRE2 10.42 knows Unicode 14.  The time is linear in the
 * text, with PCRE2's JIT compiler and without it.
 */
#ifndef TEXT_PRETOKENIZE_H
#define TEXT_PRETOKENIZE_H

#include <stddef.h>

#include "firered/status.h"

/* The pattern as a tokenizer.json spells it. */
extern const char *const pretokenizer_pattern;

/* The compiled pattern.  Never changes: any number of threads may use it, each with its own
 * scratch. */
struct pretokenizer;

/* STATUS_NO_MEMORY.  STATUS_INTERNAL: this PCRE2 does not take the pattern (it lacks Unicode). */
enum status pretokenizer_create(struct pretokenizer **out, struct error *err);
void pretokenizer_destroy(struct pretokenizer *p); /* NULL is fine */

/* What matching needs, kept from word to word.  A zeroed struct is ready. */
struct pretokenizer_scratch {
    void *match; /* pcre2_match_data */
};
void pretokenizer_scratch_free(struct pretokenizer_scratch *s); /* leaves it empty */

/* Sets *word to the bytes, 1..size, of the first word of `text`, which is valid UTF-8 of `size` > 0
 * bytes.  The pattern looks at nothing before its match, so calling this again with the rest yields
 * the next word; together they are the whole text.  STATUS_NO_MEMORY. */
enum status pretokenizer_next(const struct pretokenizer *p, struct pretokenizer_scratch *scratch,
                              const char *text, size_t size, size_t *word, struct error *err);

#endif
