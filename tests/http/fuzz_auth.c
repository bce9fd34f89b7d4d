/* Who may come in, by any bytes in headers and settings: no crash, and what holds for every text. */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HOSTS, HOST, ORIGINS, ORIGIN, SITE, TEXTS };

/* NULL for a text that is empty, as for a header that is not sent. */
static const char *or_null(const char *text) {
    return *text ? text : NULL;
}

static void check_host(const char *hosts, const char *host) {
    char other[256];
    if (!host_allowed(NULL, host)) abort();
    if (strlen(host) + 4 > sizeof other) return;
    for (size_t i = 0; i <= strlen(host); i++)
        other[i] =
            (char)(islower((unsigned char)host[i]) ? toupper((unsigned char)host[i]) : host[i]);
    if (host_allowed(hosts, host) != host_allowed(hosts, other)) abort();
    snprintf(other, sizeof other, "%s:80", host);
    if (*host && !strchr(host, ':') && host_allowed(hosts, host) != host_allowed(hosts, other))
        abort();
}

static void check_origin(const char *origins, const char *origin, const char *site,
                         const char *host) {
    char own[256];
    const char *allowed = cors_allows(origins, origin);
    if (allowed && strcmp(allowed, "*") != 0 && (allowed != origin || strpbrk(origin, ", \t")))
        abort();
    if (allowed && is_cross_site(origins, site, origin, host)) abort();
    if (is_cross_site(origins, NULL, NULL, host)) abort(); /* no browser */
    if (!host || strlen(host) + 10 > sizeof own) return;
    snprintf(own, sizeof own, "https://%s", host);
    if (is_cross_site(origins, NULL, own, host)) abort();
    snprintf(own, sizeof own, "https://%s.evil", host);
    if (!is_cross_site(NULL, NULL, own, host)) abort();
}

static void check_key(const char *key, const char *given) {
    char bearer[256];
    if (!auth_allows(NULL, or_null(given), or_null(given))) abort();
    if (!*key) return;
    if (!auth_allows(key, NULL, key) || auth_allows(key, NULL, NULL)) abort();
    if (auth_allows(key, NULL, given) != (strcmp(key, given) == 0)) abort();
    if (strlen(key) + 10 > sizeof bearer || *key == ' ') return;
    snprintf(bearer, sizeof bearer, "bearer %s", key);
    if (!auth_allows(key, bearer, NULL)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *bytes = calloc(1, size + TEXTS), *text[TEXTS], *p = bytes;
    memcpy(bytes, data, size);
    for (int i = 0; i < TEXTS; i++, p += strlen(p) + 1) text[i] = p;
    check_host(text[HOSTS], text[HOST]);
    check_origin(or_null(text[ORIGINS]), or_null(text[ORIGIN]), or_null(text[SITE]),
                 or_null(text[HOST]));
    check_key(text[ORIGIN], text[SITE]);
    free(bytes);
    return 0;
}
