/*
 * remote.h - questions to the hub.
 *
 * Redirects are followed by hand, 10 at most and never from https to http.  The token goes to the
 * endpoint's scheme, host and port only.  What breaks on the way, and 5xx, is tried 6 times more;
 * 429 is waited for as long as the hub says, 310 seconds at most, and does not count; every other
 * refusal is final, and a sentence.
 */
#ifndef HUB_REMOTE_H
#define HUB_REMOTE_H

#include "base/buffer.h"
#include "hub/hub.h"
#include "hub/id.h"
#include "hub/lanes.h"
#include "hub/tree.h"

enum { HUB_RETRIES = 6, HUB_JSON_BYTES = 32 << 20, HUB_WAITS = 60 };

struct hub_remote {
    const struct hub_options *options;
    const struct hub_id *id;
    struct hub_lanes *lanes;
    bool (*stopped)(void *arg); /* beside `cancelled`: the pull has failed elsewhere; may be NULL */
    void *arg;
};

/* The commit of a revision. */
enum status hub_remote_commit(const struct hub_remote *r, const char *revision,
                              char commit[HUB_COMMIT_SIZE], struct error *err);

/* The list of its files, all pages of it.  The caller frees *tree, also after a failure. */
enum status hub_remote_tree(const struct hub_remote *r, const char *commit, struct hub_tree *tree,
                            struct error *err);

/* Where the bytes of a large file are: a URL, and whether the token goes there.  Its size and hash,
 * as far as they are told, are checked against the list's. */
struct hub_place {
    char *url;
    bool with_token;
};
enum status hub_remote_resolve(const struct hub_remote *r, const char *commit,
                               const struct hub_file *file, struct hub_place *out,
                               struct error *err);

/* A small file's bytes, whole; of the right size, and with the right hash. */
enum status hub_remote_read(const struct hub_remote *r, const char *commit,
                            const struct hub_file *file, struct buffer *out, struct error *err);

/* How long an answer of 429 asks to wait; in seconds, 1 to 310. */
double hub_wait_asked(struct http_connection *c);

/* Whether `http_get.cancelled` should say so: cancelled, or stopped. */
bool hub_remote_ended(const struct hub_remote *r);

/* The sentence for a request that ended without a usable answer. */
enum status hub_unreachable(const struct hub_options *o, const struct http_get *get,
                            struct error *err);

#endif
