#include "http/form.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool form_unsigned(const char *text, size_t size, uint64_t most, uint64_t *out) {
    uint64_t value = 0;
    if (size == 0) return false;
    for (size_t i = 0; i < size; i++) {
        if (!is_digit(text[i])) return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    if (value > most) return false;
    *out = value;
    return true;
}

static size_t skip_digits(const char *text, size_t size, size_t at) {
    while (at < size && is_digit(text[at])) at++;
    return at;
}

static bool is_number(const char *text, size_t size) {
    size_t at = size && text[0] == '-' ? 1 : 0;
    size_t whole = skip_digits(text, size, at), digits = whole - at;
    at = whole;
    if (at < size && text[at] == '.') {
        size_t fraction = skip_digits(text, size, at + 1);
        digits += fraction - (at + 1);
        at = fraction;
    }
    if (digits == 0) return false;
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < size && (text[at] == '+' || text[at] == '-')) at++;
        size_t exponent = skip_digits(text, size, at);
        if (exponent == at) return false;
        at = exponent;
    }
    return at == size;
}

bool form_number(const char *text, size_t size, double *out) {
    char copy[65];
    if (size >= sizeof copy || !is_number(text, size)) return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    /* The grammar is checked above; strtod rounds correctly, but reads the decimal sign of a
     * locale: give it "C". */
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0) return false;
    double value = strtod_l(copy, NULL, c);
    freelocale(c);
    if (!isfinite(value)) return false;
    *out = value;
    return true;
}

bool form_is_text(const char *text, size_t size) {
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate(p + at, (utf8proc_ssize_t)(size - at), &c);
        if (n < 1 || c == 0) return false;
        at += (size_t)n;
    }
    return true;
}

bool form_is_blank(const char *text, size_t size) {
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate(p + at, (utf8proc_ssize_t)(size - at), &c);
        if (n < 1) return false;
        switch (utf8proc_category(c)) {
        case UTF8PROC_CATEGORY_ZS:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP:
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CF: break;
        default: return false;
        }
        at += (size_t)n;
    }
    return true;
}
