/*
 * A folder answers select.h's questions: a file is there when it can be opened, so that a link that
 * leads nowhere is none.
 */
#include "hub/snapshot.h"

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
