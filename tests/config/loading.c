/*
 * The variables are those of the table, so that a new setting is unset here too.
 */
#include "support/unit_test.h"

#include "config/loading.h"

#include <stdlib.h>
#include <unistd.h>

#include "config/options.h"
#include "support/files.h"

static char *folder;

int set_up(void **state) {
    (void)state;
    for (size_t i = 0; i < option_count; i++) unsetenv(option_table[i].variable);
    unlink(".env");
    return 0;
}

int enter_folder(void **state) {
    (void)state;
    folder = temporary_folder();
    return chdir(folder);
}

int leave_folder(void **state) {
    (void)state;
    int left = chdir("/");
    remove_folder(folder);
    return left;
}

void write_env(const char *text) {
    write_text(".env", text);
}

/* As the commands do it: the words are parsed, and the rest is the settings'. */
static enum status read_words(struct config *out, int argc, char **argv, struct error *err) {
    struct args args = {0};
    size_t count;
    *out = (struct config){0};
    struct arg_spec *specs = option_specs(OPTION_SERVE, 0, &count);
    assert_non_null(specs);
    enum status s = args_parse(&args, argc, argv, specs, count, err);
    if (s == STATUS_OK) s = config_read(out, OPTION_SERVE, &args, err);
    args_free(&args);
    free(specs);
    return s;
}

enum status load(struct config *c, struct error *err, const char *const *words) {
    char *argv[MAX_WORDS + 2] = {(char *)"serve"};
    int argc = 1;
    for (; words && *words; words++) argv[argc++] = (char *)*words;
    err->text[0] = '\0';
    return read_words(c, argc, argv, err);
}

void load_good(struct config *c) {
    struct error err;
    if (load(c, &err, NULL) != STATUS_OK) fail_msg("refused: %s", err.text);
}
