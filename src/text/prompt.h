/*
 * prompt.h - what the text encoder reads: the system's instruction, the pictures' places and the
 * user's sentence.
 *
 *     <|im_start|>system\nDescribe the key features ... appropriate.<|im_end|>\n
 *     <|im_start|>user\n
 *         Picture 1: <|vision_start|><|image_pad|><|image_pad|>...<|vision_end|>
 *         Picture 2: <|vision_start|>...<|vision_end|>
 *         the user's sentence<|im_end|>\n
 *     <|im_start|>assistant\n
 *
 * (The lines under user follow each other without a break.)
 *
 * Source: diffusers, QwenImageEditPlusPipeline (prompt_template_encode, img_prompt_template,
 * prompt_template_encode_start_idx); transformers, Qwen2_5_VLProcessor, which repeats <|image_pad|>
 * once for each merged vision token.
 *
 * The one deviation from the reference: the user's sentence is text, all of it.  The reference
 * turns an <|im_end|>, an <|image_pad|> or another special token that somebody typed into the
 * control token, and lets it end the user's turn or claim a picture's place; here such letters are
 * tokenized as letters, and so is <|placeholder|>, which the reference's processor uses for itself.
 * Added tokens that are not special, <tool_call> and <|fim_prefix|> for example, become their ids,
 * as there.  Every other sentence yields the reference's ids.
 */
#ifndef TEXT_PROMPT_H
#define TEXT_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "firered/status.h"
#include "text/token_ids.h"
#include "text/tokenizer.h"

enum {
    PROMPT_MAX_TOKENS = 1024, /* of the user's sentence */
    PROMPT_DROP = 64,         /* tokens through "<|im_start|>user\n" under Qwen's vocabulary */
    PROMPT_MAX_PICTURES = 64, /* far more than any model takes; its own limit is not decided here */
    PROMPT_MAX_IMAGE_TOKENS = 1 << 20, /* of one picture */
};

struct prompt_ids {
    struct token_ids ids; /* what the text encoder reads */
    size_t drop; /* < ids.count: that many leading rows of its output are no prompt embeddings */
};

/* Sets *out to the ids for `prompt`, a string, with picture_count pictures before it, the i-th of
 * which takes image_tokens[i] = t * h * w / 4 places (t, h, w: its image_grid_thw; 4: the vision
 * encoder's 2x2 merge).  `drop` is always PROMPT_DROP: in the reference, too, it is a constant that
 * does not depend on the vocabulary.  The caller frees *out; after an error it is empty.
 * STATUS_INVALID: not UTF-8, more than PROMPT_MAX_TOKENS tokens, a picture without places or with
 * absurdly many, or a tokenizer that lacks one of the control tokens.  STATUS_NO_MEMORY. */
enum status prompt_encode(const struct tokenizer *t, const char *prompt, const int *image_tokens,
                          size_t picture_count, struct prompt_ids *out, struct error *err);

void prompt_ids_free(struct prompt_ids *p); /* leaves it empty; NULL is fine */

#endif
