/*
 * Flags and values of any bytes: refused with one line, or what comes out is within its limits, and
 * the same with blanks around it.
 *
 * The first byte chooses a command; each line that follows is a word of its command line.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "config/options.h"
#include "config/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_WORDS = 32 };

static void require(bool holds) {
    if (!holds) abort();
}

static void one_line(enum status s, const struct error *err) {
    require(s == STATUS_INVALID && *err->text && !strchr(err->text, '\n'));
}

static void check_option(const struct config *c, const struct option *o) {
    const void *field = (const char *)c + o->offset;
    double n = 0;
    switch (o->kind) {
    case OPTION_INT: n = *(const int *)field; break;
    case OPTION_INT64: n = (double)*(const int64_t *)field; break;
    case OPTION_REAL: n = *(const double *)field; break;
    case OPTION_MEMORY:
    case OPTION_BYTES:
    case OPTION_CHOICE: return;
    case OPTION_LORAS:
        for (size_t i = 0; i < c->lora_count; i++)
            require(*c->loras[i].path && fabs(c->loras[i].scale) <= 100);
        return;
    default: {
        const char *text = *(char *const *)field;
        require(!text || strlen(text) <= 65536);
        return;
    }
    }
    if (!o->value && n <= 0) return; /* unset */
    require(n >= o->min && n <= o->max);
}

static void check_words(unsigned command, int argc, char **argv) {
    struct args args;
    struct config c;
    struct error err = {""};
    size_t count;
    struct arg_spec *specs = option_specs(command, 1, &count);
    if (!specs) return;
    specs[count++] = (struct arg_spec){"", "FILE"};
    enum status s = args_parse(&args, argc, argv, specs, count, &err);
    if (s == STATUS_OK) {
        s = config_read(&c, command, &args, &err);
        for (size_t i = 0; i < option_count && s == STATUS_OK; i++)
            check_option(&c, &option_table[i]);
        if (s == STATUS_OK) config_free(&c);
        args_free(&args);
    }
    if (s != STATUS_OK) one_line(s, &err);
    free(specs);
}

/* The value of every setting: taken with blanks around it where it is taken without. */
static void check_value(const char *value) {
    char wide[600];
    if (strlen(value) > 500) return;
    snprintf(wide, sizeof wide, " \t%s ", value);
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        struct config a = {0}, b = {0};
        struct error err = {""};
        if (option_is_empty(o, value)) continue;
        enum status s = option_set(&a, o, value, NULL, &err);
        if (s != STATUS_OK) one_line(s, &err);
        if (s == STATUS_OK) check_option(&a, o);
        require(o->kind == OPTION_TEXT || option_set(&b, o, wide, NULL, NULL) == s);
        config_free(&a);
        config_free(&b);
    }
}

static void prepare(void) {
    static bool done;
    if (done) return;
    done = true;
    clearenv(); /* no setting of whoever runs this */
    setenv("HOME", "/home/somebody", 1);
    require(chdir("/proc") == 0); /* where no .env can be */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const unsigned commands[] = {OPTION_SERVE,   OPTION_EDIT | OPTION_EDIT_DEFAULTS,
                                        OPTION_INFO,    OPTION_HEALTH,
                                        OPTION_MEASURE, OPTION_HUB,
                                        OPTION_DECODE};
    prepare();
    if (size < 1 || size > 4096) return 0;
    char *text = strndup((const char *)data + 1, size - 1), *rest = NULL;
    char *argv[MAX_WORDS + 2] = {(char *)"command"};
    int argc = 1;
    for (char *word = strtok_r(text, "\n", &rest); word && argc <= MAX_WORDS;
         word = strtok_r(NULL, "\n", &rest)) {
        argv[argc++] = word;
        option_meant(word, ~0u);
    }
    check_words(commands[data[0] % (sizeof commands / sizeof commands[0])], argc, argv);
    if (argc > 1) check_value(argv[argc - 1]);
    free(text);
    return 0;
}
