/*
 * tokenizer.h - Qwen2's tokenizer: text to the ids that the text encoder was trained on.
 *
 * Equal, id by id, to transformers' Qwen2Tokenizer (on the package tokenizers 0.23):
 *   1. added tokens, <|im_start|> and the like, are cut out of the text (added_tokens.h);
 *   2. what lies between is brought into Unicode's form C (nfc.h), each stretch for itself;
 *   3. a stretch is cut into words (pretokenize.h);
 *   4. a word's bytes are merged into tokens (bpe.h).
 * Only for characters newer than Unicode 9 (2.) or than the Unicode of the PCRE2 at hand (3.) may
 * the ids differ from the reference's: its libraries and ours know different versions.
 *
 *     struct tokenizer *t;
 *     struct token_ids ids = {0};
 *     s = tokenizer_open(&t, "model/tokenizer", &err);
 *     if (s == STATUS_OK) s = tokenizer_encode(t, "a red hat", 9, true, &ids, &err);
 *     ...
 *     token_ids_free(&ids);
 *     tokenizer_close(t);
 */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"
#include "text/token_ids.h"

/* Bytes of one text; encoding takes up to 40 times as much memory for a while. */
enum { TOKENIZER_MAX_TEXT = 1 << 20 };

/* Never changes once it is open: any number of threads may encode with it at the same time. */
struct tokenizer;

/* Reads the `tokenizer/` folder of a diffusers model.  The vocabulary comes from tokenizer.json, or
 * else from vocab.json and merges.txt; added tokens come from all that is there of tokenizer.json,
 * tokenizer_config.json (added_tokens_decoder) and added_tokens.json, which must agree.  Where no
 * file names any, Qwen2.5's standard 22 follow the vocabulary's largest id in the standard order:
 * <|endoftext|> 151643 ... <|file_sep|> 151664.  Qwen's control tokens <|...|> (the first 14 of
 * those) count as special whatever the files say.  Takes about 0.2 s for Qwen's vocabulary, which
 * keeps 15 MB.  The caller closes *out; it is NULL after an error.  The files are not trusted.
 * STATUS_INVALID: a file is missing, malformed or contradicts itself or another, or describes
 * another kind of tokenizer; the sentence names the file.  STATUS_IO: cannot be read.
 * STATUS_NO_MEMORY. */
enum status tokenizer_open(struct tokenizer **out, const char *folder, struct error *err);
void tokenizer_close(struct tokenizer *t); /* NULL is fine */

/* Appends the ids of `text`, `size` bytes of UTF-8 (a NUL is a character like any other), to `out`.
 * With parse_special every added token in the text becomes its id.  Without it the special ones
 * among them are text like any other (tokenizers' encode_special_tokens); the added tokens that are
 * not special, as <tool_call>, still become ids.
 * STATUS_INVALID: not UTF-8, or larger than TOKENIZER_MAX_TEXT.  STATUS_NO_MEMORY.  `out` then
 * holds some of the ids. */
enum status tokenizer_encode(const struct tokenizer *t, const char *text, size_t size,
                             bool parse_special, struct token_ids *out, struct error *err);

/* The id of a token, added or of the vocabulary (there a blank is spelled U+0120); -1 if there is
 * none. */
int32_t tokenizer_token_id(const struct tokenizer *t, const char *token);

#endif
