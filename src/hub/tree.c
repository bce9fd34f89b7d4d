/*
 * jansson reads; what it gives is taken over field by field, and nothing is believed that has not
 * the right form.
 */
#include "hub/tree.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "hub/id.h"

enum { MAX_FILES = 100000 };

static json_t *parse(const char *json, size_t size, struct error *err) {
    json_error_t why;
    json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!root) fail(err, STATUS_INVALID, "what the hub answers is no JSON");
    return root;
}

enum status hub_revision_read(char commit[HUB_COMMIT_SIZE], const char *json, size_t size,
                              struct error *err) {
    json_t *root = parse(json, size, err);
    if (!root) return STATUS_INVALID;
    const char *sha = json_string_value(json_object_get(root, "sha"));
    bool good = sha && hub_is_commit(sha);
    if (good) memcpy(commit, sha, HUB_COMMIT_SIZE);
    json_decref(root);
    return good ? STATUS_OK : fail(err, STATUS_INVALID, "what the hub answers has no commit in it");
}

static bool is_hash(const char *text, size_t digits) {
    return text && strspn(text, "0123456789abcdef") == digits && text[digits] == '\0';
}

/* Takes over one entry; false: it cannot be used. */
static bool read_entry(struct hub_file *out, const json_t *entry) {
    const json_t *path = json_object_get(entry, "path"), *lfs = json_object_get(entry, "lfs");
    const json_t *size = json_object_get(json_is_object(lfs) ? lfs : entry, "size");
    const json_t *oid = json_object_get(json_is_object(lfs) ? lfs : entry, "oid");
    const char *hash = json_string_value(oid);
    out->lfs = json_is_object(lfs);
    if (!json_is_string(path) ||
        !hub_path_is_safe(json_string_value(path), json_string_length(path)) ||
        !json_is_integer(size) || json_integer_value(size) < 0 ||
        !is_hash(hash, out->lfs ? 64 : 40))
        return false;
    out->size = (uint64_t)json_integer_value(size);
    memcpy(out->hash, hash, strlen(hash) + 1);
    out->path = strdup(json_string_value(path));
    return true;
}

static enum status add(struct hub_tree *tree, const json_t *entry, struct error *err) {
    const char *type = json_string_value(json_object_get(entry, "type"));
    struct hub_file file = {0};
    if (type && strcmp(type, "directory") == 0) return STATUS_OK;
    if (!type || strcmp(type, "file") != 0 || !read_entry(&file, entry)) {
        tree->ignored++;
        return STATUS_OK;
    }
    if (tree->count >= MAX_FILES) {
        free(file.path);
        return fail(err, STATUS_INVALID, "the hub lists more than %d files", MAX_FILES);
    }
    if (file.path && tree->count == tree->capacity) {
        size_t capacity = tree->capacity ? tree->capacity * 2 : 64;
        struct hub_file *files = realloc(tree->files, capacity * sizeof *files);
        if (files) {
            tree->files = files;
            tree->capacity = capacity;
        }
    }
    if (!file.path || tree->count == tree->capacity) {
        free(file.path);
        return fail(err, STATUS_NO_MEMORY, "no memory for the list of files");
    }
    tree->files[tree->count++] = file;
    return STATUS_OK;
}

enum status hub_tree_add(struct hub_tree *tree, const char *json, size_t size, struct error *err) {
    json_t *root = parse(json, size, err);
    if (!root) return STATUS_INVALID;
    enum status s = STATUS_OK;
    if (!json_is_array(root))
        s = fail(err, STATUS_INVALID, "what the hub answers is no list of files");
    for (size_t i = 0; s == STATUS_OK && i < json_array_size(root); i++)
        s = add(tree, json_array_get(root, i), err);
    json_decref(root);
    return s;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct hub_file *)a)->path, ((const struct hub_file *)b)->path);
}

/* Whether one of the folders that the path names is in the list as a file. */
static bool below_a_file(const struct hub_tree *tree, const char *path) {
    char folder[1001];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        memcpy(folder, path, (size_t)(slash - path));
        folder[slash - path] = '\0';
        if (hub_tree_find(tree, folder)) return true;
    }
    return false;
}

enum status hub_tree_finish(struct hub_tree *tree, struct error *err) {
    size_t kept = 0;
    if (tree->count) qsort(tree->files, tree->count, sizeof *tree->files, by_path);
    enum status s = STATUS_OK;
    for (size_t i = 0; i < tree->count; i++) {
        struct hub_file *file = &tree->files[i], *last = kept ? &tree->files[kept - 1] : NULL;
        if (!last || strcmp(last->path, file->path) != 0) {
            tree->files[kept++] = *file;
            continue;
        }
        if (s == STATUS_OK && (last->size != file->size || strcmp(last->hash, file->hash) != 0))
            s = fail(err, STATUS_INVALID, "the hub lists %s twice, and differently",
                     hub_shown(file->path, strlen(file->path)).text);
        free(file->path);
    }
    tree->count = kept;
    for (size_t i = 0; s == STATUS_OK && i < kept; i++)
        if (below_a_file(tree, tree->files[i].path))
            s = fail(err, STATUS_INVALID, "the hub lists %s below what is a file itself",
                     hub_shown(tree->files[i].path, strlen(tree->files[i].path)).text);
    return s;
}

const struct hub_file *hub_tree_find(const struct hub_tree *tree, const char *path) {
    struct hub_file key = {.path = (char *)path};
    return tree->count ? bsearch(&key, tree->files, tree->count, sizeof key, by_path) : NULL;
}

void hub_tree_free(struct hub_tree *tree) {
    for (size_t i = 0; i < tree->count; i++) free(tree->files[i].path);
    free(tree->files);
    *tree = (struct hub_tree){0};
}

bool hub_link_next(const char *header, const char **url, size_t *size) {
    for (const char *at = header; at && (at = strchr(at, '<'));) {
        const char *end = strchr(at, '>');
        if (!end) return false;
        const char *next = strchr(end, '<');
        const char *rel = strstr(end, "rel=\"next\"");
        if (rel && (!next || rel < next)) {
            *url = at + 1;
            *size = (size_t)(end - at - 1);
            return true;
        }
        at = next;
    }
    return false;
}
