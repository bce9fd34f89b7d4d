/*
 * The template is written piece by piece.  Text gathers until a control token comes, and is
 * tokenized as one stretch then, as the reference does after it has cut the control tokens out.  A
 * control token gets in by write_control only, so nothing that a user types can become one.
 */
#include "text/prompt.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"

#define SYSTEM                                                                                     \
    "Describe the key features of the input image (color, shape, size, texture, objects, "         \
    "background), then explain how the user's text instruction should alter or modify the image. " \
    "Generate a new image that meets the user's requirements while maintaining consistency with "  \
    "the original input where appropriate."

struct writer {
    const struct tokenizer *tokenizer;
    struct buffer text; /* not tokenized yet */
    struct token_ids *ids;
    enum status status; /* after the first error, writing does nothing */
    struct error *err;
};

static void write_text(struct writer *w, const char *text) {
    if (w->status == STATUS_OK) w->status = buffer_append(&w->text, text, strlen(text), w->err);
}

static void flush(struct writer *w) {
    if (w->status == STATUS_OK && w->text.size)
        w->status =
            tokenizer_encode(w->tokenizer, w->text.data, w->text.size, false, w->ids, w->err);
    w->text.size = 0;
}

static void write_control(struct writer *w, const char *token, size_t times) {
    flush(w);
    if (w->status != STATUS_OK) return;
    int32_t id = tokenizer_token_id(w->tokenizer, token);
    if (id < 0)
        w->status = fail(
            w->err, STATUS_INVALID,
            "the tokenizer has no token %s: it does not belong to a Qwen-Image-Edit model", token);
    else
        w->status = token_ids_push(w->ids, id, times, w->err);
}

static void write_picture(struct writer *w, size_t number, int image_tokens) {
    if (w->status == STATUS_OK && (image_tokens < 1 || image_tokens > PROMPT_MAX_IMAGE_TOKENS))
        w->status =
            fail(w->err, STATUS_INVALID, "picture %zu has %d vision tokens; it must have 1 to %d",
                 number, image_tokens, PROMPT_MAX_IMAGE_TOKENS);
    char heading[40];
    snprintf(heading, sizeof heading, "Picture %zu: ", number);
    write_text(w, heading);
    write_control(w, "<|vision_start|>", 1);
    write_control(w, "<|image_pad|>", image_tokens < 0 ? 0 : (size_t)image_tokens);
    write_control(w, "<|vision_end|>", 1);
}

static void write_prompt(struct writer *w, const char *prompt, size_t picture_count) {
    size_t before = picture_count ? w->ids->count : PROMPT_DROP; /* "user\n" is still in w->text */
    size_t size = strlen(prompt);
    if (w->status == STATUS_OK && size > TOKENIZER_MAX_TEXT / 2)
        w->status =
            fail(w->err, STATUS_INVALID, "the prompt has %zu bytes, far too many for %d tokens",
                 size, PROMPT_MAX_TOKENS);
    write_text(w, prompt);
    flush(w);
    size_t tokens = w->ids->count > before ? w->ids->count - before : 0;
    if (w->status == STATUS_OK && tokens > PROMPT_MAX_TOKENS)
        w->status =
            fail(w->err, STATUS_INVALID, "the prompt has %zu tokens; it may have at most %d",
                 tokens, PROMPT_MAX_TOKENS);
}

/* A tokenizer whose merges build a control token's id out of letters would betray the header's
 * promise. */
static void check_places(struct writer *w, const int *image_tokens, size_t picture_count) {
    if (w->status != STATUS_OK) return;
    int32_t pad = tokenizer_token_id(w->tokenizer, "<|image_pad|>");
    size_t places = 0, expected = 0;
    for (size_t i = 0; i < picture_count; i++) expected += (size_t)image_tokens[i];
    for (size_t i = 0; i < w->ids->count; i++) places += w->ids->ids[i] == pad;
    if (places != expected || w->ids->count <= PROMPT_DROP)
        w->status = fail(w->err, STATUS_INVALID,
                         "the tokenizer makes %zu tokens of the template, %zu of them "
                         "<|image_pad|> instead of %zu: "
                         "it does not belong to a Qwen-Image-Edit model",
                         w->ids->count, places, expected);
}

enum status prompt_encode(const struct tokenizer *t, const char *prompt, const int *image_tokens,
                          size_t picture_count, struct prompt_ids *out, struct error *err) {
    *out = (struct prompt_ids){.drop = PROMPT_DROP};
    if (picture_count > PROMPT_MAX_PICTURES)
        return fail(err, STATUS_INVALID, "%zu pictures; a prompt has places for at most %d",
                    picture_count, PROMPT_MAX_PICTURES);
    struct writer w = {.tokenizer = t, .ids = &out->ids, .err = err};
    write_control(&w, "<|im_start|>", 1);
    write_text(&w, "system\n" SYSTEM);
    write_control(&w, "<|im_end|>", 1);
    write_text(&w, "\n");
    write_control(&w, "<|im_start|>", 1);
    write_text(&w, "user\n");
    for (size_t i = 0; i < picture_count; i++) write_picture(&w, i + 1, image_tokens[i]);
    write_prompt(&w, prompt, picture_count);
    write_control(&w, "<|im_end|>", 1);
    write_text(&w, "\n");
    write_control(&w, "<|im_start|>", 1);
    write_text(&w, "assistant\n");
    flush(&w);
    check_places(&w, image_tokens, picture_count);

    buffer_free(&w.text);
    if (w.status != STATUS_OK) prompt_ids_free(out);
    return w.status;
}

void prompt_ids_free(struct prompt_ids *p) {
    if (!p) return;
    token_ids_free(&p->ids);
    p->drop = 0;
}
