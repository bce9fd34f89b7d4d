/*
 * server.h - the HTTP service, from the open socket to the last reply.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "base/log.h"
#include "config/config.h"
#include "http/limits.h"

struct model_fetch;
struct route;

/* Opens the socket, then loads the model from the folder `model` (shown to clients as
 * `model_name`), serves until SIGTERM or SIGINT, lets running edits end, and returns STATUS_OK.  A
 * port that is taken, or a model that does not load, is an error.  `fetch`, which may be NULL, brings
 * the model to this machine first; `model` does not count then.
 *
 * Takes over the process: blocks the two signals in every thread that it starts, ignores SIGPIPE,
 * and ends the process at once, without returning, on a second signal (status 128 + its number) or
 * on one while the model is still loading (status 0: nothing is lost by it).  Call it once, from
 * the main thread, before other threads are started. */
enum status server_run(const struct config *config, const char *model, const char *model_name,
                       const struct model_fetch *fetch, const struct log *log, struct error *err);

/* The same with other limits than limits_default(), and with rows beside those of the table of
 * routes (`more` of route_find). */
enum status server_run_with(const struct config *config, const char *model, const char *model_name,
                            const struct model_fetch *fetch, const struct limits *limits,
                            const struct route *more, const struct log *log, struct error *err);

#endif
