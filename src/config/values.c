/*
 * A value is what the C library reads, where it reads to the end of the text and what it reads
 * begins as a number does: the rest is what it would read beside that (blanks, hexadecimal, "inf").
 */
#include "config/values.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool value_int(const char *text, int64_t min, int64_t max, int64_t *out) {
    if (!is_digit(text[text[0] == '-'])) return false;
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || *end || n < min || n > max) return false;
    *out = n;
    return true;
}

bool value_uint64(const char *text, uint64_t *out) {
    if (!is_digit(text[0])) return false;
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno || *end) return false;
    *out = n;
    return true;
}

bool value_bytes(const char *text, uint64_t *out) {
    if (!is_digit(text[0])) return false;
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (shift) end++;
    if (errno || *end || n == 0 || n > UINT64_MAX >> shift) return false;
    *out = (uint64_t)n << shift;
    return true;
}

bool value_real(const char *text, double min, double max, double *out) {
    /* strtod also reads hexadecimal, "inf" and "nan": only let through what a decimal number is
     * made of. */
    if (!*text || text[strspn(text, "0123456789.eE+-")] || *text == '+') return false;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0) return false;
    char *end;
    double x = strtod_l(text, &end, c);
    freelocale(c);
    if (*end || end == text || !isfinite(x) || x < min || x > max) return false;
    *out = x;
    return true;
}

bool value_size(const char *text, int min, int max, int *width, int *height) {
    char word[64];
    int64_t w, h;
    size_t at = strcspn(text, "x");
    if (!text[at] || at >= sizeof word) return false;
    memcpy(word, text, at);
    word[at] = '\0';
    if (!value_int(word, min, max, &w) || !value_int(text + at + 1, min, max, &h)) return false;
    *width = (int)w;
    *height = (int)h;
    return true;
}

char *value_path(const char *text, size_t n) {
    const char *home = getenv("HOME");
    bool below_home = n > 0 && *text == '~' && (n == 1 || text[1] == '/') && home && *home;
    if (!below_home) return strndup(text, n);
    size_t size = strlen(home) + n;
    char *out = malloc(size);
    if (out) snprintf(out, size, "%s%.*s", home, (int)(n - 1), text + 1);
    return out;
}

bool value_is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

enum status value_lora(const char *text, struct firered_lora *out, struct error *err) {
    const char *colon = strrchr(text, ':');
    double scale = 1.0;
    struct shown_value shown;
    value_show(&shown, text);
    char *path = value_path(text, strlen(text));
    if (path && !value_is_file(path) && colon &&
        value_real(colon + 1, -INFINITY, INFINITY, &scale)) {
        free(path);
        path = value_path(text, (size_t)(colon - text));
    }
    if (!path) return fail(err, STATUS_NO_MEMORY, "no memory for the name of an adapter");
    *out = (struct firered_lora){.path = path, .scale = scale};
    if (*path && scale >= -100 && scale <= 100) return STATUS_OK;
    enum status s = *path ? fail(err, STATUS_INVALID,
                                 "the scale of adapter '%s' must be from -100 to 100", shown.text)
                          : fail(err, STATUS_INVALID,
                                 "'%s' names no adapter file: it must be FILE[:SCALE]", shown.text);
    free(path);
    *out = (struct firered_lora){0};
    return s;
}

void loras_free(struct firered_lora *loras, size_t count) {
    for (size_t i = 0; i < count; i++) free((char *)loras[i].path);
    free(loras);
}

bool value_url(const char *text) {
    size_t scheme = strncmp(text, "https://", 8) == 0  ? 8
                    : strncmp(text, "http://", 7) == 0 ? 7
                                                       : 0;
    if (!scheme || !text[scheme] || text[scheme] == '/') return false;
    for (const char *c = text; *c; c++)
        if (*c <= 0x20 || *c >= 0x7f) return false;
    return true;
}

const struct choice *choice_find(const struct choice *list, const char *name) {
    for (; list->name; list++)
        if (strcmp(list->name, name) == 0) return list;
    return NULL;
}

const struct choice *choice_find_word(const struct choice *list, const char *name) {
    for (; list->name; list++)
        if (strcasecmp(list->name, name) == 0) return list;
    return NULL;
}

void choice_names(const struct choice *list, char *out, size_t size) {
    size_t n = 0;
    out[0] = '\0';
    for (const struct choice *c = list; c->name && n < size; c++)
        n += (size_t)snprintf(out + n, size - n, "%s%s",
                              !n          ? ""
                              : c[1].name ? ", "
                                          : " or ",
                              c->name);
}

void value_show(struct shown_value *out, const char *value) {
    size_t n = 0, capacity = sizeof out->text - 4;
    for (; value[n] && n < capacity; n++) {
        unsigned char c = (unsigned char)value[n];
        out->text[n] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    if (value[n]) {
        while (n > 0 && ((unsigned char)value[n] & 0xc0) == 0x80)
            n--; /* not inside a UTF-8 sequence */
        memcpy(out->text + n, "...", 3);
        n += 3;
    }
    out->text[n] = '\0';
}
