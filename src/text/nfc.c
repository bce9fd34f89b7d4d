/*
 * Decompose every character, order the marks, compose, write as UTF-8 again: the steps of
 * utf8proc_map one by one, because two of them need help (order_run, compose).
 */
#include "text/nfc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"

enum {
    DECOMPOSED_MAX = 4, /* code points of the longest canonical decomposition */
    HANGUL_NO_TRAIL = 0x11a7,
};

bool nfc_is_plain(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] >= 0xcc) return false; /* U+0300 is CC 80 */
    return true;
}

static unsigned mark_class(int32_t code_point) {
    utf8proc_propval_t class = utf8proc_get_property(code_point)->combining_class;
    return (unsigned)class & 0xff;
}

static bool is_ordered(const int32_t *marks, size_t n) {
    size_t i = 1;
    while (i < n && mark_class(marks[i - 1]) <= mark_class(marks[i])) i++;
    return i >= n;
}

/* Counting sort: stable, and the classes are bytes.  utf8proc_decompose would sort by swapping
 * neighbours, which takes minutes for a megabyte of marks. */
static enum status order_run(int32_t *marks, size_t n, struct error *err) {
    if (is_ordered(marks, n)) return STATUS_OK;
    int32_t *sorted = malloc(n * sizeof *sorted);
    if (!sorted) return fail(err, STATUS_NO_MEMORY, "no memory to order %zu combining marks", n);
    size_t first[257] = {0};
    for (size_t i = 0; i < n; i++) first[mark_class(marks[i]) + 1]++;
    for (int c = 0; c < 256; c++) first[c + 1] += first[c];
    for (size_t i = 0; i < n; i++) sorted[first[mark_class(marks[i])]++] = marks[i];
    memcpy(marks, sorted, n * sizeof *sorted);
    free(sorted);
    return STATUS_OK;
}

static enum status order_marks(int32_t *chars, size_t n, struct error *err) {
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < n;) {
        size_t end = i;
        while (end < n && mark_class(chars[end]) != 0) end++;
        s = order_run(chars + i, end - i, err);
        i = end + 1;
    }
    return s;
}

/* Composes in place; returns how many are left.  utf8proc takes U+11A7 for a Hangul trailing
 * consonant (up to 2.8 at least) and swallows it; nothing composes with it or across it, so the
 * text is composed between those. */
static size_t compose(int32_t *chars, size_t n) {
    size_t out = 0;
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && chars[end] != HANGUL_NO_TRAIL) end++;
        utf8proc_ssize_t left = utf8proc_normalize_utf32(chars + i, (utf8proc_ssize_t)(end - i),
                                                         UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        memmove(chars + out, chars + i, (size_t)left * sizeof *chars);
        out += (size_t)left;
        if (end < n) chars[out++] = chars[end];
        i = end + 1;
    }
    return out;
}

static enum status decompose(int32_t *chars, size_t *count, const char *text, size_t size,
                             struct error *err) {
    size_t n = 0;
    for (size_t at = 0; at < size;) {
        int32_t c;
        size_t used = utf8_next(text + at, size - at, &c);
        if (used == 0)
            return fail(err, STATUS_INVALID, "the text is not valid UTF-8 (byte %zu)", at);
        int last_boundclass = 0;
        utf8proc_ssize_t made = utf8proc_decompose_char(
            c, chars + n, DECOMPOSED_MAX, UTF8PROC_COMPOSE | UTF8PROC_STABLE, &last_boundclass);
        if (made < 0 || made > DECOMPOSED_MAX)
            return fail(err, STATUS_INTERNAL, "cannot decompose U+%04X", (unsigned)c);
        n += (size_t)made;
        at += used;
    }
    *count = n;
    return STATUS_OK;
}

static enum status append_utf8(struct buffer *out, const int32_t *chars, size_t n,
                               struct error *err) {
    enum status s = STATUS_OK;
    char piece[256];
    size_t filled = 0;
    for (size_t i = 0; s == STATUS_OK && i < n; i++) {
        filled += (size_t)utf8proc_encode_char(chars[i], (utf8proc_uint8_t *)piece + filled);
        if (filled > sizeof piece - 4 || i + 1 == n) {
            s = buffer_append(out, piece, filled, err);
            filled = 0;
        }
    }
    return s;
}

enum status nfc_append(struct buffer *out, const char *text, size_t size, struct error *err) {
    if (nfc_is_plain(text, size)) return buffer_append(out, text, size, err);
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += ((unsigned char)text[i] & 0xc0) != 0x80;
    if (count >= SIZE_MAX / (DECOMPOSED_MAX * sizeof(int32_t)))
        return fail(err, STATUS_NO_MEMORY, "no memory to normalize %zu bytes", size);
    int32_t *chars = malloc((count + 1) * DECOMPOSED_MAX * sizeof *chars);
    if (!chars) return fail(err, STATUS_NO_MEMORY, "no memory to normalize %zu bytes", size);

    enum status s = decompose(chars, &count, text, size, err);
    if (s == STATUS_OK) s = order_marks(chars, count, err);
    if (s == STATUS_OK) s = append_utf8(out, chars, compose(chars, count), err);
    free(chars);
    return s;
}
