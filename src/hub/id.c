/*
 * The rules are the hub's for names and git's for revisions, narrowed where a character could mean
 * something to a path or a URL.
 */
#include "hub/id.h"

#include <stdio.h>
#include <string.h>

static bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Letters, digits, '-', '_' and '.', at most 96, no '-' or '.' at either end, no "--", no "..". */
static bool copy_name(char out[97], const char *from, size_t n) {
    if (n == 0 || n > 96) return false;
    for (size_t i = 0; i < n; i++) {
        bool inner = from[i] == '-' || from[i] == '.';
        if (!is_letter_or_digit(from[i]) && from[i] != '_' && !inner) return false;
        if (inner && (i == 0 || i == n - 1 || from[i - 1] == from[i])) return false;
    }
    memcpy(out, from, n);
    out[n] = '\0';
    return true;
}

bool hub_path_is_safe(const char *path, size_t size) {
    if (size == 0 || size > 1000) return false;
    size_t start = 0;
    for (size_t i = 0; i <= size; i++) {
        unsigned char c = i < size ? (unsigned char)path[i] : '/';
        if (c < 0x20 || c == 0x7f || c == '\\') return false;
        if (c != '/') continue;
        size_t n = i - start;
        if (n == 0 || n > 255 || (n == 1 && path[start] == '.') ||
            (n == 2 && path[start] == '.' && path[start + 1] == '.'))
            return false;
        start = i + 1;
    }
    return true;
}

/* What git allows in a ref, of visible ASCII; parts between slashes do not begin with a dot. */
static bool copy_revision(char out[256], const char *from) {
    size_t n = strlen(from);
    if (n > 255 || !hub_path_is_safe(from, n) || strstr(from, "..") || strstr(from, "/."))
        return false;
    if (from[0] == '.' || from[0] == '-') return false;
    for (size_t i = 0; i < n; i++)
        if (from[i] <= 0x20 || from[i] >= 0x7f || strchr("~^:?*[\\\"'<>|", from[i])) return false;
    memcpy(out, from, n + 1);
    return true;
}

bool hub_id_parse(struct hub_id *out, const char *text) {
    const char *slash = strchr(text, '/'), *at = strchr(text, '@');
    *out = (struct hub_id){.revision = "main", .revision_said = at != NULL};
    if (!slash || (at && at < slash)) return false;
    const char *end = at ? at : text + strlen(text);
    return copy_name(out->org, text, (size_t)(slash - text)) &&
           copy_name(out->name, slash + 1, (size_t)(end - slash - 1)) &&
           (!at || copy_revision(out->revision, at + 1));
}

/* The part of an address behind its host: ORG/NAME, perhaps with /tree/REV and more; or NULL. */
static const char *behind_host(const char *text) {
    static const char *const hosts[] = {"huggingface.co/", "www.huggingface.co/", "hf.co/"};
    const char *scheme = strstr(text, "://");
    if (scheme) {
        const char *slash = strchr(scheme + 3, '/');
        return slash ? slash + 1 : NULL;
    }
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
        if (strncmp(text, hosts[i], strlen(hosts[i])) == 0) return text + strlen(hosts[i]);
    return NULL;
}

static bool is_view(const char *word) {
    static const char *const views[] = {"tree", "blob", "resolve", "commit"};
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++)
        if (strcmp(word, views[i]) == 0) return true;
    return false;
}

void hub_id_hint(struct hub_hint *out, const char *text, bool of_file) {
    char org[97], name[97], view[16] = "", rev[97] = "", file[300] = "", id[700];
    struct hub_id model;
    struct hub_file_id stored;
    out->text[0] = '\0';
    size_t n = strlen(text);
    if (n > 2 && (*text == '"' || *text == '\'') && text[n - 1] == *text)
        snprintf(out->text, sizeof out->text, "; leave the quotation marks away: %.*s",
                 n < 400 ? (int)(n - 2) : 400, text + 1);
    const char *path = behind_host(text);
    if (!path || sscanf(path, "%96[^/?#]/%96[^/?#]/%15[^/?#]/%96[^/?#]/%299[^?#]", org, name, view,
                        rev, file) < 2)
        return;
    of_file = of_file && *file;
    bool says_revision = is_view(view) && *rev && strcmp(rev, "main") != 0;
    snprintf(id, sizeof id, "%s/%s%s%s%s%s", org, name, of_file ? "/" : "", of_file ? file : "",
             says_revision ? "@" : "", says_revision ? rev : "");
    if (of_file ? hub_file_id_parse(&stored, id) : hub_id_parse(&model, id))
        snprintf(out->text, sizeof out->text, "; its id is %s", id);
}

bool hub_file_id_parse(struct hub_file_id *out, const char *text) {
    char id[600];
    const char *first = strchr(text, '/'), *second = first ? strchr(first + 1, '/') : NULL;
    if (!second) return false;
    const char *at = strchr(second, '@'), *end = at ? at : text + strlen(text);
    size_t n = (size_t)(end - second - 1);
    if (n >= sizeof out->file || !hub_path_is_safe(second + 1, n)) return false;
    int length = snprintf(id, sizeof id, "%.*s%s", (int)(second - text), text, at ? at : "");
    memcpy(out->file, second + 1, n);
    out->file[n] = '\0';
    return length < (int)sizeof id && hub_id_parse(&out->id, id);
}

bool hub_is_commit(const char *text) {
    return strspn(text, "0123456789abcdef") == 40 && text[40] == '\0';
}
