/*
 * args.h - the words after a command's name: `--flag value`, `--flag=value`, `--switch`.
 *
 * getopt_long is not used because it guesses at abbreviated flags and writes its own messages.
 * Here a flag is what it is, an error is one sentence, and a misspelt flag is answered with the
 * one that was probably meant.
 */
#ifndef CONFIG_ARGS_H
#define CONFIG_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "firered/status.h"

struct arg_spec {
    const char *flag;  /* without the two dashes; "": words that are no flags */
    const char *value; /* what it takes, as --help calls it; NULL: nothing */
};

struct arg {
    const char *flag;  /* the spec's */
    const char *value; /* in argv; NULL for a switch */
};

struct args {
    struct arg *list; /* in the order given */
    size_t count;
};

/* Parses argv[1..argc-1]; argv[0] is the command's name, for the messages.  `-h` is `--help` where
 * the specs have that.  A value that starts with two dashes has to be written --flag=value, so that
 * a forgotten value is noticed.  STATUS_INVALID: an unknown flag, a missing or superfluous value, a
 * word that is no flag.  STATUS_NO_MEMORY.  On success the caller releases *out, which points into
 * argv and specs. */
enum status args_parse(struct args *out, int argc, char **argv, const struct arg_spec *specs,
                       size_t spec_count, struct error *err);
void args_free(struct args *args);

/* The value of a flag, the last one where it was given several times; NULL where it was not.  A
 * switch has "". */
const char *args_last(const struct args *args, const char *flag);

/* Of `names`, the one that `word` is probably a misspelling of, or NULL. */
const char *args_closest(const char *word, const char *const *names, size_t count);

/* How many letters were left out, added, exchanged or put in the wrong order between two words;
 * words of 48 letters and more are simply far. */
size_t args_distance(const char *a, const char *b);

#endif
