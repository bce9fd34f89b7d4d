/*
 * Three bytes are four digits.  The text goes into the buffer by pieces, so that the buffer grows
 * as it does for everybody else.
 */
#include "base/base64.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put(char out[4], uint32_t bits) {
    for (int i = 0; i < 4; i++) out[i] = digits[bits >> (18 - 6 * i) & 63];
}

/* Up to three bytes, the last of a text. */
static void put_last(char out[4], const uint8_t *bytes, size_t n) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; i++) bits = bits << 8 | (i < n ? bytes[i] : 0);
    put(out, bits);
    for (size_t i = n; i < 3; i++) out[i + 1] = '=';
}

/* By pieces, so that the buffer grows as it does for everybody else. */
enum status base64_append(struct buffer *out, const void *bytes, size_t n, struct error *err) {
    enum { PIECE = 3 * 4096 };
    char text[PIECE / 3 * 4];
    const uint8_t *from = bytes;
    size_t before = out->size;
    for (size_t left = n; left > 0;) {
        size_t piece = left < PIECE ? left : PIECE, at = 0, i = 0;
        for (; i + 3 <= piece; i += 3, at += 4)
            put(text + at, (uint32_t)from[i] << 16 | (uint32_t)from[i + 1] << 8 | from[i + 2]);
        if (i < piece) {
            put_last(text + at, from + i, piece - i);
            at += 4;
        }
        enum status s = buffer_append(out, text, at, err);
        if (s != STATUS_OK) {
            if (out->data) out->data[before] = '\0';
            out->size = before;
            return s;
        }
        from += piece;
        left -= piece;
    }
    return STATUS_OK;
}

/* Of a digit; -1: it is none. */
static int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(char *text, size_t size, size_t *out) {
    uint32_t bits = 0;
    size_t count = 0, padding = 0, n = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        int value = value_of(c);
        if (c == ' ' || (c >= '\t' && c <= '\r')) continue;
        if (c == '=') padding++;
        if (c == '=' && padding <= 2) continue;
        if (value < 0 || padding > 0) return false;
        bits = bits << 6 | (uint32_t)value;
        if (count++ % 4 == 0) continue; /* two digits before the first byte: the text stays ahead */
        text[n++] = (char)(bits >> (6 - 2 * ((count - 1) % 4)) & 255);
    }
    *out = n;
    return count % 4 != 1 && (padding == 0 || (count + padding) % 4 == 0);
}
