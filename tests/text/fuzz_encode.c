/*
 * Any bytes as a text, under a small vocabulary.  Two properties: text that is not UTF-8 is
 * refused, and the tokens of any other one spell its normal form again, byte by byte.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/nfc.h"
#include "text/prompt.h"
#include "text/tokenizer_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const merges[] = {
    "a b",           "ab c",          "b c", "a a", "aa aa", "aa a", "\u0120 a",
    "\u0120 \u0120", "\u00c3 \u00a9", "' s", "l l", "' ll",  "1 1"};

static struct tokenizer *small_tokenizer(void) {
    struct tokenizer_sources *f = calloc(1, sizeof *f);
    if (!f) abort();
    struct buffer *vocab = &f->vocab_json.text;
    f->vocab_json.there = f->merges_txt.there = f->added_tokens_json.there = true;
    buffer_printf(vocab, "{");
    unsigned others = 0x100, id = 0;
    for (; id < 256; id++) {
        bool itself = (id >= 0x21 && id <= 0x7e) || (id >= 0xa1 && id != 0xad);
        buffer_printf(vocab, "%s\"\\u%04x\":%u", id ? "," : "", itself ? id : others++, id);
    }
    for (size_t i = 0; i < sizeof merges / sizeof merges[0]; i++) {
        const char *blank = strchr(merges[i], ' ');
        buffer_printf(vocab, ",\"%.*s%s\":%u", (int)(blank - merges[i]), merges[i], blank + 1,
                      id++);
        buffer_printf(&f->merges_txt.text, "%s\n", merges[i]);
    }
    buffer_printf(vocab, "}");
    buffer_printf(&f->added_tokens_json.text,
                  "{\"<|im_start|>\":%u,\"<|im_end|>\":%u,\"<|vision_start|>\":%u,"
                  "\"<|vision_end|>\":%u,\"<|image_pad|>\":%u}",
                  id, id + 1, id + 2, id + 3, id + 4);
    struct tokenizer *t;
    struct error err;
    if (tokenizer_from_sources(&t, f, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    buffer_free(vocab);
    buffer_free(&f->merges_txt.text);
    buffer_free(&f->added_tokens_json.text);
    free(f);
    return t;
}

/* The bytes that a token's spelling stands for: the inverse of GPT-2's bytes_to_unicode. */
static void append_bytes(struct buffer *out, const char *spelling, size_t size) {
    for (size_t i = 0; i < size; i++) {
        unsigned c = (unsigned char)spelling[i];
        if (c >= 0x80) c = (c & 0x1f) << 6 | ((unsigned char)spelling[++i] & 0x3f);
        if (c >= 0x100) c -= 0x100, c = c < 33 ? c : c < 67 ? c - 33 + 0x7f : 0xad;
        buffer_append(out, &(char){(char)c}, 1, NULL);
    }
}

static void check_spelling(const struct tokenizer *t, const char *text, size_t size) {
    struct token_ids ids = {0};
    struct buffer normal = {0}, spelled = {0};
    bool valid = size <= TOKENIZER_MAX_TEXT && utf8_valid(text, size) == size;
    enum status s = tokenizer_encode(t, text, size, false, &ids, NULL);
    if (s != (valid ? STATUS_OK : STATUS_INVALID)) abort();
    if (valid && nfc_append(&normal, text, size, NULL) != STATUS_OK) abort();
    for (size_t i = 0; i < ids.count; i++) {
        size_t n;
        const char *spelling = bpe_token_text(t->bpe, ids.ids[i], &n);
        if (!spelling) abort(); /* no control token comes from text */
        append_bytes(&spelled, spelling, n);
    }
    if (spelled.size != normal.size ||
        (normal.size && memcmp(spelled.data, normal.data, normal.size) != 0))
        abort();
    token_ids_free(&ids);
    buffer_free(&normal);
    buffer_free(&spelled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct tokenizer
        *t; /* the harness's own: building it for each input would be most of the work */
    if (!t) t = small_tokenizer();
    const char *text = size ? (const char *)data : "";
    check_spelling(t, text, size);
    struct token_ids ids = {0};
    if (tokenizer_encode(t, text, size, true, &ids, NULL) == STATUS_INTERNAL) abort();
    token_ids_free(&ids);
    char *prompt = malloc(size + 1);
    if (!prompt) return 0;
    if (size) memcpy(prompt, data, size);
    prompt[size] = '\0';
    struct prompt_ids out;
    if (prompt_encode(t, prompt, (int[]){2}, 1, &out, NULL) == STATUS_OK) {
        size_t pads = 0;
        int32_t pad = tokenizer_token_id(t, "<|image_pad|>");
        for (size_t i = 0; i < out.ids.count; i++) pads += out.ids.ids[i] == pad;
        if (pads != 2) abort();
    }
    prompt_ids_free(&out);
    free(prompt);
    return 0;
}
