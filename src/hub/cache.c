/*
 * Temporary names carry the process and a count, so that two writers never meet; what they left
 * when they were killed stays in blobs/ or refs/, never in a snapshot, where others would take it
 * for a part of the model.
 */
#include "hub/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"

static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                          "# This folder is a cache of models; it may be deleted.\n";

enum status hub_cache_open(struct hub_cache *out, const struct hub_options *o,
                           const struct hub_id *id, struct error *err) {
    struct buffer repo = {0}, blobs = {0}, locks = {0};
    *out = (struct hub_cache){.options = o};
    if (!o->cache)
        return fail(err, STATUS_INVALID, "no cache for models: set HF_HUB_CACHE, HF_HOME or HOME");
    enum status s = buffer_printf(&repo, "%s/models--%s--%s", o->cache, id->org, id->name);
    if (s == STATUS_OK) s = buffer_printf(&blobs, "%s/blobs", repo.data);
    if (s == STATUS_OK)
        s = buffer_printf(&locks, "%s/.locks/models--%s--%s", o->cache, id->org, id->name);
    *out = (struct hub_cache){o, repo.data, blobs.data, locks.data};
    return s == STATUS_OK ? s : fail(err, s, "no memory for the cache's paths");
}

void hub_cache_close(struct hub_cache *c) {
    free(c->repo);
    free(c->blobs);
    free(c->locks);
    *c = (struct hub_cache){0};
}

enum status hub_cache_path(const struct hub_cache *c, char **path, struct error *err,
                           const char *format, ...) {
    char below[1600];
    struct buffer out = {0};
    va_list args;
    va_start(args, format);
    int n = vsnprintf(below, sizeof below, format, args);
    va_end(args);
    *path = NULL;
    if (n < 0 || n >= (int)sizeof below)
        return fail(err, STATUS_INVALID, "a file's path is longer than the cache can have");
    enum status s = buffer_printf(&out, "%s/%s", c->repo, below);
    *path = out.data;
    return s == STATUS_OK ? s : fail(err, s, "no memory for a path");
}

enum status hub_cache_fail(const struct hub_cache *c, int number, const char *path,
                           struct error *err) {
    const struct hub_options *o = c->options;
    if (number == ENOSPC || number == EDQUOT)
        return fail(err, STATUS_IO,
                    "no space left in %s: free some, or set HF_HOME to a folder on a larger disk "
                    "(what was fetched is kept, the next pull goes on from there)",
                    o->cache);
    return fail(
        err, STATUS_IO,
        "cannot write to the cache %s (%s of %s): set HF_HOME to a folder that can be written",
        o->cache, strerror(number), path);
}

enum status hub_cache_make_folder(const struct hub_cache *c, const char *folder,
                                  struct error *err) {
    char *path = strdup(folder);
    if (!path) return fail(err, STATUS_NO_MEMORY, "no memory for a path");
    enum status s = STATUS_OK;
    struct stat st;
    for (char *slash = path; s == STATUS_OK && slash;) {
        slash = strchr(slash + 1, '/');
        if (slash) *slash = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST &&
            !(stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
            s = hub_cache_fail(c, errno, folder, err);
        if (slash) *slash = '/';
    }
    free(path);
    return s;
}

enum status hub_cache_make(const struct hub_cache *c, struct error *err) {
    struct buffer path = {0};
    enum status s = hub_cache_make_folder(c, c->options->cache, err);
    if (s == STATUS_OK && buffer_printf(&path, "%s/CACHEDIR.TAG", c->options->cache) != STATUS_OK)
        s = fail(err, STATUS_NO_MEMORY, "no memory for a path");
    if (s == STATUS_OK && access(path.data, F_OK) != 0)
        s = hub_cache_write(c, path.data, tag, sizeof tag - 1, err);
    buffer_free(&path);
    if (s == STATUS_OK) s = hub_cache_make_folder(c, c->blobs, err);
    /* Without it the scan of the hub's tools calls a model that is on its way corrupted. */
    char *snapshots = NULL;
    if (s == STATUS_OK) s = hub_cache_path(c, &snapshots, err, "snapshots");
    if (s == STATUS_OK) s = hub_cache_make_folder(c, snapshots, err);
    free(snapshots);
    return s;
}

static bool has_size(const char *path, uint64_t size) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

bool hub_cache_has_blob(const struct hub_cache *c, const struct hub_file *file) {
    char *path;
    bool there = hub_cache_path(c, &path, NULL, "blobs/%s", file->hash) == STATUS_OK &&
                 has_size(path, file->size);
    free(path);
    return there;
}

bool hub_cache_has(const struct hub_cache *c, const char *commit, const struct hub_file *file) {
    char *path;
    if (hub_cache_has_blob(c, file)) return true;
    struct stat st;
    bool there =
        hub_cache_path(c, &path, NULL, "snapshots/%s/%s", commit, file->path) == STATUS_OK &&
        lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == file->size;
    free(path);
    return there;
}

bool hub_cache_ref(const struct hub_cache *c, const char *revision, char commit[HUB_COMMIT_SIZE]) {
    char path[4096], text[64];
    int length = snprintf(path, sizeof path, "%s/refs/%s", c->repo, revision);
    int fd = length < (int)sizeof path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = '\0';
    commit[0] = '\0';
    if (strspn(text, "0123456789abcdef") != 40 || text[40 + strspn(text + 40, " \t\r\n")])
        return false;
    memcpy(commit, text, 40);
    commit[40] = '\0';
    return true;
}

/* A name beside `path` that nobody else uses. */
static enum status temporary_name(char **out, const char *path, struct error *err) {
    static atomic_uint count;
    struct buffer name = {0};
    enum status s = buffer_printf(&name, "%s.firered-%ld-%u", path, (long)getpid(),
                                  atomic_fetch_add(&count, 1));
    *out = name.data;
    return s == STATUS_OK ? s : fail(err, s, "no memory for a path");
}

static bool write_all(int fd, const char *bytes, size_t size) {
    while (size) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

enum status hub_cache_write(const struct hub_cache *c, const char *path, const void *bytes,
                            size_t size, struct error *err) {
    char *temporary;
    enum status s = temporary_name(&temporary, path, err);
    if (s != STATUS_OK) return s;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool good = fd >= 0 && write_all(fd, bytes, size) && fsync(fd) == 0;
    int number = errno;
    if (fd >= 0 && close(fd) != 0 && good) {
        good = false;
        number = errno;
    }
    if (good && rename(temporary, path) != 0) {
        good = false;
        number = errno;
    }
    if (!good) unlink(temporary);
    free(temporary);
    return good ? STATUS_OK : hub_cache_fail(c, number, path, err);
}

/* Makes the folder that the file of this path lies in. */
static enum status make_folder_of(const struct hub_cache *c, char *path, struct error *err) {
    char *slash = strrchr(path, '/');
    *slash = '\0';
    enum status s = hub_cache_make_folder(c, path, err);
    *slash = '/';
    return s;
}

enum status hub_cache_set_ref(const struct hub_cache *c, const char *revision, const char *commit,
                              struct error *err) {
    char now[HUB_COMMIT_SIZE], *path;
    if (hub_is_commit(revision)) return STATUS_OK;
    if (hub_cache_ref(c, revision, now) && strcmp(now, commit) == 0) return STATUS_OK;
    enum status s = hub_cache_path(c, &path, err, "refs/%s", revision);
    if (s == STATUS_OK) s = make_folder_of(c, path, err);
    if (s == STATUS_OK) s = hub_cache_write(c, path, commit, 40, err);
    free(path);
    return s;
}

/* "../../blobs/HASH", with one "../" more for every folder in the file's path. */
static enum status link_target(struct buffer *out, const struct hub_file *file) {
    enum status s = buffer_printf(out, "../../");
    for (const char *at = file->path; s == STATUS_OK && *at; at++)
        if (*at == '/') s = buffer_printf(out, "../");
    if (s == STATUS_OK) s = buffer_printf(out, "blobs/%s", file->hash);
    return s;
}

static bool links_to(const char *path, const char *target) {
    char now[2048];
    ssize_t n = readlink(path, now, sizeof now - 1);
    if (n < 0) return false;
    now[n] = '\0';
    return strcmp(now, target) == 0;
}

/* Copies by blocks, to a temporary name in blobs/, then by rename. */
static enum status copy_into_place(const struct hub_cache *c, const char *from, const char *to,
                                   struct error *err) {
    static char block[1 << 16];
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    char *temporary;
    enum status s = temporary_name(&temporary, from, err);
    if (s != STATUS_OK) return s;
    pthread_mutex_lock(&one);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    ssize_t n = 0;
    bool good = in >= 0 && out >= 0;
    while (good && (n = read(in, block, sizeof block)) > 0) good = write_all(out, block, (size_t)n);
    good = good && n == 0 && fsync(out) == 0 && rename(temporary, to) == 0;
    if (!good) s = hub_cache_fail(c, errno, to, err);
    pthread_mutex_unlock(&one);
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    if (!good) unlink(temporary);
    free(temporary);
    return s;
}

/* A link by temporary name; the name is in blobs/, so that no snapshot ever holds it. */
static int make_link(const struct hub_cache *c, const char *target, const char *path) {
    char *temporary;
    struct buffer base = {0};
    if (c->options->no_links) return EPERM;
    if (buffer_printf(&base, "%s/link", c->blobs) != STATUS_OK ||
        temporary_name(&temporary, base.data, NULL) != STATUS_OK) {
        buffer_free(&base);
        return ENOMEM;
    }
    buffer_free(&base);
    int number = symlink(target, temporary) == 0 ? 0 : errno;
    if (number == 0 && rename(temporary, path) != 0) {
        number = errno;
        unlink(temporary);
    }
    free(temporary);
    return number;
}

static enum status link_blob(const struct hub_cache *c, const char *blob, const char *path,
                             const char *target, bool shared, struct error *err) {
    int number = make_link(c, target, path);
    if (number == 0) return STATUS_OK;
    if (number != EPERM && number != ENOSYS && number != EOPNOTSUPP && number != EINVAL &&
        number != EACCES)
        return hub_cache_fail(c, number, path, err);
    if (shared) return copy_into_place(c, blob, path, err);
    return rename(blob, path) == 0 ? STATUS_OK : hub_cache_fail(c, errno, path, err);
}

enum status hub_cache_link(const struct hub_cache *c, const char *commit,
                           const struct hub_file *file, bool shared, struct error *err) {
    char *path = NULL, *blob = NULL;
    struct buffer target = {0};
    enum status s = hub_cache_path(c, &path, err, "snapshots/%s/%s", commit, file->path);
    if (s == STATUS_OK) s = hub_cache_path(c, &blob, err, "blobs/%s", file->hash);
    if (s == STATUS_OK && link_target(&target, file) != STATUS_OK)
        s = fail(err, STATUS_NO_MEMORY, "no memory for a link");
    struct stat st;
    bool done = s == STATUS_OK && (links_to(path, target.data) ||
                                   (!has_size(blob, file->size) && lstat(path, &st) == 0 &&
                                    S_ISREG(st.st_mode) && (uint64_t)st.st_size == file->size));
    if (s == STATUS_OK && !done) {
        s = make_folder_of(c, path, err);
        if (s == STATUS_OK) s = link_blob(c, blob, path, target.data, shared, err);
    }
    buffer_free(&target);
    free(path);
    free(blob);
    return s;
}

static enum status lock_path(const struct hub_cache *c, const char *hash, char **out,
                             struct error *err) {
    struct buffer path = {0};
    enum status s = buffer_printf(&path, "%s/%s.lock", c->locks, hash);
    *out = path.data;
    return s == STATUS_OK ? s : fail(err, s, "no memory for a path");
}

/* Whether a lock that is held keeps others out: some network file systems say yes to everybody. */
static bool lock_is_true(const char *name) {
    int fd = open(name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    bool kept_out = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0;
    if (fd >= 0) close(fd);
    return kept_out;
}

/* Waits for the lock of an open file.  Returns 0, or errno; ECANCELED. */
static int wait_for_lock(const struct hub_cache *c, int fd, const char *path) {
    int64_t said = 0;
    for (;;) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
        if (errno != EWOULDBLOCK && errno != EINTR) return errno;
        int64_t now = clock_now();
        if (!said || now - said >= 10 * NANOSECONDS) {
            hub_say(c->options, HUB_EVENT_WAIT, "another process is pulling %s: waiting for it",
                    hub_shown(path, strlen(path)).text);
            said = now;
        }
        if (!hub_sleep(c->options, 0.2)) return ECANCELED;
    }
}

enum status hub_cache_lock(const struct hub_cache *c, const char *hash, const char *path, int *fd,
                           struct error *err) {
    char *name;
    *fd = -1;
    enum status s = hub_cache_make_folder(c, c->locks, err);
    if (s == STATUS_OK) s = lock_path(c, hash, &name, err);
    if (s != STATUS_OK) return s;
    *fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0664);
    int number = *fd < 0 ? errno : 0;
    if (number == 0) {
        struct stat st;
        if (fstat(*fd, &st) == 0 && st.st_uid == geteuid()) (void)!fchmod(*fd, 0664);
        number = wait_for_lock(c, *fd, path);
        if (number == 0 && !lock_is_true(name)) number = ENOLCK;
    }
    if (*fd < 0 && number != ENOSYS) {
        s = hub_cache_fail(c, number, name, err);
    } else if (number == ECANCELED) {
        s = fail(err, STATUS_CANCELLED, "interrupted");
    } else if (number != 0) {
        hub_say(c->options, HUB_EVENT_NOTE,
                "%s cannot lock (%s): do not pull the same model twice at a time", c->locks,
                strerror(number));
    }
    if (number != 0 && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    free(name);
    return s;
}

void hub_cache_unlock(int fd) {
    if (fd >= 0) close(fd);
}

bool hub_cache_is_locked(const struct hub_cache *c) {
    DIR *folder = opendir(c->locks);
    bool locked = false;
    for (struct dirent *e; folder && !locked && (e = readdir(folder));) {
        int fd = e->d_name[0] == '.'
                     ? -1
                     : openat(dirfd(folder), e->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) continue;
        locked = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        close(fd);
    }
    if (folder) closedir(folder);
    return locked;
}
