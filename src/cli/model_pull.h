/*
 * model_pull.h - a model that a command is to run and that is not here yet, or not whole.
 */
#ifndef CLI_MODEL_PULL_H
#define CLI_MODEL_PULL_H

#include "cli/hub_settings.h"
#include "cli/pull_teller.h"
#include "hub/id.h"
#include "service/service.h"

struct model_pull {
    struct hub_environment environment;
    struct hub_options options;
    struct hub_id id;
    struct pull_teller teller;
    const struct config *config;
    bool model; /* it is the model that is not here; else only LoRAs */
};

/* Whether MODEL_ID is set, is a model's id, and not in the cache whole, or a LoRA is a file of the
 * hub's that is not there: *wanted.  Settings that are
 * no good, and STATUS_NO_MEMORY, are errors.  The caller closes *out, also after a failure. */
enum status model_pull_look(struct model_pull *out, const struct config *config, bool *wanted,
                            struct error *err);
void model_pull_close(struct model_pull *p);

/* Fetches it, and tells how far it is as `command`: on the terminal, or in the log.  Ctrl-C ends it
 * with STATUS_CANCELLED where interrupts are deferred. */
enum status model_pull_run(struct model_pull *p, const char *command, const struct log *log,
                           struct error *err);

/* The same for a service: the log alone tells. */
void model_pull_as_fetch(struct model_pull *p, const struct log *log, struct model_fetch *out);

#endif
