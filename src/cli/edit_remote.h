/*
 * edit_remote.h - an edit that a service makes, as a job of its: POST /v1/jobs, its events for the
 * progress bar, its result.
 */
#ifndef CLI_EDIT_REMOTE_H
#define CLI_EDIT_REMOTE_H

#include "cli/edit_made.h"
#include "cli/edit_request.h"
#include "cli/progress.h"
#include "net/http_client.h"

/* Has the pictures (the files' bytes, as many as r->input_count) edited with one of the request's
 * seeds.  What the request does not say, the service decides.  Once interrupted, it cancels the job
 * there.  STATUS_IO: the service cannot be reached or refuses, in its own words.
 * STATUS_CANCELLED.  STATUS_NO_MEMORY.  What *out holds is the caller's, also when it fails. */
enum status edit_remote(struct edit_made *out, struct http_client *client,
                        const struct edit_request *r, const struct buffer *pictures, uint64_t seed,
                        struct progress *progress, struct error *err);

#endif
