/*
 * The id becomes a part of a path only after id.h has taken it for one.
 */
#include "hub/find.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "hub/cache.h"
#include "hub/id.h"
#include "hub/snapshot.h"

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Gives the path away as a plain string. */
static enum status hand_over(char **out, struct buffer *path, enum status s, struct error *err) {
    if (s != STATUS_OK) {
        buffer_free(path);
        return fail(err, s, "no memory for the path of a model");
    }
    *out = path->data;
    return STATUS_OK;
}

/* Sets *folder to FOLDER/models/demo when model_index.json is there, and leaves it NULL otherwise.
 */
static enum status try_demo(char **folder, const char *base, int base_length, const char *below,
                            struct error *err) {
    struct buffer path = {0};
    enum status s =
        buffer_printf(&path, "%.*s%smodels/demo/model_index.json", base_length, base, below);
    bool there = s == STATUS_OK && access(path.data, R_OK) == 0;
    if (s == STATUS_OK && !there) {
        buffer_free(&path);
        return STATUS_OK;
    }
    if (there) *strrchr(path.data, '/') = '\0';
    return hand_over(folder, &path, s, err);
}

enum status hub_find_demo(char **folder, const char *program, struct error *err) {
    char self[4096];
    *folder = NULL;
    if (!program) {
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        self[n < 0 ? 0 : n] = '\0';
        program = self;
    }
    const char *slash = strrchr(program, '/');
    int length = slash ? (int)(slash - program) : 0;
    enum status s = STATUS_OK;
    if (slash) s = try_demo(folder, program, length, "/../share/firered/", err);
    if (slash && s == STATUS_OK && !*folder) s = try_demo(folder, program, length, "/../../", err);
    if (s == STATUS_OK && !*folder) s = try_demo(folder, "", 0, "", err);
    if (s == STATUS_OK && !*folder)
        return fail(err, STATUS_INVALID,
                    "the demo model is neither in share/firered/models/demo beside %.*s nor in "
                    "models/demo here",
                    length, program);
    return s;
}

static enum status find_snapshot(char **folder, const struct hub_id *id,
                                 const struct hub_options *o, struct error *err) {
    struct hub_cache cache;
    char commit[HUB_COMMIT_SIZE], *ref = NULL;
    enum status s = hub_cache_open(&cache, o, id, err);
    if (s == STATUS_OK) s = hub_cache_path(&cache, &ref, err, "refs/%s", id->revision);
    if (s == STATUS_OK && hub_snapshot_commit(&cache, id->revision, commit))
        s = hub_cache_path(&cache, folder, err, "snapshots/%s", commit);
    else if (s == STATUS_OK && is_file(ref))
        s = fail(err, STATUS_INVALID, "%s does not hold the name of a commit; pull the model again",
                 ref);
    else if (s == STATUS_OK) /* the first digits of a commit, as somebody may have laid it there */
        s = hub_cache_path(&cache, folder, err, "snapshots/%s", id->revision);
    free(ref);
    if (s == STATUS_OK && (!*folder || !is_folder(*folder))) {
        free(*folder);
        *folder = NULL;
        s = fail(err, STATUS_INVALID,
                 "the model %s/%s%s%s is not on this machine (not in %s): `firered pull %s/%s%s%s` "
                 "fetches it; or name a folder",
                 id->org, id->name, id->revision_said ? "@" : "",
                 id->revision_said ? id->revision : "", o->cache, id->org, id->name,
                 id->revision_said ? "@" : "", id->revision_said ? id->revision : "");
    }
    hub_cache_close(&cache);
    return s;
}

enum status hub_find_model(char **folder, const char *model_id, const struct hub_options *o,
                           struct error *err) {
    *folder = NULL;
    if (strcmp(model_id, "demo") == 0) return hub_find_demo(folder, NULL, err);
    struct buffer path = {0};
    if (is_folder(model_id))
        return hand_over(folder, &path, buffer_printf(&path, "%s", model_id), err);
    if (strcasecmp(model_id, "demo") == 0) return hub_find_demo(folder, NULL, err);
    struct hub_id id;
    if (!hub_id_parse(&id, model_id)) {
        struct hub_hint hint;
        hub_id_hint(&hint, model_id, false);
        return fail(
            err, STATUS_INVALID,
            "the model \"%.160s\" is neither a folder nor an id of the form ORG/NAME[@REV]%s",
            model_id, hint.text);
    }
    return find_snapshot(folder, &id, o, err);
}

enum status hub_find_file(char **path, const char *name, const struct hub_options *o,
                          struct error *err) {
    struct hub_file_id id;
    struct hub_cache cache;
    char commit[HUB_COMMIT_SIZE];
    *path = NULL;
    if (strstr(name, "://") && !is_file(name)) {
        struct hub_hint hint;
        hub_id_hint(&hint, name, true);
        return fail(err, STATUS_INVALID,
                    "%.200s is a URL, neither a file nor ORG/NAME/FILE[@REV]%s", name, hint.text);
    }
    if (is_file(name) || !hub_file_id_parse(&id, name)) {
        *path = strdup(name);
        return *path ? STATUS_OK : fail(err, STATUS_NO_MEMORY, "no memory for a file's path");
    }
    enum status s = hub_cache_open(&cache, o, &id.id, err);
    if (s == STATUS_OK && hub_snapshot_commit(&cache, id.id.revision, commit))
        s = hub_cache_path(&cache, path, err, "snapshots/%s/%s", commit, id.file);
    if (s == STATUS_OK && (!*path || !is_file(*path))) {
        free(*path);
        *path = NULL;
        s = fail(err, STATUS_INVALID,
                 "the file %.160s is not on this machine (not in %.120s): `firered pull %.160s` "
                 "fetches it",
                 name, o->cache, name);
    }
    hub_cache_close(&cache);
    return s;
}
