/*
 * A command's row says which settings are flags of it; with its own flags they make one list, by
 * which the command line is read.  Settings come next, then the work.  Whatever failed has left
 * its sentence, which is written here and nowhere else.
 */
#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "config/options.h"

static int write_help(const struct command *c, struct error *err) {
    struct buffer list = {0};
    enum status s = options_write_flags(&list, c->options);
    if (s == STATUS_OK)
        printf("%s\nSettings (`firered help settings` explains them, and their variables):\n%s",
               c->help, list.data);
    buffer_free(&list);
    if (s == STATUS_OK && fflush(stdout) == 0) return EXIT_OK;
    fail(err, STATUS_IO, "cannot write the help");
    return EXIT_FAILED;
}

static int read_and_work(const struct command *c, const struct args *args, struct error *err) {
    struct config config;
    enum status s = config_read(&config, c->options | c->variables, args, err);
    if (s != STATUS_OK) return s == STATUS_NO_MEMORY ? EXIT_FAILED : EXIT_USAGE;
    for (size_t i = 0; i < config.warning_count && !(c->options & OPTION_SERVE); i++)
        fprintf(stderr, "firered %s: %s\n", c->name, config.warnings[i]); /* serve logs them */
    int exit_status = c->work(&config, args, err);
    config_free(&config);
    return exit_status;
}

struct arg_spec *command_specs(const struct command *c, size_t *count) {
    size_t own = 0;
    while (c->own && c->own[own].flag) own++;
    struct arg_spec *specs = option_specs(c->options, own + 1, count);
    if (!specs) return NULL;
    for (size_t i = 0; i < own; i++) specs[(*count)++] = c->own[i];
    specs[(*count)++] = (struct arg_spec){"help", NULL};
    return specs;
}

int command_exit_status(enum status s) {
    switch (s) {
    case STATUS_OK: return EXIT_OK;
    case STATUS_CANCELLED: return EXIT_INTERRUPTED;
    case STATUS_DEVICE: return EXIT_DEVICE;
    default: return EXIT_FAILED;
    }
}

int command_run(const struct command *command, int argc, char **argv) {
    struct error err = {"no memory to read the flags"};
    struct args args = {0};
    size_t count;
    int exit_status = EXIT_FAILED;
    struct arg_spec *specs = command_specs(command, &count);
    if (specs) {
        enum status s = args_parse(&args, argc, argv, specs, count, &err);
        if (s != STATUS_OK)
            exit_status = s == STATUS_NO_MEMORY ? EXIT_FAILED : EXIT_USAGE;
        else if (args_last(&args, "help"))
            exit_status = write_help(command, &err);
        else
            exit_status = read_and_work(command, &args, &err);
    }
    args_free(&args);
    free(specs);
    if (exit_status != EXIT_OK) fprintf(stderr, "firered %s: %s\n", command->name, err.text);
    return exit_status;
}
