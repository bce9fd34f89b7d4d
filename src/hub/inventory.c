/*
 * Folders are read as they are: what has not the form of a model, a commit or a blob is not ours,
 * and is neither listed nor deleted.
 */
#include "hub/inventory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "hub/folder.h"
#include "hub/snapshot.h"

/* "models--ORG--NAME" as an id; false: it is none. */
static bool read_id(struct hub_id *out, const char *folder) {
    char text[200];
    const char *name = strncmp(folder, "models--", 8) == 0 ? folder + 8 : NULL;
    const char *middle = name ? strstr(name, "--") : NULL;
    if (!middle || strlen(name) >= sizeof text) return false;
    snprintf(text, sizeof text, "%.*s/%s", (int)(middle - name), name, middle + 2);
    return hub_id_parse(out, text);
}

struct sum {
    uint64_t bytes;
    time_t used;
    ino_t seen[4096]; /* blobs that were counted; of more files the sum is a little high */
    size_t seen_count;
};

static enum status add_file(void *arg, const char *path, const char *below, struct error *err) {
    struct sum *sum = arg;
    struct stat st;
    (void)below, (void)err;
    if (stat(path, &st) != 0) return STATUS_OK;
    for (size_t i = 0; i < sum->seen_count; i++)
        if (sum->seen[i] == st.st_ino) return STATUS_OK;
    if (sum->seen_count < sizeof sum->seen / sizeof sum->seen[0])
        sum->seen[sum->seen_count++] = st.st_ino;
    sum->bytes += (uint64_t)st.st_size;
    time_t used = st.st_atime > st.st_mtime ? st.st_atime : st.st_mtime;
    if (used > sum->used) sum->used = used;
    return STATUS_OK;
}

/* The name of a ref to the commit; the shortest, then the first by the alphabet. */
struct ref_search {
    const struct hub_cache *cache;
    const char *commit;
    char *name;
    size_t size;
    bool found;
};

static enum status look_at_ref(void *arg, const char *path, const char *below, struct error *err) {
    struct ref_search *r = arg;
    char commit[HUB_COMMIT_SIZE];
    (void)path, (void)err;
    if (!hub_cache_ref(r->cache, below, commit) || strcmp(commit, r->commit) != 0) return STATUS_OK;
    size_t n = strlen(below), now = strlen(r->name);
    if (n < r->size && (!r->found || n < now || (n == now && strcmp(below, r->name) < 0)))
        memcpy(r->name, below, n + 1);
    r->found = true;
    return STATUS_OK;
}

static enum status partly(void *arg, const char *path, const char *below, struct error *err) {
    uint64_t *bytes = arg;
    struct stat st;
    size_t n = strlen(below), tail = strlen(".firered-part");
    (void)err;
    if (n > tail && strcmp(below + n - tail, ".firered-part") == 0 && stat(path, &st) == 0)
        *bytes += (uint64_t)st.st_blocks * 512;
    return STATUS_OK;
}

/* On success the list has taken what *held owns. */
static enum status append(struct hub_inventory *out, struct hub_held *held, struct error *err) {
    if (out->count == out->capacity) {
        size_t capacity = out->capacity ? 2 * out->capacity : 16;
        struct hub_held *items = realloc(out->items, capacity * sizeof *items);
        if (!items) return fail(err, STATUS_NO_MEMORY, "no memory for the list of models");
        out->items = items;
        out->capacity = capacity;
    }
    out->items[out->count++] = *held;
    held->missing = NULL;
    return STATUS_OK;
}

static enum status add_snapshot(struct hub_inventory *out, const struct hub_cache *c,
                                const struct hub_id *id, const char *commit, struct error *err) {
    struct hub_held held = {.id = *id};
    struct buffer missing = {0};
    char *folder = NULL, *refs = NULL;
    struct sum *sum = calloc(1, sizeof *sum);
    if (!sum) return fail(err, STATUS_NO_MEMORY, "no memory for the list of models");
    enum status s = hub_cache_path(c, &folder, err, "snapshots/%s", commit);
    struct ref_search search = {c, commit, held.id.revision, sizeof held.id.revision, false};
    snprintf(held.commit, sizeof held.commit, "%.40s", commit);
    snprintf(held.id.revision, sizeof held.id.revision, "%s", commit);
    if (s == STATUS_OK) s = hub_folder_walk(folder, add_file, sum, err);
    if (s == STATUS_OK) s = hub_folder_missing(folder, &missing, err);
    if (s == STATUS_OK) s = hub_cache_path(c, &refs, err, "refs");
    if (s == STATUS_OK) s = hub_folder_walk(refs, look_at_ref, &search, err);
    if (s == STATUS_OK) s = hub_folder_walk(c->blobs, partly, &held.fetching, err);
    held.missing = missing.data ? missing.data : strdup("");
    if (s == STATUS_OK && !held.missing) s = fail(err, STATUS_NO_MEMORY, "no memory for a list");
    if (s == STATUS_OK) {
        held.bytes = sum->bytes;
        held.used = sum->used;
        s = append(out, &held, err);
    }
    free(held.missing);
    free(sum);
    free(folder);
    free(refs);
    return s;
}

/* A model that is still on its way has no snapshot: it is listed by what has come of it. */
static enum status add_begun(struct hub_inventory *out, const struct hub_cache *c,
                             const struct hub_id *id, struct error *err) {
    struct hub_held held = {.id = *id, .missing = strdup("a pull that was not finished")};
    struct sum *sum = calloc(1, sizeof *sum);
    if (!sum || !held.missing) {
        free(sum);
        free(held.missing);
        return fail(err, STATUS_NO_MEMORY, "no memory for a list");
    }
    enum status s = hub_folder_walk(c->blobs, add_file, sum, err);
    if (s == STATUS_OK) s = hub_folder_walk(c->blobs, partly, &held.fetching, err);
    if (s == STATUS_OK && sum->seen_count) {
        held.used = sum->used;
        held.bytes = held.fetching;
        held.id.revision[0] = '\0';
        s = append(out, &held, err);
    }
    free(held.missing);
    free(sum);
    return s;
}

static enum status add_model(struct hub_inventory *out, const struct hub_options *o,
                             const struct hub_id *id, struct error *err) {
    struct hub_cache cache;
    char *snapshots = NULL;
    size_t before = out->count;
    enum status s = hub_cache_open(&cache, o, id, err);
    if (s == STATUS_OK) s = hub_cache_path(&cache, &snapshots, err, "snapshots");
    DIR *folder = s == STATUS_OK ? opendir(snapshots) : NULL;
    for (struct dirent *e; folder && s == STATUS_OK && (e = readdir(folder));)
        if (hub_is_commit(e->d_name)) s = add_snapshot(out, &cache, id, e->d_name, err);
    if (folder) closedir(folder);
    if (s == STATUS_OK && out->count == before) s = add_begun(out, &cache, id, err);
    free(snapshots);
    hub_cache_close(&cache);
    return s;
}

static int by_id(const void *a, const void *b) {
    const struct hub_held *one = a, *two = b;
    int order = strcmp(one->id.org, two->id.org);
    if (order == 0) order = strcmp(one->id.name, two->id.name);
    return order != 0 ? order : strcmp(one->id.revision, two->id.revision);
}

enum status hub_inventory_read(struct hub_inventory *out, const struct hub_options *o,
                               struct error *err) {
    *out = (struct hub_inventory){0};
    if (!o->cache)
        return fail(err, STATUS_INVALID, "no cache for models: set HF_HUB_CACHE, HF_HOME or HOME");
    DIR *folder = opendir(o->cache);
    if (!folder && errno == ENOENT) return STATUS_OK;
    if (!folder) return fail(err, STATUS_IO, "cannot read %s: %s", o->cache, strerror(errno));
    enum status s = STATUS_OK;
    for (struct dirent *e; s == STATUS_OK && (e = readdir(folder));) {
        struct hub_id id;
        if (read_id(&id, e->d_name)) s = add_model(out, o, &id, err);
    }
    closedir(folder);
    if (out->count) qsort(out->items, out->count, sizeof *out->items, by_id);
    return s;
}

void hub_inventory_free(struct hub_inventory *i) {
    for (size_t k = 0; k < i->count; k++) free(i->items[k].missing);
    free(i->items);
    *i = (struct hub_inventory){0};
}

struct removal {
    const struct hub_cache *cache;
    const char *commit;
    uint64_t bytes;
    struct buffer names; /* of blobs that snapshots link, each with a newline */
};

/* Notes which blob a snapshot's link leads to. */
static enum status note_link(void *arg, const char *path, const char *below, struct error *err) {
    struct removal *r = arg;
    char target[2048];
    ssize_t n = readlink(path, target, sizeof target - 1);
    (void)below;
    if (n <= 0) return STATUS_OK;
    target[n] = '\0';
    const char *slash = strrchr(target, '/');
    enum status s = buffer_printf(&r->names, "%s\n", slash ? slash + 1 : target);
    return s == STATUS_OK ? s : fail(err, s, "no memory to remove a model");
}

/* Deletes a blob that no snapshot links any more, and what was on its way. */
static enum status drop_blob(void *arg, const char *path, const char *below, struct error *err) {
    struct removal *r = arg;
    char line[300];
    struct stat st;
    (void)err;
    snprintf(line, sizeof line, "%s\n", below);
    if (r->names.data && strstr(r->names.data, line)) return STATUS_OK;
    bool own = lstat(path, &st) == 0 && S_ISREG(st.st_mode);
    if (unlink(path) == 0 && own) r->bytes += (uint64_t)st.st_blocks * 512;
    return STATUS_OK;
}

static enum status drop_ref(void *arg, const char *path, const char *below, struct error *err) {
    struct removal *r = arg;
    char commit[HUB_COMMIT_SIZE];
    (void)err;
    if (hub_cache_ref(r->cache, below, commit) && strcmp(commit, r->commit) == 0) unlink(path);
    return STATUS_OK;
}

static enum status count_file(void *arg, const char *path, const char *below, struct error *err) {
    struct removal *r = arg;
    struct stat st;
    (void)below, (void)err;
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode)) r->bytes += (uint64_t)st.st_blocks * 512;
    return STATUS_OK;
}

/* One snapshot, the refs to it, and the blobs that were only its own. */
static enum status remove_snapshot(struct removal *r, const char *folder, struct error *err) {
    char *refs = NULL, *snapshots = NULL;
    enum status s = hub_cache_path(r->cache, &refs, err, "refs");
    if (s == STATUS_OK) s = hub_cache_path(r->cache, &snapshots, err, "snapshots");
    if (s == STATUS_OK) s = hub_folder_walk(refs, drop_ref, r, err);
    if (s == STATUS_OK) s = hub_folder_walk(folder, count_file, r, err);
    if (s == STATUS_OK) s = hub_folder_delete(folder, err);
    if (s == STATUS_OK) s = hub_folder_walk(snapshots, note_link, r, err);
    if (s == STATUS_OK) s = hub_folder_walk(r->cache->blobs, drop_blob, r, err);
    free(refs);
    free(snapshots);
    return s;
}

static bool has_snapshots(const struct hub_cache *c) {
    char *path;
    bool any = false;
    if (hub_cache_path(c, &path, NULL, "snapshots") != STATUS_OK) return true;
    DIR *folder = opendir(path);
    for (struct dirent *e; folder && !any && (e = readdir(folder));) any = e->d_name[0] != '.';
    if (folder) closedir(folder);
    free(path);
    return any;
}

static enum status remove_model(struct removal *r, struct error *err) {
    enum status s = hub_folder_walk(r->cache->repo, count_file, r, err);
    if (s == STATUS_OK) s = hub_folder_delete(r->cache->repo, err);
    if (s == STATUS_OK) s = hub_folder_delete(r->cache->locks, err);
    return s;
}

enum status hub_remove(const struct hub_options *o, const struct hub_id *id, uint64_t *bytes,
                       struct error *err) {
    struct hub_cache cache;
    char commit[HUB_COMMIT_SIZE] = "", *folder = NULL;
    struct removal r = {.cache = &cache, .commit = commit};
    struct stat st;
    enum status s = hub_cache_open(&cache, o, id, err);
    bool there = s == STATUS_OK && stat(cache.repo, &st) == 0;
    if (there && id->revision_said) {
        there = hub_snapshot_commit(&cache, id->revision, commit);
        if (there) s = hub_cache_path(&cache, &folder, err, "snapshots/%s", commit);
        there = there && s == STATUS_OK && stat(folder, &st) == 0;
    }
    if (s == STATUS_OK && !there)
        s = fail(err, STATUS_INVALID, "%s/%s%s%s is not in %s", id->org, id->name,
                 id->revision_said ? "@" : "", id->revision_said ? id->revision : "", o->cache);
    if (s == STATUS_OK && hub_cache_is_locked(&cache))
        s = fail(err, STATUS_INVALID, "another process is pulling %s/%s: nothing was removed",
                 id->org, id->name);
    if (s == STATUS_OK && folder) s = remove_snapshot(&r, folder, err);
    if (s == STATUS_OK && (!folder || !has_snapshots(&cache))) s = remove_model(&r, err);
    *bytes = r.bytes;
    buffer_free(&r.names);
    free(folder);
    hub_cache_close(&cache);
    return s;
}
