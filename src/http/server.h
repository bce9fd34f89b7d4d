/*
 * server.h - the HTTP service, from the open socket to the last reply.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "base/log.h"
#include "config/config.h"

/* Opens the socket, then loads the model from the folder `model` (shown to clients as `model_name`), serves until SIGTERM
 * or SIGINT, lets running edits end, and returns STATUS_OK.  A port that is taken, or a model that does not load, is an
 * error. */
enum status server_run(const struct config *config, const char *model, const char *model_name,
                       const struct log *log, struct error *err);

#endif
