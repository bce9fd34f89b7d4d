/*
 * A key is compared without telling by the time it takes how much of it was right.  CORS goes by the
 * list of origins word by word: an origin is on it as it stands or not at all.
 */
#include "http/auth.h"

#include <string.h>
#include <strings.h>

/* Looks at every byte of what was given, however early it differs. */
static bool equals(const char *key, const char *given) {
    size_t key_size = strlen(key), given_size = strlen(given);
    volatile unsigned char differs = key_size != given_size;
    for (size_t i = 0; i < given_size; i++)
        differs |= (unsigned char)(given[i] ^ key[key_size ? i % key_size : 0]);
    return !differs;
}

bool auth_allows(const char *key, const char *authorization, const char *x_api_key) {
    if (!key) return true;
    bool allowed = x_api_key && equals(key, x_api_key);
    if (authorization && strncasecmp(authorization, "Bearer ", 7) == 0) {
        const char *token = authorization + 7;
        allowed |= equals(key, token + strspn(token, " "));
    }
    return allowed;
}

/* Where the name in "NAME[:PORT]" or "[ADDRESS][:PORT]" begins, and how long it is; 0: it is none.
 * An address without brackets has no port. */
static const char *name_of(const char *host, size_t n, size_t *size) {
    bool bracket = n > 0 && *host == '[';
    const char *end = host + n, *colon = memchr(host, ':', n);
    bool bare = !bracket && colon && memchr(colon + 1, ':', (size_t)(end - colon - 1));
    if (bracket) host++;
    const char *stop = memchr(host, bracket ? ']' : ':', (size_t)(end - host));
    if (!stop || bare) stop = end;
    const char *port = stop + (bracket && stop < end);
    *size = (size_t)(stop - host);
    if (bracket && stop == end) *size = 0;
    if (port < end && (*port != ':' || strspn(port + 1, "0123456789") < (size_t)(end - port - 1)))
        *size = 0;
    if (*size && host[*size - 1] == '.') --*size;
    return host;
}

bool host_allowed(const char *hosts, const char *host) {
    if (!hosts) return true;
    if (!host) return false;
    size_t size, wanted;
    const char *name = name_of(host, strlen(host), &size);
    for (const char *p = hosts; *p;) {
        p += strspn(p, ", \t");
        size_t item = strcspn(p, ", \t");
        const char *allowed = name_of(p, item, &wanted);
        if (size > 0 && wanted == size && strncasecmp(name, allowed, size) == 0) return true;
        p += item;
    }
    return false;
}

bool is_cross_site(const char *origins, const char *site, const char *origin, const char *host) {
    if (cors_allows(origins, origin)) return false;
    if (site) return strcmp(site, "cross-site") == 0 || strcmp(site, "same-site") == 0;
    if (!origin) return false;
    const char *authority = strstr(origin, "://");
    return !authority || !host || strcasecmp(authority + 3, host) != 0;
}

const char *cors_allows(const char *origins, const char *origin) {
    if (!origins || !origin) return NULL;
    size_t n = strlen(origin);
    for (const char *p = origins; *p;) {
        p += strspn(p, ", \t");
        size_t item = strcspn(p, ", \t");
        if (item == 1 && *p == '*') return "*";
        if (item == n && n > 0 && memcmp(p, origin, n) == 0) return origin;
        p += item;
    }
    return NULL;
}
