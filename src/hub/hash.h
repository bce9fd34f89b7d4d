/*
 * hash.h - the hash that the hub names a file by: SHA-256 for what is in LFS, and for the rest what
 * git says, SHA-1 over "blob SIZE", a zero byte and the content.
 */
#ifndef HUB_HASH_H
#define HUB_HASH_H

#include "hub/tree.h"

struct hub_hash;

/* Of the file's size and kind only.  STATUS_NO_MEMORY. */
enum status hub_hash_create(struct hub_hash **out, const struct hub_file *file, struct error *err);
void hub_hash_add(struct hub_hash *h, const void *bytes, size_t size);

/* Writes the digits and releases h, which may be NULL: then "". */
void hub_hash_end(struct hub_hash *h, char digits[HUB_HASH_SIZE]);

#endif
