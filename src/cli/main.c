/*
 * firered - edits pictures by instruction: as a service, or one picture at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "cli/commands.h"
#include "config/args.h"
#include "config/options.h"
#include "config/values.h"

static const struct command *const commands[] = {
    &command_serve, &command_edit, &command_info, &command_decode, &command_health, &command_eval,
    &command_bench, &command_pull, &command_list, &command_rm,     &command_verify};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void write_usage(FILE *to) {
    fprintf(to, "firered %s - edits pictures by instruction\n\nusage: firered COMMAND [FLAGS]\n\n",
            FIRERED_VERSION);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(to, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to, "\n"
                "firered edit --image cat.jpg --prompt 'make it night'    writes cat-edited.png\n"
                "\n"
                "firered COMMAND --help    a command's flags\n"
                "firered help settings     what can be set in the environment, too\n"
                "firered --version\n");
}

static const struct command *find_command(const char *word) {
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(word, commands[i]->name) == 0) return commands[i];
    return NULL;
}

static int unknown_command(const char *word) {
    struct shown_value shown;
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++) names[i] = commands[i]->name;
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

static int write_settings(void) {
    struct buffer list = {0};
    enum status s = options_write_help(&list, ~0u);
    if (s == STATUS_OK)
        printf("A flag wins over the environment, the environment over .env, which only serve "
               "reads.\n\n%s",
               list.data);
    buffer_free(&list);
    return s == STATUS_OK && fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

static int help(const char *topic) {
    if (!topic) {
        write_usage(stdout);
        return EXIT_OK;
    }
    if (strcmp(topic, "settings") == 0) return write_settings();
    const struct command *c = find_command(topic);
    char *words[] = {(char *)topic, "--help"};
    return c ? command_run(c, 2, words) : unknown_command(topic);
}

/* For shells to complete with: the commands, or a command's flags with what they take. */
static int list_flags(const char *name) {
    size_t count;
    if (!name) {
        for (size_t i = 0; i < COMMAND_COUNT; i++) puts(commands[i]->name);
        puts("help");
        return EXIT_OK;
    }
    const struct command *c = find_command(name);
    if (!c) return unknown_command(name);
    struct arg_spec *specs = command_specs(c, &count);
    for (size_t i = 0; specs && i < count; i++)
        printf("%s%s%s%s\n", *specs[i].flag ? "--" : "", specs[i].flag,
               *specs[i].flag && specs[i].value ? " " : "", specs[i].value ? specs[i].value : "");
    free(specs);
    return specs ? EXIT_OK : EXIT_FAILED;
}

/* Whoever started us without one of the standard descriptors would have the next file or socket
 * that is opened take its place, and be written to. */
static void fill_standard_descriptors(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) open("/dev/null", O_RDWR); /* gets `fd` */
}

int main(int argc, char **argv) {
    fill_standard_descriptors();
    signal(SIGXFSZ, SIG_IGN); /* a file at its size limit is an error of write */
    if (argc < 2) {
        write_usage(stderr);
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) return help(NULL);
    if (strcmp(word, "help") == 0) return help(argc > 2 ? argv[2] : NULL);
    if (strcmp(word, "flags") == 0) return list_flags(argc > 2 ? argv[2] : NULL);
    if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0) {
        printf("firered %s\n", FIRERED_VERSION);
        return EXIT_OK;
    }
    const struct command *c = find_command(word);
    return c ? command_run(c, argc - 1, argv + 1) : unknown_command(word);
}
