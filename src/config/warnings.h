/*
 * warnings.h - what is said about names that are no settings, so that a slip is not silent.
 *
 * A `.env` may be another project's, and the environment is everybody's: nothing there that is not
 * ours is an error.  Values are never shown.
 */
#ifndef CONFIG_WARNINGS_H
#define CONFIG_WARNINGS_H

#include "config/config.h"
#include "config/env_file.h"

/* Each adds to c->warnings.  STATUS_NO_MEMORY. */
enum status warn(struct config *c, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Of the variables that nearly are a setting of the command. */
enum status warn_of_environment(struct config *c, unsigned command, struct error *err);
/* The same of the file `name`, and of its lines that are nothing to us. */
enum status warn_of_file(struct config *c, unsigned command, const struct env_file *file,
                         const char *name, struct error *err);

#endif
