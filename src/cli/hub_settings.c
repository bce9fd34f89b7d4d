/*
 * A setting that is one of the hub's variables stands before the environment's: a flag or a line of
 * .env may have said it.
 */
#include "cli/hub_settings.h"

#include <stdlib.h>
#include <string.h>

static const char *get(void *arg, const char *name) {
    const struct config *c = arg;
    const char *set = NULL;
    if (strcmp(name, "HF_HOME") == 0) set = c->hf_home;
    if (strcmp(name, "HF_TOKEN") == 0) set = c->hf_token;
    if (strcmp(name, "HF_ENDPOINT") == 0) set = c->hf_endpoint;
    return set ? set : getenv(name);
}

enum status hub_settings_read(struct hub_environment *out, struct hub_options *options,
                              const struct config *config, struct error *err) {
    const struct hub_variables variables = {get, (void *)config};
    return hub_environment_read(out, options, &variables, err);
}
