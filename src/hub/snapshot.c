/*
 * A folder answers select.h's questions: a file is there when it can be opened, so that a link that
 * leads nowhere is none.
 */
#include "hub/snapshot.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hub/select.h"

enum { INDEX_BYTES = 32 << 20 };

bool hub_snapshot_commit(const struct hub_cache *c, const char *revision,
                         char commit[HUB_COMMIT_SIZE]) {
    if (!hub_is_commit(revision)) return hub_cache_ref(c, revision, commit);
    memcpy(commit, revision, HUB_COMMIT_SIZE);
    return true;
}

static bool join(char out[4096], const char *folder, const char *path) {
    int n = snprintf(out, 4096, "%s/%s", folder, path);
    return n > 0 && n < 4096;
}

static bool has(void *folder, const char *path) {
    char full[4096];
    struct stat st;
    return join(full, folder, path) && stat(full, &st) == 0 && S_ISREG(st.st_mode);
}

static enum status read_one(void *folder, const char *path, struct buffer *out, struct error *err) {
    char full[4096];
    if (!join(full, folder, path)) return fail(err, STATUS_INVALID, "%s: too long a path", path);
    return buffer_read_file(out, full, INDEX_BYTES, err);
}

enum status hub_folder_missing(const char *folder, struct buffer *missing, struct error *err) {
    const struct hub_look look = {has, read_one, (void *)folder, true};
    struct error why;
    enum status s = hub_missing(&look, missing, &why);
    if (s == STATUS_OK) return s;
    if (s != STATUS_NO_MEMORY)
        s = buffer_printf(missing, "%s%s", missing->size ? ", " : "", why.text);
    return s == STATUS_OK ? s : fail(err, s, "no memory for what is missing");
}

struct lacking {
    const char *folder;
    struct hub_lacks *out;
};

/* Which of the folders of weights the path is in; HUB_WEIGHTS: in none. */
static size_t weights_of(const struct hub_lacks *l, const char *path) {
    size_t i = 0;
    while (i < HUB_WEIGHTS) {
        size_t n = strlen(l->weights[i].folder);
        if (strncmp(path, l->weights[i].folder, n) == 0 && path[n] == '/') break;
        i++;
    }
    return i;
}

/* What the index says of the sum, as far as it says it. */
static uint64_t total_of(const char *folder, const char *index) {
    struct buffer text = {0};
    uint64_t total = 0;
    if (read_one((void *)folder, index, &text, NULL) == STATUS_OK && text.data) {
        json_t *root = json_loadb(text.data, text.size, 0, NULL);
        double said =
            json_number_value(json_object_get(json_object_get(root, "metadata"), "total_size"));
        if (said > 0 && said < 1e15) total = (uint64_t)said;
        json_decref(root);
    }
    buffer_free(&text);
    return total;
}

static enum status look_at_file(void *arg, const char *path, struct error *err) {
    struct lacking *l = arg;
    char full[4096];
    struct stat st;
    size_t i = weights_of(l->out, path);
    bool here = join(full, l->folder, path) && stat(full, &st) == 0 && S_ISREG(st.st_mode);
    if (here && i < HUB_WEIGHTS && hub_is_weights(path))
        l->out->weights[i].there += (uint64_t)st.st_size;
    else if (here && i < HUB_WEIGHTS && strstr(path, ".index.json"))
        l->out->weights[i].total = total_of(l->folder, path);
    if (here) return STATUS_OK;
    if (i < HUB_WEIGHTS && hub_is_weights(path)) l->out->weights[i].missing++;
    l->out->count++;
    enum status s = buffer_printf(&l->out->paths, "%s\n", path);
    return s == STATUS_OK ? s : fail(err, s, "no memory for what is missing");
}

enum status hub_folder_lacks(struct hub_lacks *out, const char *folder, struct error *err) {
    const struct hub_look look = {has, read_one, (void *)folder, true};
    struct lacking l = {folder, out};
    *out = (struct hub_lacks){
        .weights = {{.folder = "transformer"}, {.folder = "text_encoder"}, {.folder = "vae"}}};
    return hub_needs(&look, look_at_file, &l, err);
}

void hub_lacks_free(struct hub_lacks *l) {
    buffer_free(&l->paths);
}

enum status hub_snapshot_look(const struct hub_cache *c, const char *revision, char **folder,
                              struct buffer *missing, struct error *err) {
    char commit[HUB_COMMIT_SIZE];
    struct stat st;
    *folder = NULL;
    if (!hub_snapshot_commit(c, revision, commit)) return STATUS_OK;
    enum status s = hub_cache_path(c, folder, err, "snapshots/%s", commit);
    if (s == STATUS_OK && (stat(*folder, &st) != 0 || !S_ISDIR(st.st_mode))) {
        free(*folder);
        *folder = NULL;
    }
    return s == STATUS_OK && *folder ? hub_folder_missing(*folder, missing, err) : s;
}
