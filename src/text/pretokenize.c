#include "text/pretokenize.h"

#include <stdbool.h>
#include <utf8proc.h>

#include "text/char_class.h"

const char *const pretokenize_pattern = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
                                        "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
                                        "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

struct reader {
    const char *text;
    size_t size;
};

/* The character that starts at byte `at`: its bytes, 0 at the end of the text. */
static size_t peek(const struct reader *r, size_t at, enum char_class *class) {
    *class = CHAR_OTHER;
    if (at >= r->size) return 0;
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)r->text + at,
                                          (utf8proc_ssize_t)(r->size - at), &c);
    if (n <= 0) return 1; /* unreachable on valid UTF-8; a byte of its own keeps us moving */
    *class = char_class(c);
    return (size_t)n;
}

/* The end of the run of characters of one class that starts at byte `at`. */
static size_t run(const struct reader *r, size_t at, enum char_class wanted) {
    enum char_class class;
    for (size_t n; (n = peek(r, at, &class)) && class == wanted;) at += n;
    return at;
}

static bool is_newline(char c) {
    return c == '\r' || c == '\n';
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d): its bytes, 0 where there is none. */
static size_t contraction(const struct reader *r) {
    const char *t = r->text;
    if (r->size < 2 || t[0] != '\'') return 0;
    char a = lower(t[1]), b = r->size > 2 ? lower(t[2]) : '\0';
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
    if (r->size > 2 && t[1] == '\xc5' && t[2] == '\xbf') return 3; /* U+017F folds to s */
    return 0;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ where the text starts with white space. */
static size_t space(const struct reader *r, size_t first) {
    size_t end = first, last = 0, newline = 0; /* `last`: where the run's last character starts */
    enum char_class class = CHAR_SPACE;
    if (is_newline(r->text[0])) newline = first;
    for (size_t n; (n = peek(r, end, &class)) && class == CHAR_SPACE; end += n) {
        last = end;
        if (is_newline(r->text[end])) newline = end + n;
    }
    if (newline) return newline;             /* through the last line break of the run */
    if (end == r->size || !last) return end; /* nothing follows; or a single one, which \s+ takes */
    return last;                             /* the last one is left to the word that follows */
}

size_t pretokenize_next(const char *text, size_t size) {
    struct reader r = {text, size};
    enum char_class class, next;
    size_t n = contraction(&r);
    if (n) return n;

    size_t first = peek(&r, 0, &class);
    if (class == CHAR_NUMBER) return first;
    if (class == CHAR_LETTER) return run(&r, first, CHAR_LETTER);
    peek(&r, first, &next);
    if (!is_newline(text[0]) && next == CHAR_LETTER) return run(&r, first, CHAR_LETTER);

    bool blank_before = text[0] == ' ' && first < size && next == CHAR_OTHER;
    if (class == CHAR_OTHER || blank_before) {
        n = run(&r, blank_before ? first : 0, CHAR_OTHER);
        while (n < size && is_newline(text[n])) n++;
        return n;
    }
    return space(&r, first);
}
