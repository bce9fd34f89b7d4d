/*
 * verify.h - every byte of a model in the cache against the hash that the hub gave it.
 *
 * The hash is the name of the blob that a snapshot's link leads to.  A file that lies in the snapshot
 * itself is looked up in the hub's list, which takes the network; without it, it is not checked, and
 * told.
 */
#ifndef HUB_VERIFY_H
#define HUB_VERIFY_H

#include "base/buffer.h"
#include "hub/hub.h"
#include "hub/id.h"

struct hub_verify_result {
    size_t files, wrong, unchecked, repaired;
    uint64_t bytes;
    struct buffer wrong_paths; /* of the files that are wrong and not repaired, one a line */
    struct buffer missing;     /* what of a model is missing, comma-separated */
};

/* With `repair` each wrong file is fetched anew and takes the old one's place by rename, and what is
 * missing is fetched.  STATUS_OK: the work was done, whatever it found.  STATUS_INVALID: the model is
 * not here.  STATUS_IO, STATUS_CANCELLED.  The caller frees *out, also after a failure. */
enum status hub_verify(const struct hub_options *o, const struct hub_id *id, bool repair,
                       struct hub_verify_result *out, struct error *err);
void hub_verify_result_free(struct hub_verify_result *r);

#endif
