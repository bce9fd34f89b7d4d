/*
 * snapshot.h - a model as it lies in the cache: where, and whether all of it is there.
 *
 * No network, and nothing is written.
 */
#ifndef HUB_SNAPSHOT_H
#define HUB_SNAPSHOT_H

#include "base/buffer.h"
#include "hub/cache.h"

/* The commit that the id's revision is here: itself, where it is one that has a snapshot, else what
 * refs/ says.  False: it is not here. */
bool hub_snapshot_commit(const struct hub_cache *c, const char *revision,
                         char commit[HUB_COMMIT_SIZE]);

/* Sets *folder to the snapshot's, and *missing to what of a model is missing in it (empty: it is
 * whole).  *folder stays NULL where there is none.  The caller frees both.  STATUS_NO_MEMORY. */
enum status hub_snapshot_look(const struct hub_cache *c, const char *revision, char **folder,
                              struct buffer *missing, struct error *err);

/* What is missing of the model in any folder.  An index that is none counts as missing. */
enum status hub_folder_missing(const char *folder, struct buffer *missing, struct error *err);

enum { HUB_WEIGHTS = 3 }; /* transformer, text_encoder, vae */

struct hub_lacks {
    struct buffer paths; /* of the files that are missing, each with a newline */
    size_t count;
    struct {
        const char *folder;
        size_t missing;        /* files of weights */
        uint64_t there, total; /* their bytes: here, and in all, nearly, as the index says; 0: it
                                  does not */
    } weights[HUB_WEIGHTS];
};

/* The same with how much of the weights is missing.  The caller frees *out, also after a failure.
 * STATUS_INVALID: an index that is none. */
enum status hub_folder_lacks(struct hub_lacks *out, const char *folder, struct error *err);
void hub_lacks_free(struct hub_lacks *l);

#endif
