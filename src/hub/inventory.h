/*
 * inventory.h - what models the cache holds, and taking them out of it.
 */
#ifndef HUB_INVENTORY_H
#define HUB_INVENTORY_H

#include <time.h>

#include "hub/cache.h"

struct hub_held {
    struct hub_id id; /* the revision is a ref's name, or the commit where none leads here */
    char commit[HUB_COMMIT_SIZE];
    uint64_t bytes;    /* of the snapshot's files, each blob once */
    uint64_t fetching; /* bytes of files on their way, of the model */
    char *missing;     /* what of a model is missing; "" when it is whole */
    time_t used;       /* when a file of it was last read or written */
};

struct hub_inventory {
    struct hub_held *items; /* by id, then revision */
    size_t count, capacity;
};

/* Of an empty or absent cache: nothing.  STATUS_IO, STATUS_NO_MEMORY.  The caller frees *out, also
 * after a failure. */
enum status hub_inventory_read(struct hub_inventory *out, const struct hub_options *o,
                               struct error *err);
void hub_inventory_free(struct hub_inventory *i);

/* Takes a model out: with a revision said only its snapshot and the refs to it, else all of the
 * model.  Blobs go that no other snapshot of the model links; those that are shared outside the
 * model's folder stay.  *bytes: what was freed.  STATUS_INVALID: it is not here, or another process
 * is pulling it. */
enum status hub_remove(const struct hub_options *o, const struct hub_id *id, uint64_t *bytes,
                       struct error *err);

#endif
