/*
 * The needed files are walked once, by a list of alternatives; choosing and missing are two things
 * to do on the way.
 */
#include "hub/select.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/id.h"

enum { SMALL_BYTES = 16 << 20, PATH_SIZE = 320 };

/* Each line: the alternatives, the first that is there counts; a '+' adds a second file to one. */
static const char *const needed[][3] = {
    {"model_index.json"},
    {"scheduler/scheduler_config.json"},
    {"processor/processor_config.json", "processor/preprocessor_config.json"},
    {"tokenizer/tokenizer.json", "tokenizer/vocab.json+tokenizer/merges.txt"},
    {"transformer/config.json"},
    {"text_encoder/config.json"},
    {"vae/config.json"},
};
static const struct {
    const char *folder, *stem;
} weights[] = {{"transformer", "diffusion_pytorch_model"},
               {"text_encoder", "model"},
               {"vae", "diffusion_pytorch_model"}};
enum {
    NEEDED = sizeof needed / sizeof needed[0],
    WEIGHTS = sizeof weights / sizeof weights[0],
};

struct walk {
    const struct hub_look *look;
    enum status (*each)(void *arg, const char *path, struct error *err);
    void *arg;
};

/* Calls `each` for one file, or for both of "A+B". */
static enum status tell(const struct walk *w, const char *paths, struct error *err) {
    char path[PATH_SIZE];
    const char *plus = strchr(paths, '+');
    if (!plus) return w->each(w->arg, paths, err);
    memcpy(path, paths, (size_t)(plus - paths));
    path[plus - paths] = '\0';
    enum status s = w->each(w->arg, path, err);
    return s == STATUS_OK ? w->each(w->arg, plus + 1, err) : s;
}

static bool has(const struct walk *w, const char *paths) {
    char path[PATH_SIZE];
    size_t n = strcspn(paths, "+");
    memcpy(path, paths, n);
    path[n] = '\0';
    return w->look->has(w->look->arg, path);
}

static bool ends_with(const char *text, const char *tail) {
    size_t n = strlen(text), m = strlen(tail);
    return n >= m && strcmp(text + n - m, tail) == 0;
}

/* A name in an index: a file beside it. */
static bool is_shard(const char *name) {
    return name && hub_path_is_safe(name, strlen(name)) && !strchr(name, '/') &&
           strlen(name) < 200 && ends_with(name, ".safetensors");
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Calls `each` for the files that the index names, each once. */
static enum status tell_shards(const struct walk *w, const char *folder, const json_t *map,
                               const char *index, struct error *err) {
    size_t count = json_object_size(map), n = 0;
    const char **names = calloc(count + 1, sizeof *names), *key;
    json_t *value;
    if (!names) return fail(err, STATUS_NO_MEMORY, "no memory for %s", index);
    enum status s = STATUS_OK;
    json_object_foreach((json_t *)map, key, value) {
        names[n++] = json_string_value(value);
        if (!is_shard(names[n - 1]))
            s = fail(err, STATUS_INVALID, "%s names what is no file beside it", index);
    }
    if (s == STATUS_OK && n) qsort(names, n, sizeof *names, by_text);
    for (size_t i = 0; s == STATUS_OK && i < n; i++) {
        char path[PATH_SIZE];
        if (i && strcmp(names[i], names[i - 1]) == 0) continue;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        s = w->each(w->arg, path, err);
    }
    free(names);
    return s;
}

static enum status walk_weights(const struct walk *w, size_t i, struct error *err) {
    char single[PATH_SIZE], index[PATH_SIZE];
    struct buffer text = {0};
    snprintf(single, sizeof single, "%s/%s.safetensors", weights[i].folder, weights[i].stem);
    snprintf(index, sizeof index, "%s/%s.safetensors.index.json", weights[i].folder,
             weights[i].stem);
    if (!has(w, index) || (w->look->to_load && has(w, single))) return w->each(w->arg, single, err);
    enum status s = w->each(w->arg, index, err);
    if (s == STATUS_OK) s = w->look->read(w->look->arg, index, &text, err);
    if (s != STATUS_OK) return s;
    json_t *root = json_loadb(text.data ? text.data : "", text.size, 0, NULL);
    const json_t *map = json_object_get(root, "weight_map");
    if (json_is_object(map))
        s = tell_shards(w, weights[i].folder, map, index, err);
    else
        s = fail(err, STATUS_INVALID, "%s is no index of weights", index);
    json_decref(root);
    buffer_free(&text);
    return s;
}

enum status hub_needs(const struct hub_look *look,
                      enum status (*each)(void *arg, const char *path, struct error *err),
                      void *arg, struct error *err) {
    struct walk w = {look, each, arg};
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < NEEDED; i++) {
        size_t taken = 0;
        for (size_t k = 0; k < 3 && needed[i][k]; k++)
            if (has(&w, needed[i][k])) {
                taken = k;
                break;
            }
        s = tell(&w, needed[i][taken], err);
    }
    for (size_t i = 0; s == STATUS_OK && i < WEIGHTS; i++) s = walk_weights(&w, i, err);
    return s;
}

bool hub_is_weights(const char *path) {
    return ends_with(path, ".safetensors");
}

/* Whether it is a small file of one of the folders, of a kind that programs read. */
static bool is_companion(const struct hub_file *file) {
    static const char *const folders[] = {"transformer/", "text_encoder/", "vae/",
                                          "tokenizer/",   "processor/",    "scheduler/"};
    static const char *const kinds[] = {".json", ".txt", ".jinja", ".model"};
    if (strcmp(file->path, "edit_config.json") == 0) return true;
    if (file->size >= SMALL_BYTES) return false;
    bool inside = false, kind = false;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        inside |= strncmp(file->path, folders[i], strlen(folders[i])) == 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        kind |= ends_with(file->path, kinds[i]);
    return inside && kind && !strstr(file->path, ".index.fp16.") && !strstr(file->path, ".fp16.");
}

struct choice {
    const struct hub_tree *tree;
    bool *chosen;
};

static enum status choose(void *arg, const char *path, struct error *err) {
    struct choice *c = arg;
    const struct hub_file *file = hub_tree_find(c->tree, path);
    if (!file)
        return fail(err, STATUS_INVALID,
                    "it has no %s: that is no model in diffusers layout (--all takes any "
                    "repository as it is)",
                    path);
    c->chosen[file - c->tree->files] = true;
    return STATUS_OK;
}

enum status hub_select(const struct hub_tree *tree, const struct hub_look *look, bool *chosen,
                       struct error *err) {
    struct choice c = {tree, chosen};
    for (size_t i = 0; i < tree->count; i++) chosen[i] = is_companion(&tree->files[i]);
    return hub_needs(look, choose, &c, err);
}

struct absence {
    const struct hub_look *look;
    struct buffer *out;
};

static enum status note_missing(void *arg, const char *path, struct error *err) {
    struct absence *a = arg;
    if (a->look->has(a->look->arg, path)) return STATUS_OK;
    enum status s = buffer_printf(a->out, "%s%s", a->out->size ? ", " : "", path);
    return s == STATUS_OK ? s : fail(err, s, "no memory for what is missing");
}

enum status hub_missing(const struct hub_look *look, struct buffer *out, struct error *err) {
    struct absence a = {look, out};
    return hub_needs(look, note_missing, &a, err);
}
