/*
 * hub_settings.h - the hub's options of a command: its settings, then the environment.
 */
#ifndef CLI_HUB_SETTINGS_H
#define CLI_HUB_SETTINGS_H

#include "config/config.h"
#include "hub/environment.h"

/* Errors as hub_environment_read's; the options last as long as *out and the config. */
enum status hub_settings_read(struct hub_environment *out, struct hub_options *options,
                              const struct config *config, struct error *err);

#endif
