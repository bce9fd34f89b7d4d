/*
 * Gathers the values of every option from the three sources, in order of precedence, and lets the
 * table check them.  A source only counts if its value is not empty: `PORT= firered serve` is the
 * same as PORT not set.
 */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/env_file.h"
#include "config/options.h"
#include "config/values.h"
#include "config/warnings.h"

struct sources {
    unsigned command;
    const struct args *args;
    const struct env_file *file;
};

static void set_initial(struct config *c) {
    *c = (struct config){.default_guidance = -1.0,
                         .log_format = isatty(STDERR_FILENO) ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON};
}

/* Of a flag given several times the last counts; the values of a list add up. */
static enum status set_from_flags(struct config *c, const struct option *o, const struct args *args,
                                  bool *found, struct error *err) {
    char flag[OPTION_FLAG_SIZE], source[OPTION_FLAG_SIZE + 2];
    enum status s = STATUS_OK;
    const struct arg *last = NULL;
    option_flag(o, flag);
    for (size_t i = 0; i < args->count && s == STATUS_OK; i++) {
        const struct arg *a = &args->list[i];
        if (strcmp(a->flag, flag) != 0 && (!o->alias || strcmp(a->flag, o->alias) != 0)) continue;
        last = a;
        if (o->kind != OPTION_LORAS || option_is_empty(o, a->value)) continue;
        *found = true;
        s = option_add(c, o, a->value, "--lora", err);
    }
    if (s != STATUS_OK || o->kind == OPTION_LORAS || !last) return s;
    *found = !option_is_empty(o, last->value);
    snprintf(source, sizeof source, "--%s", last->flag);
    return *found ? option_set(c, o, last->value, source, err) : s;
}

static enum status set_from_environment(struct config *c, const struct option *o,
                                        const struct env_file *file, bool *found,
                                        struct error *err) {
    const char *value = getenv(o->variable);
    char source[64];
    *found = value && !option_is_empty(o, value);
    c->host_from_environment |= *found && o->kind == OPTION_HOST;
    if (*found) return option_set(c, o, value, NULL, err);
    const struct env_entry *e = env_file_find(file, o->variable);
    if (e && e->wrong)
        return fail(err, STATUS_INVALID, ".env, line %d: %s: %s", e->line, o->variable, e->wrong);
    *found = e && !option_is_empty(o, e->value);
    if (!*found) return STATUS_OK;
    snprintf(source, sizeof source, ".env, line %d", e->line);
    return option_set(c, o, e->value, source, err);
}

static enum status set_option(struct config *c, const struct option *o, const struct sources *from,
                              struct error *err) {
    bool found = false;
    enum status s = STATUS_OK;
    if (o->commands & from->command) {
        s = set_from_flags(c, o, from->args, &found, err);
        if (s == STATUS_OK && !found) s = set_from_environment(c, o, from->file, &found, err);
    }
    if (s == STATUS_OK && !found && o->value) s = option_set(c, o, o->value, "the default", err);
    return s;
}

static enum status check_together(const struct config *c, unsigned command, struct error *err) {
    if ((command & OPTION_SERVE) && c->default_steps > c->max_steps)
        return fail(err, STATUS_INVALID, "DEFAULT_STEPS=%d: must be at most MAX_STEPS, which is %d",
                    c->default_steps, c->max_steps);
    return STATUS_OK;
}

/* Folders of that name are common: many keep a Python environment there. */
static enum status read_file(struct env_file *out, struct config *c, unsigned command,
                             struct error *err) {
    static const char name[] = ".env";
    struct stat st;
    *out = (struct env_file){0};
    if (!(command & OPTION_SERVE)) return STATUS_OK;
    if (stat(name, &st) == 0 && S_ISDIR(st.st_mode))
        return warn(c, err, "%s is a folder: no settings are read from it", name);
    enum status s = env_file_read(out, name, err);
    return s == STATUS_OK ? warn_of_file(c, command, out, name, err) : s;
}

enum status config_read(struct config *out, unsigned command, const struct args *args,
                        struct error *err) {
    struct env_file file;
    set_initial(out);
    enum status s = read_file(&file, out, command, err);
    struct sources from = {command, args, &file};
    for (size_t i = 0; i < option_count && s == STATUS_OK; i++)
        s = set_option(out, &option_table[i], &from, err);
    if (s == STATUS_OK) s = check_together(out, command, err);
    if (s == STATUS_OK) s = warn_of_environment(out, command, err);
    env_file_free(&file);
    if (s != STATUS_OK) config_free(out);
    return s;
}

/* What is logged of a setting whose field is a string: NULL is one that is not set. */
static const char *logged_string(const struct option *o, const char *value) {
    if (o->kind == OPTION_SECRET) return value ? "set" : "none";
    if (o->kind == OPTION_URL) return value ? "set" : "default"; /* it may have a password in it */
    return value ? value : "(unset)";
}

static const char *choice_name(const struct option *o, const void *field) {
    int value;
    memcpy(&value, field, sizeof value); /* an enum is as wide as an int here */
    for (const struct choice *c = o->choices; c->name; c++)
        if (c->value == value) return c->name;
    return "";
}

static const char *logged_memory(uint64_t bytes, char out[24]) {
    if (bytes == FIRERED_MEMORY_AUTO) return "auto";
    if (!bytes) return "none";
    snprintf(out, 24, "%llu", (unsigned long long)bytes);
    return out;
}

void config_log(const struct config *c, const struct log *log) {
    enum { MAX_OPTIONS = 64 };
    struct log_field fields[MAX_OPTIONS];
    char keys[MAX_OPTIONS][OPTION_FLAG_SIZE], memory[24];
    size_t n = 0;
    for (size_t i = 0; i < c->warning_count; i++)
        log_event(log, LOG_WARN, "settings", LOG_STR("warning", c->warnings[i]));
    for (; n < option_count && n < MAX_OPTIONS; n++) {
        const struct option *o = &option_table[n];
        const void *field = (const char *)c + o->offset;
        const char *key = option_key(o, keys[n]);
        switch (o->kind) {
        case OPTION_INT: fields[n] = LOG_INT(key, *(const int *)field); break;
        case OPTION_INT64: fields[n] = LOG_INT(key, *(const int64_t *)field); break;
        case OPTION_REAL: fields[n] = LOG_REAL(key, *(const double *)field); break;
        case OPTION_CHOICE: fields[n] = LOG_STR(key, choice_name(o, field)); break;
        case OPTION_MEMORY:
        case OPTION_BYTES:
            fields[n] = LOG_STR(key, logged_memory(*(const uint64_t *)field, memory));
            break;
        case OPTION_LORAS: fields[n] = LOG_INT(key, c->lora_count); break;
        default: fields[n] = LOG_STR(key, logged_string(o, *(char *const *)field)); break;
        }
    }
    log_fields(log, LOG_INFO, "configuration", fields, n);
}

void config_free(struct config *c) {
    for (size_t i = 0; i < option_count; i++)
        if (option_is_string(&option_table[i]))
            free(*(char **)((char *)c + option_table[i].offset));
    for (size_t i = 0; i < c->warning_count; i++) free(c->warnings[i]);
    free(c->warnings);
    loras_free(c->loras, c->lora_count);
    *c = (struct config){0};
}
