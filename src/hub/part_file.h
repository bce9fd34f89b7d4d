/*
 * part_file.h - a blob on its way: the bytes, and a map of which of them are there.
 *
 *     blobs/HASH.firered-part     the bytes, each at its place
 *     blobs/HASH.firered-map      "firered1", the size (8 bytes), and for every segment of 16 MiB
 *                                 how many bytes of it are there from its beginning on (4 bytes)
 *
 * The map follows each write, so that a process that is killed loses nothing but what it had not
 * written; it is believed only after the hash over all bytes.  The hub's own tools delete
 * *.incomplete; these names they leave alone.
 */
#ifndef HUB_PART_FILE_H
#define HUB_PART_FILE_H

#include "hub/cache.h"

enum { HUB_SEGMENT_BYTES = 16 << 20 };

struct hub_part {
    const struct hub_cache *cache;
    char *path, *map_path;
    int fd, map_fd;
    uint64_t size;
    uint32_t segments;
    uint32_t *done; /* bytes that are there, per segment */
};

/* `fresh`: what is there is thrown away.  `own`: nobody is kept out by a lock, so the names are
 * this process's own, and nothing is resumed.  STATUS_IO, STATUS_NO_MEMORY.  The caller closes *out,
 * also after a failure. */
enum status hub_part_open(struct hub_part *out, const struct hub_cache *c,
                          const struct hub_file *file, bool own, bool fresh, struct error *err);

/* Where segment i begins, and its bytes; and what of the file is there. */
static inline uint64_t hub_part_start(uint32_t i) {
    return (uint64_t)i * HUB_SEGMENT_BYTES;
}
uint64_t hub_part_length(const struct hub_part *p, uint32_t i);
uint64_t hub_part_there(const struct hub_part *p);

/* What a part of this file has already, without opening it for good. */
uint64_t hub_part_peek(const struct hub_cache *c, const struct hub_file *file);

/* Writes at done[i] of segment i, and counts it.  Returns 0, or errno; EFBIG stands for a place past
 * the end where the file system takes none. */
int hub_part_write(struct hub_part *p, uint32_t i, const char *bytes, size_t size);

/* The bytes become the blob: fsync, rename, no map.  STATUS_CANCELLED stands for a part that was
 * deleted meanwhile. */
enum status hub_part_publish(struct hub_part *p, const char *hash, struct error *err);
void hub_part_discard(struct hub_part *p); /* deletes both files */
void hub_part_close(struct hub_part *p);

#endif
