/*
 * Words are looked up in the list of flags, one after the other; the nearest flag to an unknown one is
 * the one with the least edits between them: Levenshtein's distance by rows, where two letters that
 * changed places are one edit.
 */
#include "config/args.h"

#include <stdlib.h>
#include <string.h>

#include "config/values.h"

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

size_t args_distance(const char *a, const char *b) {
    enum { ROW = 48 };
    size_t rows[3][ROW], n = strlen(b);
    if (strlen(a) >= ROW || n >= ROW) return ROW;
    for (size_t j = 0; j <= n; j++) rows[0][j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            row[j] =
                smaller(above[j - 1] + (a[i - 1] != b[j - 1]), smaller(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = smaller(row[j], second[j - 2] + 1);
        }
    }
    return rows[strlen(a) % 3][n];
}

const char *args_closest(const char *word, const char *const *names, size_t count) {
    const char *best = NULL;
    size_t best_distance = strlen(word) / 3 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t d = args_distance(word, names[i]);
        if (d <= best_distance && d < strlen(names[i])) {
            if (d == best_distance && best) continue;
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}

static enum status unknown_flag(const char *command, const char *flag, const struct arg_spec *specs,
                                size_t spec_count, struct error *err) {
    struct shown_value shown;
    const char **names = calloc(spec_count + 1, sizeof *names);
    if (!names) return fail(err, STATUS_NO_MEMORY, "no memory to read the flags");
    for (size_t i = 0; i < spec_count; i++) names[i] = specs[i].flag;
    const char *near = args_closest(flag, names, spec_count);
    free(names);
    value_show(&shown, flag);
    if (near)
        return fail(err, STATUS_INVALID,
                    "unknown flag --%s: did you mean --%s? (firered %s --help lists all)",
                    shown.text, near, command);
    return fail(err, STATUS_INVALID, "unknown flag --%s: firered %s --help lists all", shown.text,
                command);
}

static const struct arg_spec *spec_find(const struct arg_spec *specs, size_t spec_count,
                                        const char *flag) {
    for (size_t i = 0; i < spec_count; i++)
        if (strcmp(specs[i].flag, flag) == 0) return &specs[i];
    return NULL;
}

/* Parses the word at argv[*at], and its value; moves *at past them. */
static enum status parse_one(struct arg *out, int argc, char **argv, int *at,
                             const struct arg_spec *specs, size_t spec_count, struct error *err) {
    struct shown_value shown;
    const char *word = argv[(*at)++];
    const struct arg_spec *words = spec_find(specs, spec_count, "");
    if (strcmp(word, "-h") == 0) word = "--help";
    if (words && (word[0] != '-' || !word[1])) {
        *out = (struct arg){words->flag, word};
        return STATUS_OK;
    }
    if (strncmp(word, "--", 2) != 0 || !word[2]) {
        value_show(&shown, word);
        return fail(err, STATUS_INVALID,
                    "unexpected argument '%s': firered %s takes flags only (see --help)",
                    shown.text, argv[0]);
    }
    char flag[64];
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
    if (length >= sizeof flag) length = sizeof flag - 1;
    memcpy(flag, word + 2, length);
    flag[length] = '\0';

    const struct arg_spec *spec = spec_find(specs, spec_count, flag);
    if (!spec) return unknown_flag(argv[0], flag, specs, spec_count, err);
    out->flag = spec->flag;
    out->value = equals ? equals + 1 : NULL;
    if (!spec->value)
        return equals ? fail(err, STATUS_INVALID, "--%s takes no value", flag) : STATUS_OK;
    if (equals) return STATUS_OK;
    if (*at >= argc) return fail(err, STATUS_INVALID, "--%s needs a value: %s", flag, spec->value);
    if (strncmp(argv[*at], "--", 2) == 0) {
        value_show(&shown, argv[*at]);
        return fail(err, STATUS_INVALID,
                    "--%s needs a value: %s (write --%s=%s if that is meant to be it)", flag,
                    spec->value, flag, shown.text);
    }
    out->value = argv[(*at)++];
    return STATUS_OK;
}

enum status args_parse(struct args *out, int argc, char **argv, const struct arg_spec *specs,
                       size_t spec_count, struct error *err) {
    *out = (struct args){.list = calloc((size_t)argc + 1, sizeof *out->list)};
    if (!out->list) return fail(err, STATUS_NO_MEMORY, "no memory to read the flags");
    for (int at = 1; at < argc;) {
        enum status s = parse_one(&out->list[out->count], argc, argv, &at, specs, spec_count, err);
        if (s != STATUS_OK) {
            args_free(out);
            return s;
        }
        out->count++;
    }
    return STATUS_OK;
}

void args_free(struct args *args) {
    free(args->list);
    *args = (struct args){0};
}

const char *args_last(const struct args *args, const char *flag) {
    for (size_t i = args->count; i-- > 0;)
        if (strcmp(args->list[i].flag, flag) == 0)
            return args->list[i].value ? args->list[i].value : "";
    return NULL;
}
