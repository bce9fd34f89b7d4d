/*
 * A setting that is one of the hub's variables stands before the environment's: a flag or a line of
 * .env may have said it.  All that OPTION_HUB has are texts.
 */
#include "cli/hub_settings.h"

#include <stdlib.h>
#include <string.h>

#include "config/options.h"

static const char *get(void *arg, const char *name) {
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (!(o->commands & OPTION_HUB) || strcmp(o->variable, name) != 0) continue;
        const char *set = *(char *const *)((const char *)arg + o->offset);
        return set ? set : getenv(name);
    }
    return getenv(name);
}

enum status hub_settings_read(struct hub_environment *out, struct hub_options *options,
                              const struct config *config, struct error *err) {
    const struct hub_variables variables = {get, (void *)config};
    return hub_environment_read(out, options, &variables, err);
}
