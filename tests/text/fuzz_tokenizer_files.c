/*
 * One blob is the files of a tokenizer: sections divided by lines of "%%%", in the order
 * tokenizer.json, vocab.json, merges.txt, tokenizer_config.json, added_tokens.json; a section
 * starting with "-" is a file that is not there, and in one starting with "+" the rest stands
 * inside a vocabulary of the 256 bytes that is complete otherwise.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/prompt.h"
#include "text/tokenizer_internal.h"
#include "vocabulary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void append_bytes_vocabulary(struct buffer *out) {
    unsigned others = 0x100;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool itself = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
        if (buffer_printf(out, "\"\\u%04x\":%u,", itself ? byte : others++, byte) != STATUS_OK)
            abort();
    }
}

static void take(struct tokenizer_source *source, const char *name, const char *from, size_t size) {
    snprintf(source->path, sizeof source->path, "%s", name);
    source->there = size == 0 || from[0] != '-';
    if (size && from[0] == '+') {
        const char *mark = memchr(from, '#', size); /* the byte tokens go in at the mark */
        size_t before = mark ? (size_t)(mark - from) : size;
        buffer_append(&source->text, from + 1, before - 1, NULL);
        append_bytes_vocabulary(&source->text);
        if (mark) buffer_append(&source->text, mark + 1, size - before - 1, NULL);
    } else if (size) {
        buffer_append(&source->text, from, size, NULL);
    }
}

static void use(const struct tokenizer *t) {
    static const char text[] =
        "abc <|im_end|> a<x> e\u0301 \u00e9<y>\n\nabcabc '\u017f\u3000<x><x>";
    for (int special = 0; special < 2; special++) {
        struct token_ids ids = {0};
        if (tokenizer_encode(t, text, sizeof text - 1, special, &ids, NULL) != STATUS_OK) abort();
        for (size_t i = 0; i < ids.count; i++)
            if (ids.ids[i] < 0 || (size_t)ids.ids[i] >= vocabulary_size(t)) abort();
        token_ids_free(&ids);
    }
    struct prompt_ids prompt;
    if (prompt_encode(t, text, (int[]){3}, 1, &prompt, NULL) == STATUS_OK &&
        prompt.drop >= prompt.ids.count)
        abort();
    prompt_ids_free(&prompt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct tokenizer_sources *f = calloc(1, sizeof *f);
    if (!f) return 0;
    struct tokenizer_source *all[] = {&f->tokenizer_json, &f->vocab_json, &f->merges_txt,
                                      &f->tokenizer_config_json, &f->added_tokens_json};
    static const char *const names[] = {"tokenizer.json", "vocab.json", "merges.txt",
                                        "tokenizer_config.json", "added_tokens.json"};
    const char *at = (const char *)data, *end = at + size;
    for (int i = 0; i < 5; i++) {
        const char *stop = at < end ? memmem(at, (size_t)(end - at), "%%%\n", 4) : NULL;
        size_t n = (size_t)((stop ? stop : end) - at);
        if (i == 0 || at < end) take(all[i], names[i], n || i ? at : "-", n || i ? n : 1);
        at = stop ? stop + 4 : end;
    }
    struct tokenizer *t;
    struct error err = {{0}};
    if (tokenizer_from_sources(&t, f, &err) == STATUS_OK)
        use(t);
    else if (t || err.text[0] == '\0')
        abort();
    tokenizer_close(t);
    for (int i = 0; i < 5; i++) buffer_free(&all[i]->text);
    free(f);
    return 0;
}
