/*
 * Each value is looked up by the first of its names that is set.
 */
#include "hub/environment.h"

#include <ctype.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buffer.h"

enum { TOKEN_BYTES = 4096 };

static const char *filled(const struct hub_variables *v, const char *name) {
    const char *value = v->get ? v->get(v->arg, name) : getenv(name);
    return value && *value ? value : NULL;
}

static bool is_yes(const char *value) {
    static const char *const words[] = {"1", "ON", "YES", "TRUE"};
    for (size_t i = 0; value && i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(value, words[i]) == 0) return true;
    return false;
}

/* Appends `$NAME` or `${NAME}` as its value; what is not set stays as it is written. */
static enum status expand_variable(const struct hub_variables *v, struct buffer *out,
                                   const char **text) {
    const char *from = *text + 1, *end;
    bool braces = *from == '{';
    if (braces) from++;
    for (end = from; isalnum((unsigned char)*end) || *end == '_';) end++;
    size_t n = (size_t)(end - from);
    char name[128];
    const char *value = NULL;
    if (n > 0 && n < sizeof name && (!braces || *end == '}')) {
        memcpy(name, from, n);
        name[n] = '\0';
        value = filled(v, name);
    }
    if (braces && *end == '}') end++;
    enum status s = value ? buffer_printf(out, "%s", value)
                          : buffer_append(out, *text, (size_t)(end - *text), NULL);
    *text = end;
    return s;
}

static enum status expand(const struct hub_variables *v, struct buffer *out, const char *text) {
    const char *home = filled(v, "HOME");
    enum status s = STATUS_OK;
    if (text[0] == '~' && (text[1] == '/' || text[1] == '\0') && home) {
        s = buffer_printf(out, "%s", home);
        text++;
    }
    while (s == STATUS_OK && *text)
        if (*text == '$')
            s = expand_variable(v, out, &text);
        else
            s = buffer_append(out, text++, 1, NULL);
    return s;
}

/* The folder that the first of the variables names, with what stands below it. */
static enum status find_folder(const struct hub_variables *v, char **out, const char **source,
                               const char *const places[][2], size_t count, struct error *err) {
    for (size_t i = 0; i < count; i++) {
        const char *value = filled(v, places[i][0]);
        struct buffer path = {0};
        if (!value) continue;
        enum status s = expand(v, &path, value);
        if (s == STATUS_OK) s = buffer_printf(&path, "%s", places[i][1]);
        *out = path.data;
        *source = places[i][0];
        return s == STATUS_OK ? s : fail(err, s, "no memory for the cache's path");
    }
    return STATUS_INVALID;
}

static enum status read_cache(const struct hub_variables *v, struct hub_environment *e,
                              struct hub_options *o, struct error *err) {
    static const char *const places[][2] = {{"HF_HUB_CACHE", ""},
                                            {"HUGGINGFACE_HUB_CACHE", ""},
                                            {"HF_HOME", "/hub"},
                                            {"XDG_CACHE_HOME", "/huggingface/hub"},
                                            {"HOME", "/.cache/huggingface/hub"}};
    enum status s = find_folder(v, &e->cache, &o->cache_source, places, 5, err);
    if (s == STATUS_INVALID) s = STATUS_OK; /* who needs a cache will say so */
    if (s == STATUS_OK && e->cache && !*e->cache)
        s = fail(err, STATUS_INVALID, "%s is no folder", o->cache_source);
    o->cache = e->cache;
    return s;
}

static enum status take_token(struct hub_environment *e, struct hub_options *o, const char *text,
                              const char *source, struct error *err) {
    text += strspn(text, " \t\r\n");
    size_t n = strcspn(text, " \t\r\n");
    for (size_t i = 0; i < n; i++)
        if (text[i] < 0x21 || text[i] > 0x7e)
            return fail(err, STATUS_INVALID, "the token in %s has characters that no token has",
                        source);
    if (n == 0) return STATUS_OK;
    e->token = strndup(text, n);
    o->token = e->token;
    o->token_source = source;
    return e->token ? STATUS_OK : fail(err, STATUS_NO_MEMORY, "no memory for a token");
}

static enum status read_token_file(const struct hub_variables *v, struct hub_environment *e,
                                   struct hub_options *o, struct error *err) {
    static const char *const places[][2] = {{"HF_TOKEN_PATH", ""},
                                            {"HF_HOME", "/token"},
                                            {"XDG_CACHE_HOME", "/huggingface/token"},
                                            {"HOME", "/.cache/huggingface/token"}};
    struct buffer text = {0};
    const char *source;
    if (find_folder(v, &e->token_file, &source, places, 4, NULL) != STATUS_OK) return STATUS_OK;
    enum status s = STATUS_OK;
    if (access(e->token_file, R_OK) == 0 &&
        buffer_read_file(&text, e->token_file, TOKEN_BYTES, NULL) == STATUS_OK && text.data)
        s = take_token(e, o, text.data, e->token_file, err);
    buffer_free(&text);
    return s;
}

static enum status read_token(const struct hub_variables *v, struct hub_environment *e,
                              struct hub_options *o, struct error *err) {
    static const char *const names[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
    if (is_yes(filled(v, "HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return STATUS_OK;
    for (size_t i = 0; i < 2; i++)
        if (filled(v, names[i])) return take_token(e, o, filled(v, names[i]), names[i], err);
    return read_token_file(v, e, o, err);
}

static enum status read_endpoint(const struct hub_variables *v, struct hub_environment *e,
                                 struct hub_options *o, struct error *err) {
    const char *value = filled(v, "HF_ENDPOINT");
    if (!value) return STATUS_OK;
    size_t n = strlen(value);
    while (n && value[n - 1] == '/') n--;
    if (strncasecmp(value, "http://", 7) != 0 && strncasecmp(value, "https://", 8) != 0)
        return fail(err, STATUS_INVALID, "HF_ENDPOINT is no URL of http or https: %.200s", value);
    o->endpoint = e->endpoint = strndup(value, n);
    return e->endpoint ? STATUS_OK : fail(err, STATUS_NO_MEMORY, "no memory for a URL");
}

enum status hub_environment_read(struct hub_environment *out, struct hub_options *options,
                                 const struct hub_variables *v, struct error *err) {
    *out = (struct hub_environment){0};
    *options = hub_options_default();
    const char *seconds = filled(v, "HF_HUB_DOWNLOAD_TIMEOUT");
    const char *offline = filled(v, "HF_HUB_OFFLINE") ? "HF_HUB_OFFLINE" : "TRANSFORMERS_OFFLINE";
    enum status s = read_cache(v, out, options, err);
    if (s == STATUS_OK) s = read_token(v, out, options, err);
    if (s == STATUS_OK) s = read_endpoint(v, out, options, err);
    if (s != STATUS_OK) return s;
    options->offline = is_yes(filled(v, offline));
    options->offline_why = offline;
    options->no_links = is_yes(filled(v, "HF_HUB_DISABLE_SYMLINKS"));
    http_route_read(&options->route);
    if (seconds) {
        char *end;
        options->seconds = strtod(seconds, &end);
        if (*end || !(options->seconds >= 1) || !(options->seconds <= 86400))
            return fail(err, STATUS_INVALID,
                        "HF_HUB_DOWNLOAD_TIMEOUT is \"%.60s\": seconds from 1 to 86400 are allowed",
                        seconds);
    }
    return STATUS_OK;
}

void hub_environment_free(struct hub_environment *e) {
    free(e->cache);
    free(e->token);
    free(e->endpoint);
    free(e->token_file);
    *e = (struct hub_environment){0};
}
