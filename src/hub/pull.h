/*
 * pull.h - one model from the hub into the cache, whole and with every byte checked.
 *
 *     struct hub_pull_result result;
 *     enum status s = hub_pull(&options, &id, &(struct hub_pull_request){0}, &result, &err);
 *     ... result.folder ...
 *     hub_pull_result_free(&result);
 *
 * What is in the cache with the right size counts; what another pull has begun is gone on with.
 * Links and the ref come last, so that a snapshot is whole or does not grow.  A full commit that is
 * here whole needs no network.
 */
#ifndef HUB_PULL_H
#define HUB_PULL_H

#include "hub/hub.h"
#include "hub/id.h"

struct hub_pull_request {
    bool all;         /* every file of the repository, not only what the model needs */
    bool force;       /* also what is there */
    bool dry_run;     /* nothing is written; only the plan is told */
    const char *file; /* only this file of it, and a peft adapter's config; NULL: the model */
};

struct hub_pull_result {
    char *folder; /* of the snapshot; NULL when it fails */
    char commit[HUB_COMMIT_SIZE];
    size_t files;
    uint64_t bytes;    /* of them all */
    uint64_t fetch;    /* what had to come */
    uint64_t received; /* what came, with what came twice */
};

/* STATUS_OK, STATUS_CANCELLED (what is there is kept), else a sentence.  The caller frees *out. */
enum status hub_pull(const struct hub_options *o, const struct hub_id *id,
                     const struct hub_pull_request *request, struct hub_pull_result *out,
                     struct error *err);
void hub_pull_result_free(struct hub_pull_result *r);

#endif
