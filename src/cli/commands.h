/*
 * commands.h - the commands of the program, and what they have in common.
 *
 * Results go to standard output; everything else goes to standard error, and a failure is one line
 * there.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "config/args.h"
#include "config/config.h"
#include "firered/status.h"

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,  /* the flags or the settings are wrong; nothing was tried */
    EXIT_DEVICE = 4, /* the device was lost; a new process may find it well */
    EXIT_INTERRUPTED = 130
};

struct command {
    const char *name;
    const char *summary;        /* a few words */
    const char *help;           /* what stands before the list of settings */
    unsigned options;           /* enum option_command: the settings that are flags of it */
    unsigned variables;         /* further settings that count, but not as flags */
    const struct arg_spec *own; /* its own flags, ended by a NULL flag; or NULL */

    /* Does the work.  Returns an exit status; when that is not EXIT_OK, err says why. */
    int (*work)(const struct config *config, const struct args *args, struct error *err);
};

extern const struct command command_serve, command_edit, command_info, command_health, command_eval,
    command_bench, command_decode, command_pull, command_list, command_rm, command_verify;

/* All its flags, settings included, in a malloc'ed block; a flag "" takes a word.  NULL: no memory. */
struct arg_spec *command_specs(const struct command *c, size_t *count);

/* Of a command whose work has begun: done, interrupted, else failed. */
int command_exit_status(enum status s);

/* argv[0] is the command's name; returns the exit status of the process.  Parses the flags, reads the settings, answers --help, does the work and reports a failure. */
int command_run(const struct command *command, int argc, char **argv);

#endif
