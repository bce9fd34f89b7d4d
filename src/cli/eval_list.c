/*
 * The file stays in memory as a whole and is cut up in place: the texts of an item point into it.
 * Only paths, which are relative to the list, are copies.
 */
#include "cli/eval_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "cli/flags.h"
#include "config/values.h"
#include "firered.h"

enum { LIST_LIMIT = 1 << 26, FIELDS = 4 };

/* Cuts `field` out of *rest, which moves past it; NULL at the line's end. */
static char *next_field(char **rest) {
    char *field = *rest;
    if (!field) return NULL;
    char *tab = strchr(field, '\t');
    if (tab) *tab = '\0';
    *rest = tab ? tab + 1 : NULL;
    return field;
}

static enum status read_setting(struct eval_item *item, const char *field, struct error *err) {
    struct shown_value shown;
    int64_t steps;
    value_show(&shown, field);
    if (strncmp(field, "steps=", 6) == 0) {
        if (!value_int(field + 6, 1, FIRERED_MAX_STEPS, &steps))
            return fail(err, STATUS_INVALID, "%s: must be a whole number from 1 to %d", shown.text,
                        FIRERED_MAX_STEPS);
        item->steps = (int)steps;
        return STATUS_OK;
    }
    if (strncmp(field, "guidance=", 9) == 0)
        return value_real(field + 9, 0, FIRERED_MAX_GUIDANCE, &item->guidance)
                   ? STATUS_OK
                   : fail(err, STATUS_INVALID, "%s: must be a number from 0 to %d", shown.text,
                          FIRERED_MAX_GUIDANCE);
    if (strncmp(field, "seed=", 5) == 0)
        return value_uint64(field + 5, &item->seed)
                   ? STATUS_OK
                   : fail(err, STATUS_INVALID,
                          "%s: must be a whole number from 0 to 18446744073709551615", shown.text);
    return fail(err, STATUS_INVALID, "'%s' is none of steps=N, seed=N, guidance=G", shown.text);
}

/* A path in the list as seen from the working directory. */
static char *path_from(const char *list, const char *name) {
    const char *slash = strrchr(list, '/');
    struct buffer path = {0};
    int folder = name[0] == '/' || !slash ? 0 : (int)(slash - list) + 1;
    return buffer_printf(&path, "%.*s%s", folder, list, name) == STATUS_OK ? path.data : NULL;
}

static enum status read_line(struct eval_item *item, char *line, const char *list,
                             struct error *err) {
    char *fields[FIELDS], *rest = line, *setting;
    *item = (struct eval_item){.guidance = -1};
    for (int i = 0; i < FIELDS; i++) {
        fields[i] = next_field(&rest);
        if (!fields[i] || !*fields[i])
            return fail(err, STATUS_INVALID,
                        "expected four fields parted by tabs: picture, prompt, expected picture, "
                        "class");
    }
    item->prompt = fields[1];
    item->class = fields[3];
    item->picture = path_from(list, fields[0]);
    item->expected = path_from(list, fields[2]);
    if (!item->picture || !item->expected)
        return fail(err, STATUS_NO_MEMORY, "no memory for the list");
    while ((setting = next_field(&rest))) {
        enum status s = *setting ? read_setting(item, setting, err) : STATUS_OK;
        if (s != STATUS_OK) return s;
    }
    return STATUS_OK;
}

static size_t count_lines(const char *text) {
    size_t n = 1;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static enum status read_lines(struct eval_list *list, const char *path, struct error *err) {
    char *line = list->text, *end;
    for (int number = 1; line; line = end, number++) {
        struct error why;
        end = strchr(line, '\n');
        if (end) *end++ = '\0';
        size_t length = strlen(line);
        if (length > 0 && line[length - 1] == '\r') line[length - 1] = '\0';
        if (!*line || *line == '#') continue;
        enum status s = read_line(&list->items[list->count++], line, path, &why);
        if (s != STATUS_OK) return fail(err, s, "%.200s, line %d: %.250s", path, number, why.text);
    }
    if (list->count == 0) return fail(err, STATUS_INVALID, "%.400s lists no edit", path);
    return STATUS_OK;
}

enum status eval_list_read(struct eval_list *out, const char *path, struct error *err) {
    struct buffer file = {0};
    *out = (struct eval_list){0};
    enum status s = buffer_read_input(&file, path, LIST_LIMIT, err);
    if (s != STATUS_OK) return s;
    if (file.size == 0 || strlen(file.data) != file.size) {
        buffer_free(&file);
        return fail(err, STATUS_INVALID, "%.400s is empty or no text", path);
    }
    out->items = calloc(count_lines(file.data), sizeof *out->items);
    if (!out->items) {
        buffer_free(&file);
        return fail(err, STATUS_NO_MEMORY, "no memory for the list");
    }
    out->text = file.data;
    s = read_lines(out, path, err);
    if (s != STATUS_OK) eval_list_free(out);
    return s;
}

void eval_list_free(struct eval_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].picture);
        free(list->items[i].expected);
    }
    free(list->items);
    free(list->text);
    *list = (struct eval_list){0};
}
