/* Tokens are sorted by their first byte, longest first, so that the first one that fits at a place
 * is the longest. */
#include "text/added_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "text/char_class.h"
#include "text/nfc.h"

static enum status copy_token(struct added_token *to, const struct added_token *from,
                              struct error *err) {
    *to = *from;
    to->pattern = NULL;
    struct buffer text = {0}, pattern = {0};
    enum status s = buffer_append(&text, from->text, from->size, err);
    if (s == STATUS_OK && from->normalized)
        s = nfc_append(&pattern, from->text, from->size, err);
    else if (s == STATUS_OK)
        s = buffer_append(&pattern, from->text, from->size, err);
    if (s != STATUS_OK) {
        buffer_free(&text);
        buffer_free(&pattern);
        return s;
    }
    to->text = text.data;
    to->pattern = pattern.data;
    to->pattern_size = pattern.size;
    return STATUS_OK;
}

enum status added_tokens_add(struct added_tokens *set, const struct added_token *token,
                             const char *where, struct error *err) {
    int shown = token->size < 80 ? (int)token->size : 80;
    if (token->size == 0 || token->size > ADDED_TOKEN_MAX_SIZE)
        return fail(err, STATUS_INVALID,
                    "%s: the added token with id %d has %zu bytes; it must have 1 to %d", where,
                    (int)token->id, token->size, ADDED_TOKEN_MAX_SIZE);
    for (size_t i = 0; i < set->count; i++) {
        const struct added_token *t = set->tokens + i;
        bool same = t->size == token->size && memcmp(t->text, token->text, t->size) == 0;
        if (same && t->id == token->id) return STATUS_OK;
        if (same)
            return fail(err, STATUS_INVALID, "%s: the added token \"%.*s\" has the ids %d and %d",
                        where, shown, token->text, (int)t->id, (int)token->id);
        if (t->id == token->id)
            return fail(
                err, STATUS_INVALID, "%s: the added tokens \"%.*s\" and \"%.*s\" both have id %d",
                where, (int)(t->size < 80 ? t->size : 80), t->text, shown, token->text, (int)t->id);
    }
    if (set->count == ADDED_TOKENS_MAX)
        return fail(err, STATUS_INVALID, "%s: more than %d added tokens", where, ADDED_TOKENS_MAX);
    if ((set->count & (set->count - 1)) == 0) { /* full: the capacity is the next power of two */
        size_t capacity = set->count ? set->count * 2 : 1;
        struct added_token *tokens = realloc(set->tokens, capacity * sizeof *tokens);
        if (!tokens) return fail(err, STATUS_NO_MEMORY, "no memory for %zu added tokens", capacity);
        set->tokens = tokens;
    }
    enum status s = copy_token(set->tokens + set->count, token, err);
    if (s == STATUS_OK) set->count++;
    return s;
}

static int in_search_order(const void *a, const void *b) {
    const struct added_token *x = a, *y = b;
    if (x->normalized != y->normalized) return x->normalized ? 1 : -1;
    unsigned char p = (unsigned char)x->pattern[0], q = (unsigned char)y->pattern[0];
    if (p != q) return p < q ? -1 : 1;
    if (x->pattern_size != y->pattern_size) return x->pattern_size > y->pattern_size ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

void added_tokens_finish(struct added_tokens *set) {
    if (set->count) qsort(set->tokens, set->count, sizeof *set->tokens, in_search_order);
    size_t at = 0;
    for (int normalized = 0; normalized < 2; normalized++) {
        for (int byte = 0; byte < 256; byte++) {
            set->first[normalized][byte] = (uint16_t)at;
            while (at < set->count && set->tokens[at].normalized == (bool)normalized &&
                   (unsigned char)set->tokens[at].pattern[0] == byte)
                at++;
        }
        set->first[normalized][256] = (uint16_t)at;
    }
}

void added_tokens_free(struct added_tokens *set) {
    for (size_t i = 0; i < set->count; i++) {
        free(set->tokens[i].text);
        free(set->tokens[i].pattern);
    }
    free(set->tokens);
    *set = (struct added_tokens){0};
}

const struct added_token *added_tokens_find(const struct added_tokens *set, const char *text,
                                            size_t size) {
    for (size_t i = 0; i < set->count; i++)
        if (set->tokens[i].size == size && memcmp(set->tokens[i].text, text, size) == 0)
            return set->tokens + i;
    return NULL;
}

/* The character that starts at byte `at` of valid UTF-8, and its bytes. */
static size_t char_at(const char *text, size_t size, size_t at, int32_t *c) {
    size_t n = utf8_next(text + at, size - at, c);
    return n > 0 ? n : 1;
}

static size_t char_before(const char *text, size_t at, int32_t *c) {
    size_t start = at - 1;
    while (start > 0 && ((unsigned char)text[start] & 0xc0) == 0x80) start--;
    char_at(text, at, start, c);
    return at - start;
}

static bool stands_alone(const char *text, size_t size, const struct added_match *m) {
    int32_t c;
    if (m->start > 0 && char_before(text, m->start, &c) && char_is_word(c)) return false;
    return !(m->stop < size && char_at(text, size, m->stop, &c) && char_is_word(c));
}

static void strip(const struct added_token *t, const char *text, size_t size, size_t done,
                  struct added_match *m) {
    int32_t c;
    size_t n;
    if (t->lstrip) {
        while (m->start > 0 && (n = char_before(text, m->start, &c)) && char_is_space(c))
            m->start -= n;
        if (m->start < done) m->start = done; /* the match before has that white space already */
    }
    if (t->rstrip)
        while (m->stop < size && (n = char_at(text, size, m->stop, &c)) && char_is_space(c))
            m->stop += n;
}

bool added_tokens_next(const struct added_tokens *set, bool normalized, bool parse_special,
                       const char *text, size_t size, size_t *from, size_t done,
                       struct added_match *match) {
    const uint16_t *first = set->first[normalized];
    if (first[0] == first[256]) return false;
    for (size_t at = *from; at < size; at++) {
        unsigned char byte = (unsigned char)text[at];
        for (size_t i = first[byte]; i < first[byte + 1]; i++) {
            const struct added_token *t = set->tokens + i;
            if (t->pattern_size > size - at || memcmp(text + at, t->pattern, t->pattern_size) != 0)
                continue;
            struct added_match m = {at, at + t->pattern_size, t->id};
            at = m.stop - 1; /* accepted or not, its bytes are behind us */
            if ((t->special && !parse_special) || (t->single_word && !stands_alone(text, size, &m)))
                break;
            *from = m.stop;
            strip(t, text, size, done, &m);
            *match = m;
            return true;
        }
    }
    *from = size;
    return false;
}
