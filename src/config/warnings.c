/*
 * A name that nearly is one of ours gets a sentence of its own; all other lines of a file that are not
 * ours share one, which counts them out up to a length that a person reads.
 */
#include "config/warnings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "config/options.h"
#include "config/values.h"

enum { LINES_SHOWN = 8 };

enum status warn(struct config *c, struct error *err, const char *format, ...) {
    char **list = realloc(c->warnings, (c->warning_count + 1) * sizeof *list), *text = NULL;
    va_list args;
    if (list) c->warnings = list;
    va_start(args, format);
    if (!list || vasprintf(&text, format, args) < 0) text = NULL;
    va_end(args);
    if (!text) return fail(err, STATUS_NO_MEMORY, "no memory for the settings");
    list[c->warning_count++] = text;
    return STATUS_OK;
}

enum status warn_of_environment(struct config *c, unsigned command, struct error *err) {
    enum status s = STATUS_OK;
    for (char **e = environ; e && *e && s == STATUS_OK; e++) {
        char name[64];
        size_t n = strcspn(*e, "=");
        if (n >= sizeof name) continue;
        memcpy(name, *e, n);
        name[n] = '\0';
        const struct option *meant = option_meant(name, command);
        struct shown_value shown;
        value_show(&shown, name);
        if (meant)
            s = warn(c, err, "%s (from the environment) is no setting: did you mean %s?",
                     shown.text, meant->variable);
    }
    return s;
}

static bool is_setting(const char *key) {
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(option_table[i].variable, key) == 0) return true;
    return false;
}

enum status warn_of_file(struct config *c, unsigned command, const struct env_file *file,
                         const char *name, struct error *err) {
    struct buffer lines = {0};
    size_t strange = 0;
    enum status s = STATUS_OK;
    for (size_t i = 0; i < file->count && s == STATUS_OK; i++) {
        const struct env_entry *e = &file->entries[i];
        if (e->key && is_setting(e->key)) continue;
        const struct option *meant = e->key ? option_meant(e->key, command) : NULL;
        if (meant)
            s = warn(c, err, "%s, line %d: %.60s is no setting: did you mean %s?", name, e->line,
                     e->key, meant->variable);
        else if (strange++ < LINES_SHOWN)
            s = buffer_printf(&lines, "%s%d", lines.size ? ", " : "", e->line);
    }
    if (s == STATUS_OK && strange)
        s = warn(c, err, "%s: passed over what is no setting of firered (line%s %s%s)", name,
                 strange > 1 ? "s" : "", lines.data, strange > LINES_SHOWN ? ", ..." : "");
    buffer_free(&lines);
    return s == STATUS_NO_MEMORY ? fail(err, s, "no memory for the settings") : s;
}
