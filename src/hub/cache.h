/*
 * cache.h - the cache's folders and files, laid out as the hub's own tools do it.
 *
 *     CACHE/CACHEDIR.TAG
 *     CACHE/.locks/models--ORG--NAME/HASH.lock
 *     CACHE/models--ORG--NAME/refs/REV                40 digits, no newline
 *     CACHE/models--ORG--NAME/blobs/HASH              may be a link to CACHE/blobs/HH/XETHASH
 *     CACHE/models--ORG--NAME/blobs/HASH.firered-*    on its way: part_file.h
 *     CACHE/models--ORG--NAME/snapshots/COMMIT/PATH   a relative link to ../../blobs/HASH, or,
 *                                                     where links cannot be, the file itself
 *
 * Nothing is ever written through a link, and everything appears whole, by rename.
 */
#ifndef HUB_CACHE_H
#define HUB_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "hub/hub.h"
#include "hub/id.h"
#include "hub/tree.h"

struct hub_cache {
    const struct hub_options *options;
    char *repo;  /* CACHE/models--ORG--NAME */
    char *blobs; /* REPO/blobs */
    char *locks; /* CACHE/.locks/models--ORG--NAME */
};

/* Only paths; nothing is made.  STATUS_INVALID: the options have no cache.  STATUS_NO_MEMORY.  The caller closes *out, also after a failure. */
enum status hub_cache_open(struct hub_cache *out, const struct hub_options *o,
                           const struct hub_id *id, struct error *err);
void hub_cache_close(struct hub_cache *c);

/* Makes the folder and those above it; STATUS_IO names the folder and the variable of the cache. */
enum status hub_cache_make_folder(const struct hub_cache *c, const char *folder, struct error *err);

/* Makes the cache itself, with its tag, and the folders of the model. */
enum status hub_cache_make(const struct hub_cache *c, struct error *err);

/* Sets *path to REPO/... ; the caller frees it.  STATUS_NO_MEMORY. */
__attribute__((format(printf, 4, 5))) enum status hub_cache_path(const struct hub_cache *c,
                                                                 char **path, struct error *err,
                                                                 const char *format, ...);

/* Whether the file is there whole, by its size: as a blob, or in the snapshot itself. */
bool hub_cache_has_blob(const struct hub_cache *c, const struct hub_file *file);
bool hub_cache_has(const struct hub_cache *c, const char *commit, const struct hub_file *file);

/* The commit that refs/REV names; false: there is no such ref, or it is none. */
bool hub_cache_ref(const struct hub_cache *c, const char *revision, char commit[HUB_COMMIT_SIZE]);
enum status hub_cache_set_ref(const struct hub_cache *c, const char *revision, const char *commit,
                              struct error *err);

/* Puts the file into the snapshot: a link to its blob.  Where links cannot be, the blob itself, or,
 * with `shared`, a copy of it. */
enum status hub_cache_link(const struct hub_cache *c, const char *commit,
                           const struct hub_file *file, bool shared, struct error *err);

/* The lock of a blob, as the hub's own tools take it.  Waits, and says so every 10 seconds; ends
 * with STATUS_CANCELLED.  *fd is -1 where the file system has no such locks, or only says so: then
 * nobody else is kept out. */
enum status hub_cache_lock(const struct hub_cache *c, const char *hash, const char *path, int *fd,
                           struct error *err);
void hub_cache_unlock(int fd);

/* Whether some process holds one of the model's locks. */
bool hub_cache_is_locked(const struct hub_cache *c);

/* Writes a small file whole, by temporary name, fsync and rename. */
enum status hub_cache_write(const struct hub_cache *c, const char *path, const void *bytes,
                            size_t size, struct error *err);

/* STATUS_IO with a sentence about the disk: ENOSPC and EDQUOT say how to get room, what may not be
 * written names the cache's variable. */
enum status hub_cache_fail(const struct hub_cache *c, int number, const char *path,
                           struct error *err);

#endif
