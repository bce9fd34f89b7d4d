/* The way of a text through the stages; the stages themselves are in the files beside this one. */
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/nfc.h"
#include "text/tokenizer_internal.h"

/* One call of tokenizer_encode. */
struct encoding {
    const struct tokenizer *t;
    bool parse_special;
    struct pretokenizer_scratch match;
    struct bpe_scratch scratch;
    struct buffer normal; /* the form C of one stretch of text */
    struct token_ids *out;
    struct error *err;
};

static enum status encode_words(struct encoding *e, const char *text, size_t size) {
    enum status s = STATUS_OK;
    while (s == STATUS_OK && size > 0) {
        size_t n = 0;
        s = pretokenizer_next(e->t->pretokenizer, &e->match, text, size, &n, e->err);
        if (s == STATUS_OK) s = bpe_encode(e->t->bpe, &e->scratch, text, n, e->out, e->err);
        text += n;
        size -= n;
    }
    return s;
}

static enum status encode_normalized(struct encoding *e, const char *text, size_t size);

static enum status encode_stretch(struct encoding *e, const char *text, size_t size) {
    if (nfc_is_plain(text, size)) return encode_normalized(e, text, size);
    e->normal.size = 0;
    enum status s = nfc_append(&e->normal, text, size, e->err);
    return s == STATUS_OK ? encode_normalized(e, e->normal.data, e->normal.size) : s;
}

/* Cuts the added tokens of one kind out of the text and hands what lies between to `rest`. */
static enum status cut_added(struct encoding *e, bool normalized, const char *text, size_t size,
                             enum status (*rest)(struct encoding *, const char *, size_t)) {
    enum status s = STATUS_OK;
    size_t from = 0, done = 0;
    struct added_match m;
    while (s == STATUS_OK && added_tokens_next(&e->t->added, normalized, e->parse_special, text,
                                               size, &from, done, &m)) {
        if (done < m.start) s = rest(e, text + done, m.start - done);
        if (s == STATUS_OK) s = token_ids_push(e->out, m.id, 1, e->err);
        done = m.stop;
    }
    if (s == STATUS_OK && done < size) s = rest(e, text + done, size - done);
    return s;
}

static enum status encode_normalized(struct encoding *e, const char *text, size_t size) {
    return cut_added(e, true, text, size, encode_words);
}

enum status tokenizer_encode(const struct tokenizer *t, const char *text, size_t size,
                             bool parse_special, struct token_ids *out, struct error *err) {
    if (size > TOKENIZER_MAX_TEXT)
        return fail(err, STATUS_INVALID, "the text has %zu bytes; at most %d are taken", size,
                    TOKENIZER_MAX_TEXT);
    size_t valid = utf8_valid(text, size);
    if (valid < size)
        return fail(err, STATUS_INVALID, "the text is not valid UTF-8 (byte %zu)", valid);
    struct encoding e = {.t = t, .parse_special = parse_special, .out = out, .err = err};
    enum status s = cut_added(&e, false, text, size, encode_stretch);
    pretokenizer_scratch_free(&e.match);
    bpe_scratch_free(&e.scratch);
    buffer_free(&e.normal);
    return s;
}

int32_t tokenizer_token_id(const struct tokenizer *t, const char *token) {
    size_t size = strlen(token);
    const struct added_token *added = added_tokens_find(&t->added, token, size);
    return added ? added->id : bpe_token_id(t->bpe, token, size);
}

void tokenizer_close(struct tokenizer *t) {
    if (!t) return;
    pretokenizer_destroy(t->pretokenizer);
    bpe_destroy(t->bpe);
    added_tokens_free(&t->added);
    free(t);
}
