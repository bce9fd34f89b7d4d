/*
 * What people read about the settings, generated from the table.
 */
#include <stdlib.h>
#include <string.h>

#include "config/options.h"

enum { OPTION_VALUE_SIZE = 64 };

static const char *shown_default(const struct option *o) {
    return o->shown ? o->shown : o->value;
}

/* "cpu|cuda" for a choice, N for a number: what stands behind the flag in --help. */
static void describe_value(const struct option *o, char *out, size_t capacity) {
    out[0] = '\0';
    if (o->takes) {
        strncat(out, o->takes, capacity - 1);
        return;
    }
    for (const struct choice *c = o->choices; c && c->name; c++) {
        if (out[0]) strncat(out, "|", capacity - strlen(out) - 1);
        strncat(out, c->name, capacity - strlen(out) - 1);
    }
    if (out[0]) return;
    bool number = o->kind == OPTION_INT || o->kind == OPTION_INT64 || o->kind == OPTION_REAL;
    strncat(out, number ? "N" : o->kind == OPTION_HOST ? "ADDRESS" : "TEXT", capacity - 1);
}

struct arg_spec *option_specs(unsigned command, size_t extra, size_t *count) {
    /* The flags' and values' text lives behind the specs in the same block, so that one free releases all. */
    size_t specs = 2 * option_count + extra;
    size_t text_size = OPTION_FLAG_SIZE + OPTION_VALUE_SIZE;
    struct arg_spec *out = calloc(1, specs * sizeof *out + option_count * text_size);
    if (!out) return NULL;
    char *text = (char *)(out + specs);
    *count = 0;
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (!(o->commands & command)) continue;
        char *value = text + OPTION_FLAG_SIZE;
        option_flag(o, text);
        describe_value(o, value, OPTION_VALUE_SIZE);
        out[(*count)++] = (struct arg_spec){text, value};
        if (o->alias) out[(*count)++] = (struct arg_spec){o->alias, value};
        text += text_size;
    }
    return out;
}

/* Breaks a sentence into lines of at most `width` bytes behind `indent`. */
static enum status write_wrapped(struct buffer *out, const char *text, const char *indent,
                                 size_t width) {
    enum status s = STATUS_OK;
    while (*text && s == STATUS_OK) {
        size_t length = strlen(text), n = length;
        if (length > width)
            for (n = width; n > 0 && text[n] != ' ';) n--;
        if (n == 0) n = length;
        s = buffer_printf(out, "%s%.*s\n", indent, (int)n, text);
        text += n;
        text += strspn(text, " ");
    }
    return s;
}

enum status options_write_help(struct buffer *out, unsigned command) {
    enum status s = STATUS_OK;
    for (size_t i = 0; i < option_count && s == STATUS_OK; i++) {
        const struct option *o = &option_table[i];
        if (!(o->commands & command)) continue;
        char flag[OPTION_FLAG_SIZE], value[OPTION_VALUE_SIZE];
        option_flag(o, flag);
        describe_value(o, value, sizeof value);
        s = buffer_printf(out, "  --%s %s%s%s\n", flag, value, o->alias ? ", --" : "",
                          o->alias ? o->alias : "");
        if (s == STATUS_OK) s = write_wrapped(out, o->help, "      ", 74);
        if (s == STATUS_OK)
            s = buffer_printf(out, "      [%s, default: %s]\n", o->variable, shown_default(o));
    }
    return s;
}

enum status options_write_flags(struct buffer *out, unsigned command) {
    enum { WIDTH = 79 };
    size_t column = 0;
    enum status s = STATUS_OK;
    for (size_t i = 0; i < option_count && s == STATUS_OK; i++) {
        const struct option *o = &option_table[i];
        if (!(o->commands & command) || o->rare) continue;
        char flag[OPTION_FLAG_SIZE], value[OPTION_VALUE_SIZE];
        option_flag(o, flag);
        describe_value(o, value, sizeof value);
        const char *name = o->alias ? o->alias : flag;
        size_t length = strlen(name) + strlen(value) + 5; /* "  --name value" */
        if (column > 0 && column + length > WIDTH) {
            s = buffer_printf(out, "\n");
            column = 0;
        }
        if (s == STATUS_OK) s = buffer_printf(out, "  --%s %s", name, value);
        column += length;
    }
    return s == STATUS_OK ? buffer_printf(out, "\n") : s;
}

/* In roff `-` is a hyphen and `\-` what people type; a line must not begin with a dot. */
static enum status write_roff(struct buffer *out, const char *text) {
    enum status s = *text == '.' ? buffer_printf(out, "\\&") : STATUS_OK;
    for (; *text && s == STATUS_OK; text++)
        s = buffer_printf(out, *text == '-' ? "\\-" : *text == '\\' ? "\\e" : "%c", *text);
    return s;
}

enum status options_write_man(struct buffer *out) {
    enum status s = STATUS_OK;
    for (size_t i = 0; i < option_count && s == STATUS_OK; i++) {
        const struct option *o = &option_table[i];
        char flag[OPTION_FLAG_SIZE], value[OPTION_VALUE_SIZE];
        option_flag(o, flag);
        describe_value(o, value, sizeof value);
        s = buffer_printf(out, ".TP\n\\fB%s\\fP, \\fB\\-\\-", o->variable);
        if (s == STATUS_OK) s = write_roff(out, flag);
        if (s == STATUS_OK && o->alias) s = buffer_printf(out, "\\fP, \\fB\\-\\-%s", o->alias);
        if (s == STATUS_OK) s = buffer_printf(out, "\\fP \\fI%s\\fP\n", value);
        if (s == STATUS_OK) s = write_roff(out, o->help);
        if (s == STATUS_OK) s = buffer_printf(out, " [");
        if (s == STATUS_OK) s = write_roff(out, shown_default(o));
        if (s == STATUS_OK) s = buffer_printf(out, "]\n");
    }
    return s;
}

enum status options_write_env(struct buffer *out) {
    enum status s = buffer_printf(out, "# Settings of firered.  Copy this file to .env in the "
                                       "folder where it is started, and take the # off\n"
                                       "# the lines to change.  A variable that is set in the "
                                       "environment wins over this file, a flag over both.\n"
                                       "# Only firered serve reads it.\n");
    for (size_t i = 0; i < option_count && s == STATUS_OK; i++) {
        const struct option *o = &option_table[i];
        char allowed[OPTION_VALUE_SIZE];
        describe_value(o, allowed, sizeof allowed);
        s = buffer_printf(out, "\n");
        if (s == STATUS_OK) s = write_wrapped(out, o->help, "# ", 98);
        if (s == STATUS_OK && o->choices) s = buffer_printf(out, "# (%s)\n", allowed);
        /* A default that is no literal value is told in words; the line to fill in stays empty. */
        bool literal = o->value ? !o->shown : strcspn(o->shown, " ") == strlen(o->shown);
        if (literal && strcmp(shown_default(o), "none") == 0) literal = false;
        if (s == STATUS_OK && !literal) s = buffer_printf(out, "# default: %s\n", shown_default(o));
        if (s == STATUS_OK)
            s = buffer_printf(out, "#%s=%s\n", o->variable, literal ? shown_default(o) : "");
    }
    return s;
}

/* `|` would end the cell, and a backslash would go. */
static enum status write_cell(struct buffer *out, const char *text) {
    enum status s = STATUS_OK;
    for (; *text && s == STATUS_OK; text++)
        s = buffer_printf(out, *text == '|' || *text == '\\' ? "\\%c" : "%c", *text);
    return s;
}

enum status options_write_readme(struct buffer *out) {
    enum status s =
        buffer_printf(out, "| variable | flag | default | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < option_count && s == STATUS_OK; i++) {
        const struct option *o = &option_table[i];
        char flag[OPTION_FLAG_SIZE], allowed[OPTION_VALUE_SIZE];
        option_flag(o, flag);
        describe_value(o, allowed, sizeof allowed);
        s = buffer_printf(out, "| `%s` | `--%s` | %s | ", o->variable, flag, shown_default(o));
        if (s == STATUS_OK) s = write_cell(out, o->help);
        if (s == STATUS_OK && o->choices) {
            s = buffer_printf(out, " (");
            if (s == STATUS_OK) s = write_cell(out, allowed);
            if (s == STATUS_OK) s = buffer_printf(out, ")");
        }
        if (s == STATUS_OK) s = buffer_printf(out, " |\n");
    }
    return s;
}
