/*
 * One step over a character, by utf8proc, which is strict; all else is a loop over such steps.
 */
#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

size_t utf8_next(const char *text, size_t size, int32_t *c) {
    utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, c);
    return n > 0 ? (size_t)n : 0;
}

size_t utf8_valid(const char *text, size_t size) {
    size_t at = 0;
    int32_t c;
    for (size_t n; at < size && (n = utf8_next(text + at, size - at, &c)) > 0;) at += n;
    return at;
}

bool utf8_is_text(const char *text, size_t size) {
    return size == 0 || (utf8_valid(text, size) == size && !memchr(text, '\0', size));
}

static bool shows_nothing(int32_t c) {
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF: return true;
    default: return false;
    }
}

bool utf8_is_blank(const char *text, size_t size) {
    int32_t c;
    for (size_t at = 0, n; at < size; at += n) {
        n = utf8_next(text + at, size - at, &c);
        if (n == 0 || !shows_nothing(c)) return false;
    }
    return true;
}

const char *utf8_skip_mark(const char *text) {
    static const char mark[] = "\xef\xbb\xbf";
    while (strncmp(text, mark, sizeof mark - 1) == 0) text += sizeof mark - 1;
    return text;
}
