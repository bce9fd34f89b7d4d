/*
 * tree.h - what the hub says is in a revision: its commit, and its files with sizes and hashes.
 *
 * All of it is untrusted.  Entries whose names could lead out of a folder, or that have no sane
 * size or hash, are not taken into the list, only counted.
 */
#ifndef HUB_TREE_H
#define HUB_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"
#include "hub/hub.h"

struct hub_file {
    char *path;
    uint64_t size;
    char hash[HUB_HASH_SIZE]; /* SHA-256 of what is in LFS, git's SHA-1 of the rest */
    bool lfs;
};

struct hub_tree {
    struct hub_file *files; /* by path, each once, after hub_tree_finish */
    size_t count, capacity;
    size_t ignored; /* entries that cannot be used */
};

/* The commit of /api/models/ID/revision/REV.  STATUS_INVALID: that is no such answer. */
enum status hub_revision_read(char commit[HUB_COMMIT_SIZE], const char *json, size_t size,
                              struct error *err);

/* Adds one page of /tree/COMMIT.  STATUS_INVALID: no list of entries.  STATUS_NO_MEMORY. */
enum status hub_tree_add(struct hub_tree *tree, const char *json, size_t size, struct error *err);

/* Sorts.  STATUS_INVALID: a file is in it twice, and differently; or a file is a folder, too. */
enum status hub_tree_finish(struct hub_tree *tree, struct error *err);

const struct hub_file *hub_tree_find(const struct hub_tree *tree, const char *path);
void hub_tree_free(struct hub_tree *tree); /* leaves it empty */

/* The URL of rel="next" in a Link header: sets *url, *size within it; false when there is none. */
bool hub_link_next(const char *header, const char **url, size_t *size);

#endif
