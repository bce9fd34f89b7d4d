/*
 * bpe.h - byte-level byte-pair encoding: a vocabulary, its merges, and the splitting of one word
 * into tokens.
 *
 * A vocabulary spells tokens in GPT-2's alphabet of 256 printable characters, one for each byte (a
 * blank is U+0120): that spelling is what the functions here take for tokens, while bpe_encode
 * takes the word's own bytes.
 *
 * Method: Sennrich et al. 2016 as the package tokenizers does it (models/bpe/word.rs): of all
 * adjacent pairs that may merge, the one of lowest rank goes first, the leftmost of equals; a heap
 * finds it, so a word of n bytes costs n log n even if it is one letter repeated.
 *
 * Building: bpe_create, every token, then every merge in order of rank, then bpe_finish; after that
 * it never changes, and any number of threads may encode, each with its own scratch.  `where` names
 * the file for error messages.
 */
#ifndef TEXT_BPE_H
#define TEXT_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"
#include "text/token_ids.h"

enum {
    BPE_MAX_IDS = 1 << 20,   /* ids are below this; Qwen's largest is 151664 */
    BPE_MAX_TOKEN = 1 << 12, /* bytes of a token's spelling */
};

struct bpe;

enum status bpe_create(struct bpe **out, struct error *err);
void bpe_destroy(struct bpe *b); /* NULL is fine */

/* STATUS_INVALID: id out of range or taken, token empty, too long or there already.
 * STATUS_NO_MEMORY. */
enum status bpe_add_token(struct bpe *b, const char *text, size_t size, int64_t id,
                          const char *where, struct error *err);

/* The next merge, of two tokens into a third.  STATUS_INVALID: one of the three is not in the
 * vocabulary, or the pair has a merge already.  STATUS_NO_MEMORY. */
enum status bpe_add_merge(struct bpe *b, const char *left, size_t left_size, const char *right,
                          size_t right_size, const char *where, struct error *err);

/* STATUS_INVALID: a byte has no token, so that some text could not be encoded. */
enum status bpe_finish(struct bpe *b, const char *where, struct error *err);

int32_t bpe_token_id(const struct bpe *b, const char *text, size_t size);  /* -1: no such token */
const char *bpe_token_text(const struct bpe *b, int32_t id, size_t *size); /* NULL: no such id */
size_t bpe_size(const struct bpe *b);                                      /* the largest id + 1 */

/* The memory of bpe_encode, kept from word to word.  A zeroed struct is ready. */
struct bpe_scratch {
    struct symbol *symbols; /* [capacity] */
    struct candidate *heap; /* [2 * capacity] */
    size_t capacity;
};
void bpe_scratch_free(struct bpe_scratch *s);

/* Appends the ids of one word, any `size` bytes below 2^31.  STATUS_NO_MEMORY: `out` then holds
 * some of them. */
enum status bpe_encode(const struct bpe *b, struct bpe_scratch *scratch, const char *word,
                       size_t size, struct token_ids *out, struct error *err);

#endif
