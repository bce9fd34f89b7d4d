/*
 * blob.h - one file from the hub into the cache's blobs/, with its hash checked.
 *
 * A file below one segment that is not in LFS comes in one answer.  Every other is fetched by
 * segments of 16 MiB over several connections at a time, in order, while its hash is taken over
 * what is there without a gap; a server that does not do ranges, or a file system that does not
 * write past a file's end, gets one connection and the file from front to back.
 *
 * A segment is tried 6 times more when it comes no further.  A file with the wrong hash is fetched
 * once more, from the start, over one connection and without ranges.
 */
#ifndef HUB_BLOB_H
#define HUB_BLOB_H

#include <stdatomic.h>

#include "hub/cache.h"
#include "hub/remote.h"

struct hub_blob {
    const struct hub_cache *cache;
    const struct hub_remote *remote;
    const char *commit;
    const struct hub_file *file;
    bool again;                 /* also when the blob is there */
    const struct buffer *known; /* its bytes, where they came before; else NULL */

    /* Called once, when no segment is left for another connection to take; may be NULL. */
    void (*all_taken)(void *arg);
    void *arg;
    atomic_uint_fast64_t *there; /* bytes of the pull that are in the cache; follows each piece, and
                                    goes back where bytes have to be fetched anew */
    atomic_uint_fast64_t *received; /* bytes that came over the network */
};

/* Blocks.  STATUS_IO, STATUS_INVALID: the sentence.  The part stays for the next time, but for
 * bytes that were wrong.  STATUS_CANCELLED, also when the pull has failed elsewhere. */
enum status hub_blob_fetch(const struct hub_blob *b, struct error *err);

#endif
