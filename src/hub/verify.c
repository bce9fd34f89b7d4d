/*
 * One file after the other, each read once, without leaving it in the page cache's way.
 */
#include "hub/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "hub/folder.h"
#include "hub/hash.h"
#include "hub/pull.h"
#include "hub/rate.h"
#include "hub/remote.h"
#include "hub/snapshot.h"

enum { BLOCK = 1 << 20 };

struct verify {
    const struct hub_options *options;
    struct hub_id id; /* at the commit */
    struct hub_verify_result *result;
    struct hub_tree tree; /* the hub's list, once it was needed */
    bool asked;
    uint64_t total;
    struct hub_rate rate;
    int64_t reported;
    char *block;
};

/* The hash that the link's target is named by; false: it is no link to a blob. */
static bool hash_of_link(struct hub_file *file, const char *path) {
    char target[2048];
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n <= 0) return false;
    target[n] = '\0';
    const char *slash = strrchr(target, '/'), *name = slash ? slash + 1 : target;
    size_t digits = strspn(name, "0123456789abcdef");
    if (name[digits] || (digits != 40 && digits != 64)) return false;
    file->lfs = digits == 64;
    memcpy(file->hash, name, digits + 1);
    return true;
}

static void ask_hub(struct verify *v) {
    struct hub_lanes *lanes = NULL;
    const char *commit = v->id.revision;
    if (v->asked) return;
    v->asked = true;
    if (v->options->offline) return;
    if (hub_lanes_create(&lanes, v->options, NULL) == STATUS_OK) {
        const struct hub_remote remote = {v->options, &v->id, lanes, NULL, NULL};
        if (hub_remote_tree(&remote, commit, &v->tree, NULL) != STATUS_OK) hub_tree_free(&v->tree);
    }
    hub_lanes_destroy(lanes);
}

/* Fills in what the file should be; false: nobody knows. */
static bool should_be(struct verify *v, struct hub_file *file, const char *path, uint64_t size) {
    file->size = size;
    if (hash_of_link(file, path)) return true;
    ask_hub(v);
    const struct hub_file *listed = hub_tree_find(&v->tree, file->path);
    if (!listed) return false;
    file->lfs = listed->lfs;
    memcpy(file->hash, listed->hash, sizeof file->hash);
    return true;
}

static void tell(struct verify *v, const char *below) {
    char part[256];
    int64_t now = clock_now();
    if (now - v->reported < NANOSECONDS / 4) return;
    v->reported = now;
    snprintf(part, sizeof part, "%.*s", (int)strcspn(below, "/"), below);
    struct hub_event e = {.kind = HUB_EVENT_PROGRESS,
                          .part = strchr(below, '/') ? part : "",
                          .bytes = v->result->bytes,
                          .total = v->total,
                          .rate = hub_rate_now(&v->rate, v->result->bytes),
                          .seconds = -1};
    if (e.rate > 0 && e.total > e.bytes) e.seconds = (double)(e.total - e.bytes) / e.rate;
    hub_tell(v->options, &e);
}

/* Hashes an open file.  *right says whether it is what it should be. */
static enum status hash_file(struct verify *v, int fd, const struct hub_file *file, bool *right,
                             struct error *err) {
    struct hub_hash *hash = NULL;
    char is[HUB_HASH_SIZE];
    enum status s = hub_hash_create(&hash, file, err);
    ssize_t n = 0;
    while (s == STATUS_OK && (n = read(fd, v->block, BLOCK)) > 0) {
        hub_hash_add(hash, v->block, (size_t)n);
        v->result->bytes += (uint64_t)n;
        tell(v, file->path);
        if (hub_cancelled(v->options)) s = fail(err, STATUS_CANCELLED, "interrupted");
    }
    *right = false;
    hub_hash_end(hash, is);
    if (s == STATUS_OK && n == 0) *right = strcmp(is, file->hash) == 0;
    return s;
}

static enum status check(void *arg, const char *path, const char *below, struct error *err) {
    struct verify *v = arg;
    struct hub_verify_result *r = v->result;
    struct hub_file file = {.path = (char *)below};
    struct stat st;
    bool right = false;
    enum status s = STATUS_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    r->files++;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        if (should_be(v, &file, path, (uint64_t)st.st_size)) {
            posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
            s = hash_file(v, fd, &file, &right, err);
        } else {
            right = true;
            r->unchecked++;
        }
    }
    if (fd >= 0) close(fd);
    if (s != STATUS_OK || right) return s;
    r->wrong++;
    hub_say(v->options, HUB_EVENT_NOTE, "%s is wrong: its bytes are not those that the hub lists",
            hub_shown(below, strlen(below)).text);
    s = buffer_printf(&r->wrong_paths, "%s\n", below);
    return s == STATUS_OK ? s : fail(err, s, "no memory for what is wrong");
}

static enum status add_size(void *arg, const char *path, const char *below, struct error *err) {
    struct stat st;
    (void)below, (void)err;
    if (stat(path, &st) == 0) *(uint64_t *)arg += (uint64_t)st.st_size;
    return STATUS_OK;
}

/* Fetches each wrong file anew; what is missing comes with the whole model. */
static enum status repair(struct verify *v, struct error *err) {
    struct hub_verify_result *r = v->result;
    struct hub_pull_result pulled;
    enum status s = STATUS_OK;
    char *line = r->wrong_paths.data;
    while (s == STATUS_OK && line && *line) {
        char *end = strchr(line, '\n');
        *end = '\0';
        const struct hub_pull_request request = {.force = true, .file = line};
        s = hub_pull(v->options, &v->id, &request, &pulled, err);
        hub_pull_result_free(&pulled);
        *end = '\n';
        if (s == STATUS_OK) r->repaired++;
        line = end + 1;
    }
    if (s == STATUS_OK) buffer_free(&r->wrong_paths);
    if (s == STATUS_OK && r->missing.size) {
        s = hub_pull(v->options, &v->id, &(struct hub_pull_request){0}, &pulled, err);
        hub_pull_result_free(&pulled);
        if (s == STATUS_OK) buffer_free(&r->missing);
    }
    return s;
}

enum status hub_verify(const struct hub_options *o, const struct hub_id *id, bool mend,
                       struct hub_verify_result *out, struct error *err) {
    struct verify v = {.options = o, .id = *id, .result = out, .block = malloc(BLOCK)};
    struct hub_cache cache;
    char *folder = NULL;
    *out = (struct hub_verify_result){0};
    hub_rate_start(&v.rate);
    enum status s = hub_cache_open(&cache, o, id, err);
    if (s == STATUS_OK && !v.block) s = fail(err, STATUS_NO_MEMORY, "no memory to verify with");
    if (s == STATUS_OK) s = hub_snapshot_look(&cache, id->revision, &folder, &out->missing, err);
    if (s == STATUS_OK && !folder)
        s = fail(err, STATUS_INVALID, "%s/%s@%s is not in %s", id->org, id->name, id->revision,
                 o->cache);
    if (s == STATUS_OK) {
        hub_snapshot_commit(&cache, id->revision, v.id.revision);
        s = hub_folder_walk(folder, add_size, &v.total, err);
    }
    if (s == STATUS_OK) s = hub_folder_walk(folder, check, &v, err);
    if (s == STATUS_OK && mend && (out->wrong || out->missing.size)) s = repair(&v, err);
    hub_tree_free(&v.tree);
    hub_cache_close(&cache);
    free(folder);
    free(v.block);
    return s;
}

void hub_verify_result_free(struct hub_verify_result *r) {
    buffer_free(&r->wrong_paths);
    buffer_free(&r->missing);
}
