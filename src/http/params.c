/*
 * One pass over the list, which reads every parameter to find out whether the whole of it is well
 * formed; only the value that was asked for is kept.
 */
#include "http/params.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Reads a quoted value; `p` stands behind the opening quote.  Returns what stands behind the
 * closing one, or NULL. */
static const char *read_quoted(const char *p, char *out, size_t size) {
    size_t n = 0;
    for (; *p != '"'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) return NULL; /* the string's end included */
        if (*p == '\\' && (p[1] == '"' || p[1] == '\\')) p++;
        if (n + 1 >= size) return NULL;
        out[n++] = *p;
    }
    out[n] = '\0';
    return p + 1;
}

static const char *read_token(const char *p, char *out, size_t size) {
    /* Boundaries are often sent unquoted though they have characters that a token may not have. */
    size_t n = strcspn(p, "; \t\",\r\n");
    if (n == 0 || n >= size) return NULL;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f) return NULL;
    memcpy(out, p, n);
    out[n] = '\0';
    return p + n;
}

enum params_answer params_get(const char *list, const char *name, char *out, size_t size) {
    bool found = false;
    const char *p = list + strspn(list, " \t");
    while (*p) {
        if (*p++ != ';') return PARAMS_MALFORMED;
        p += strspn(p, " \t");
        if (!*p) break; /* a closing ';' is common */
        size_t n = strspn(p, PARAMS_TOKEN);
        if (n == 0 || p[n] != '=') return PARAMS_MALFORMED;
        bool wanted = strlen(name) == n && strncasecmp(p, name, n) == 0;
        if (wanted && found) return PARAMS_MALFORMED;
        p += n + 1;
        char other[PARAMS_MAX_VALUE * 4];
        char *into = wanted ? out : other;
        size_t capacity = wanted ? size : sizeof other;
        p = *p == '"' ? read_quoted(p + 1, into, capacity) : read_token(p, into, capacity);
        if (!p) return PARAMS_MALFORMED;
        found |= wanted;
        p += strspn(p, " \t");
    }
    return found ? PARAMS_FOUND : PARAMS_MISSING;
}
