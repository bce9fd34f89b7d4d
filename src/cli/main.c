/*
 * firered - edits pictures by instruction: as a service, or one picture at a time.
 */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "config/args.h"
#include "config/values.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} commands[] = {
    {"serve", cmd_serve, "the HTTP service"},
    {"edit", cmd_edit, "edit one picture"},
    {"info", cmd_info, "check a model's folder and tell what would run"},
    {"health", cmd_health, "ask a running service whether it is alive"},
    {"bench", cmd_bench, "measure an edit, phase by phase"},
    {"eval", cmd_eval, "score a list of edits against expected pictures"},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void write_usage(FILE *to) {
    fprintf(to, "firered %s - edits pictures by instruction\n\nusage: firered COMMAND [FLAGS]\n\n",
            FIRERED_VERSION);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].what);
    fprintf(to, "\n`firered COMMAND --help` lists a command's flags; `firered --version` tells the "
                "version.\n");
}

static int unknown_command(const char *word) {
    struct shown_value shown;
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++) names[i] = commands[i].name;
    const char *near = args_closest(word, names, COMMAND_COUNT);
    value_show(&shown, word);
    if (near)
        fprintf(stderr,
                "firered: unknown command '%s': did you mean %s? (firered --help lists all)\n",
                shown.text, near);
    else
        fprintf(stderr, "firered: unknown command '%s': firered --help lists all\n", shown.text);
    return EXIT_USAGE;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        write_usage(stderr);
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        write_usage(stdout);
        return EXIT_OK;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0) {
        printf("firered %s\n", FIRERED_VERSION);
        return EXIT_OK;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(word, commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
    return unknown_command(word);
}
