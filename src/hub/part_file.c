/*
 * One writer a segment, each at its own place: no two writes touch, so none needs a lock.  The map's
 * numbers are in the machine's own order: a cache is not carried from one kind to another half
 * fetched, and a map that makes no sense is a new beginning.
 */
#include "hub/part_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"

enum { HEAD_BYTES = 16 };
static const char magic[8] = "firered1";

uint64_t hub_part_length(const struct hub_part *p, uint32_t i) {
    uint64_t from = (uint64_t)i * HUB_SEGMENT_BYTES;
    return p->size - from < HUB_SEGMENT_BYTES ? p->size - from : HUB_SEGMENT_BYTES;
}

uint64_t hub_part_there(const struct hub_part *p) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->segments; i++) sum += p->done[i];
    return sum;
}

static enum status set_up(struct hub_part *p, const struct hub_cache *c,
                          const struct hub_file *file, bool own, struct error *err) {
    char suffix[32] = "";
    *p = (struct hub_part){.cache = c, .fd = -1, .map_fd = -1, .size = file->size};
    p->segments = (uint32_t)((file->size + HUB_SEGMENT_BYTES - 1) / HUB_SEGMENT_BYTES);
    p->done = calloc(p->segments + 1, sizeof *p->done);
    if (own) snprintf(suffix, sizeof suffix, "-%ld", (long)getpid());
    if (!p->done) return fail(err, STATUS_NO_MEMORY, "no memory to fetch %s", file->path);
    enum status s = hub_cache_path(c, &p->path, err, "blobs/%s.firered-part%s", file->hash, suffix);
    if (s == STATUS_OK)
        s = hub_cache_path(c, &p->map_path, err, "blobs/%s.firered-map%s", file->hash, suffix);
    return s;
}

/* Reads the map; false: there is none that fits the file. */
static bool read_map(struct hub_part *p) {
    char head[HEAD_BYTES];
    struct stat st;
    size_t bytes = p->segments * sizeof *p->done;
    bool good = pread(p->map_fd, head, sizeof head, 0) == HEAD_BYTES &&
                memcmp(head, magic, sizeof magic) == 0 &&
                memcmp(head + sizeof magic, &p->size, sizeof p->size) == 0 &&
                pread(p->map_fd, p->done, bytes, HEAD_BYTES) == (ssize_t)bytes &&
                fstat(p->fd, &st) == 0;
    for (uint32_t i = 0; good && i < p->segments; i++)
        good =
            p->done[i] <= hub_part_length(p, i) &&
            (!p->done[i] || (uint64_t)i * HUB_SEGMENT_BYTES + p->done[i] <= (uint64_t)st.st_size);
    if (!good) memset(p->done, 0, bytes);
    return good;
}

static enum status start_map(struct hub_part *p, struct error *err) {
    char head[HEAD_BYTES];
    size_t bytes = p->segments * sizeof *p->done;
    memcpy(head, magic, sizeof magic);
    memcpy(head + sizeof magic, &p->size, sizeof p->size);
    if (ftruncate(p->fd, 0) == 0 && ftruncate(p->map_fd, 0) == 0 &&
        pwrite(p->map_fd, head, sizeof head, 0) == HEAD_BYTES &&
        pwrite(p->map_fd, p->done, bytes, HEAD_BYTES) == (ssize_t)bytes)
        return STATUS_OK;
    return hub_cache_fail(p->cache, errno, p->path, err);
}

enum status hub_part_open(struct hub_part *out, const struct hub_cache *c,
                          const struct hub_file *file, bool own, bool fresh, struct error *err) {
    enum status s = set_up(out, c, file, own, err);
    if (s != STATUS_OK) return s;
    out->fd = open(out->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (out->fd >= 0)
        out->map_fd = open(out->map_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (out->map_fd < 0) return hub_cache_fail(c, errno, out->path, err);
    return !fresh && read_map(out) ? STATUS_OK : start_map(out, err);
}

uint64_t hub_part_peek(const struct hub_cache *c, const struct hub_file *file) {
    struct hub_part p;
    uint64_t there = 0;
    if (set_up(&p, c, file, false, NULL) == STATUS_OK && p.path && p.map_path) {
        p.fd = open(p.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        p.map_fd = open(p.map_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (p.fd >= 0 && p.map_fd >= 0 && read_map(&p)) there = hub_part_there(&p);
    }
    hub_part_close(&p);
    return there;
}

int hub_part_write(struct hub_part *p, uint32_t i, const char *bytes, size_t size) {
    uint64_t at = (uint64_t)i * HUB_SEGMENT_BYTES + p->done[i];
    size_t left = size;
    while (left) {
        ssize_t n = pwrite(p->fd, bytes, left, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            int number = n < 0 ? errno : ENOSPC;
            bool past_the_end = number == EINVAL || number == ESPIPE || number == EOPNOTSUPP;
            return past_the_end ? EFBIG : number;
        }
        bytes += n;
        at += (uint64_t)n;
        left -= (size_t)n;
    }
    uint32_t done = p->done[i] + (uint32_t)size;
    if (pwrite(p->map_fd, &done, sizeof done, HEAD_BYTES + (off_t)i * (off_t)sizeof done) !=
        (ssize_t)sizeof done)
        return errno;
    __atomic_store_n(&p->done[i], done, __ATOMIC_RELEASE);
    return 0;
}

enum status hub_part_publish(struct hub_part *p, const char *hash, struct error *err) {
    char *blob;
    enum status s = hub_cache_path(p->cache, &blob, err, "blobs/%s", hash);
    if (s == STATUS_OK && fsync(p->fd) != 0) s = hub_cache_fail(p->cache, errno, blob, err);
    if (s == STATUS_OK && rename(p->path, blob) != 0) {
        s = errno == ENOENT ? STATUS_CANCELLED : STATUS_IO;
        if (s == STATUS_IO) s = hub_cache_fail(p->cache, errno, blob, err);
    }
    if (s == STATUS_OK) unlink(p->map_path);
    free(blob);
    return s;
}

void hub_part_discard(struct hub_part *p) {
    if (p->path) unlink(p->path);
    if (p->map_path) unlink(p->map_path);
}

void hub_part_close(struct hub_part *p) {
    if (p->fd >= 0) close(p->fd);
    if (p->map_fd >= 0) close(p->map_fd);
    free(p->path);
    free(p->map_path);
    free(p->done);
    *p = (struct hub_part){.fd = -1, .map_fd = -1};
}
