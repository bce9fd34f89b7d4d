/*
 * The text is parsed once: what would change the sum is refused, ranks and alphas are checked, and the
 * two tables of patterns are kept as JSON, whose order is the file's.  A module's factor is looked up
 * when its matrices are known.
 */
#include "model/lora_config.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/json.h"

#define PREFIX "transformer."

struct lora_config {
    json_t *patterns_of_rank, *patterns_of_alpha; /* NULL where there are none */
    int64_t rank;
    double alpha;
    bool root; /* alpha / sqrt(rank) */
    char where[160];
};

/* The entries that concern the transformer, without their prefix. */
static json_t *transformer_entries(json_t *root) {
    json_t *entries = json_object();
    const char *key;
    json_t *value;
    bool prefixed = false;
    json_object_foreach(root, key, value) prefixed |= strncmp(key, PREFIX, strlen(PREFIX)) == 0;
    json_object_foreach(root, key, value) {
        if (prefixed && strncmp(key, PREFIX, strlen(PREFIX)) != 0) continue;
        if (json_object_set(entries, key + (prefixed ? strlen(PREFIX) : 0), value) == 0) continue;
        json_decref(entries);
        return NULL;
    }
    return entries;
}

static bool is_off(const json_t *v) {
    return !v || json_is_null(v) || json_is_false(v) ||
           (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static enum status refuse_variants(const json_t *entries, const char *where, struct error *err) {
    static const char *const VARIANTS[] = {
        "use_dora",        "lora_bias",         "use_qalora",        "use_bdlora",
        "arrow_config",    "kasa_config",       "monteclora_config", "velora_config",
        "modules_to_save", "layer_replication", "target_parameters", "alora_invocation_tokens",
    };
    for (size_t i = 0; i < sizeof VARIANTS / sizeof VARIANTS[0]; i++)
        if (!is_off(json_object_get(entries, VARIANTS[i])))
            return fail(err, STATUS_INVALID, "%s: \"%s\" is set, which is not supported", where,
                        VARIANTS[i]);
    const char *type = json_string_value(json_object_get(entries, "peft_type"));
    if (type && strcasecmp(type, "LORA") != 0)
        return fail(err, STATUS_INVALID, "%s: \"peft_type\" is %.40s; only LORA is supported",
                    where, type);
    static const char *const HARMLESS[] = {"gaussian", "orthogonal", "eva"};
    const json_t *start = json_object_get(entries, "init_lora_weights");
    bool known = !start || json_is_null(start) || json_is_boolean(start);
    for (size_t i = 0; i < sizeof HARMLESS / sizeof HARMLESS[0]; i++)
        known |= json_is_string(start) && strcmp(json_string_value(start), HARMLESS[i]) == 0;
    if (!known)
        return fail(err, STATUS_INVALID,
                    "%s: \"init_lora_weights\" is set to what changes the model's own weights, "
                    "which is not supported",
                    where);
    return STATUS_OK;
}

static enum status check_rank(const json_t *v, const char *name, const char *where,
                              struct error *err) {
    if (json_is_integer(v) && json_integer_value(v) >= 1) return STATUS_OK;
    return fail(err, STATUS_INVALID, "%s: the rank \"%.160s\" must be a whole number from 1", where,
                name);
}

static enum status check_alpha(const json_t *v, const char *name, const char *where,
                               struct error *err) {
    if (json_is_number(v) && isfinite(json_number_value(v))) return STATUS_OK;
    return fail(err, STATUS_INVALID, "%s: the alpha \"%.160s\" must be a number", where, name);
}

typedef enum status check_value(const json_t *v, const char *name, const char *where,
                                struct error *err);

/* Keeps what is under `key` in *out, when it is an object of names and good values. */
static enum status read_patterns(json_t **out, const json_t *entries, const char *key,
                                 check_value *check, const char *where, struct error *err) {
    json_t *patterns = json_object_get(entries, key), *value;
    if (is_off(patterns)) return STATUS_OK;
    if (!json_is_object(patterns))
        return fail(err, STATUS_INVALID, "%s: \"%s\" must be an object", where, key);
    const char *name;
    json_object_foreach(patterns, name, value) {
        const char *rest = name + (*name == '^');
        if (!*rest || rest[strspn(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789_-.")])
            return fail(err, STATUS_INVALID,
                        "%s: \"%s\": the pattern \"%.160s\" is no plain name of a module; other "
                        "regular expressions are not supported",
                        where, key, name);
        enum status s = check(value, name, where, err);
        if (s != STATUS_OK) return s;
    }
    *out = json_incref(patterns);
    return STATUS_OK;
}

static enum status read_entries(struct lora_config *c, const json_t *entries, struct error *err) {
    enum status s = refuse_variants(entries, c->where, err);
    const json_t *rank = json_object_get(entries, "r");
    const json_t *alpha = json_object_get(entries, "lora_alpha");
    if (s == STATUS_OK && rank) s = check_rank(rank, "r", c->where, err);
    if (s == STATUS_OK && alpha) s = check_alpha(alpha, "lora_alpha", c->where, err);
    if (s == STATUS_OK) s = json_get_bool(entries, "use_rslora", &c->root, c->where, err);
    if (s == STATUS_OK)
        s = read_patterns(&c->patterns_of_rank, entries, "rank_pattern", check_rank, c->where, err);
    if (s == STATUS_OK)
        s = read_patterns(&c->patterns_of_alpha, entries, "alpha_pattern", check_alpha, c->where,
                          err);
    c->rank = rank ? json_integer_value(rank) : 8;
    c->alpha = alpha ? json_number_value(alpha) : 8;
    return s;
}

static enum status parse(struct lora_config *c, const char *text, struct error *err) {
    json_error_t at;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &at);
    if (!root && !*at.text) /* how jansson says that it ran out of memory */
        return fail(err, STATUS_NO_MEMORY, "%s: no memory to read it", c->where);
    if (!root) return fail(err, STATUS_INVALID, "%s is not valid JSON: %s", c->where, at.text);
    enum status s = STATUS_OK;
    json_t *entries = NULL;
    if (!json_is_object(root))
        s = fail(err, STATUS_INVALID, "%s is not a JSON object", c->where);
    else if (!(entries = transformer_entries(root)))
        s = fail(err, STATUS_NO_MEMORY, "%s: no memory to read it", c->where);
    else
        s = read_entries(c, entries, err);
    json_decref(entries);
    json_decref(root);
    return s;
}

enum status lora_config_parse(struct lora_config **out, const char *text, const char *where,
                              struct error *err) {
    *out = NULL;
    if (!*text || strcmp(text, "null") == 0) return STATUS_OK;
    struct lora_config *c = calloc(1, sizeof *c);
    if (!c) return fail(err, STATUS_NO_MEMORY, "no memory to open a LoRA: %s", where);
    snprintf(c->where, sizeof c->where, "%s", where);
    enum status s =
        strnlen(text, LORA_CONFIG_MAX + 1) > LORA_CONFIG_MAX
            ? fail(err, STATUS_INVALID, "%s is longer than %d bytes", c->where, LORA_CONFIG_MAX)
            : parse(c, text, err);
    if (s == STATUS_OK)
        *out = c;
    else
        lora_config_close(c);
    return s;
}

static const char suffix[] = ".safetensors";

/* Whether `name` is the only adapter of its folder; true where the folder cannot be listed. */
static bool is_alone(const char *folder, const char *name) {
    DIR *dir = opendir(folder);
    bool alone = true;
    for (struct dirent *e; dir && alone && (e = readdir(dir));) {
        size_t n = strlen(e->d_name), tail = strlen(suffix);
        alone =
            n <= tail || strcmp(e->d_name + n - tail, suffix) != 0 || strcmp(e->d_name, name) == 0;
    }
    if (dir) closedir(dir);
    return alone;
}

/* A zero byte would end the text before its end. */
static enum status parse_file(struct lora_config **out, const char *path, const char *where,
                              struct error *err) {
    struct buffer text = {0};
    enum status s = buffer_read_file(&text, path, LORA_CONFIG_MAX, err);
    if (s == STATUS_OK && (text.size == 0 || strlen(text.data) != text.size))
        s = fail(err, STATUS_INVALID, "%s is not valid JSON: it is empty or has a zero byte",
                 where);
    if (s == STATUS_OK) s = lora_config_parse(out, text.data, where, err);
    buffer_free(&text);
    return s;
}

enum status lora_config_beside(struct lora_config **out, bool *passed_over, const char *path,
                               struct error *err) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char where[160];
    struct buffer folder = {0}, file = {0};
    *out = NULL;
    *passed_over = false;
    snprintf(where, sizeof where, "%.100s: the adapter_config.json beside it", name);
    enum status s =
        buffer_printf(&folder, "%.*s", slash ? (int)(slash - path) + 1 : 2, slash ? path : "./");
    if (s == STATUS_OK) s = buffer_printf(&file, "%sadapter_config.json", folder.data);
    if (s != STATUS_OK)
        s = fail(err, s, "no memory to open a LoRA: %s", where);
    else if (access(file.data, F_OK) == 0) {
        *passed_over =
            strcmp(name, "adapter_model.safetensors") != 0 && !is_alone(folder.data, name);
        if (!*passed_over) s = parse_file(out, file.data, where, err);
    }
    buffer_free(&folder);
    buffer_free(&file);
    return s;
}

void lora_config_close(struct lora_config *c) {
    if (!c) return;
    json_decref(c->patterns_of_rank);
    json_decref(c->patterns_of_alpha);
    free(c);
}

/* As in a regular expression, a '.' of the pattern stands for any character. */
static bool matches(const char *pattern, const char *module, size_t length) {
    bool whole = *pattern == '^';
    pattern += whole;
    size_t n = strlen(pattern);
    if (n > length || (n < length && (whole || module[length - n - 1] != '.'))) return false;
    for (size_t i = 0; i < n; i++)
        if (pattern[i] != '.' && pattern[i] != module[length - n + i]) return false;
    return true;
}

/* The value of the first pattern that matches, or NULL. */
static const json_t *find(json_t *patterns, const char *module, size_t length) {
    const char *pattern;
    json_t *value;
    json_object_foreach(patterns, pattern, value) {
        if (matches(pattern, module, length)) return value;
    }
    return NULL;
}

enum status lora_config_strength(const struct lora_config *c, struct lora_strength *out,
                                 const struct lora_module *m, struct error *err) {
    int shown = m->length < 160 ? (int)m->length : 160;
    if (m->flat && (c->patterns_of_rank || c->patterns_of_alpha))
        return fail(err, STATUS_INVALID,
                    "%s has patterns, which cannot be matched with \"%.*s\", a name without dots",
                    c->where, shown, m->name);
    const json_t *own_rank = find(c->patterns_of_rank, m->name, m->length);
    const json_t *own_alpha = find(c->patterns_of_alpha, m->name, m->length);
    int64_t rank = own_rank ? json_integer_value(own_rank) : c->rank;
    if (rank != m->rank)
        return fail(err, STATUS_INVALID,
                    "%s gives \"%.*s\" the rank %lld, but its matrices have %lld", c->where, shown,
                    m->name, (long long)rank, (long long)m->rank);
    double alpha = own_alpha ? json_number_value(own_alpha) : c->alpha;
    *out = (struct lora_strength){alpha / (c->root ? sqrt((double)rank) : (double)rank), alpha,
                                  c->where};
    return STATUS_OK;
}
