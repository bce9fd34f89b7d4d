/*
 * What people and programs read about the fields, generated from the table.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/fields.h"

enum { VALUE_SIZE = 96 };

/* "64 to 2048", "`png` (default), `jpeg`, `webp`": what the value is, as the tables say it. */
static void describe_value(const struct field *f, char out[VALUE_SIZE]) {
    size_t n = 0;
    out[0] = '\0';
    switch (f->kind) {
    case FIELD_PICTURES: snprintf(out, VALUE_SIZE, "file"); break;
    case FIELD_SEED: snprintf(out, VALUE_SIZE, "0 to 18446744073709551615, or -1"); break;
    case FIELD_INTEGER:
        if (f->max_setting)
            snprintf(out, VALUE_SIZE, "%d to `%s`", (int)f->min, f->max_setting);
        else
            snprintf(out, VALUE_SIZE, "%d to %d%s%s%s", (int)f->min, (int)f->max,
                     f->otherwise ? " (default " : "", f->otherwise ? f->otherwise : "",
                     f->otherwise ? ")" : "");
        break;
    case FIELD_REAL: snprintf(out, VALUE_SIZE, "%g to %g", f->min, f->max); break;
    case FIELD_SWITCH: snprintf(out, VALUE_SIZE, "`true`, `false` (default)"); break;
    case FIELD_SIZE:
        snprintf(out, VALUE_SIZE, "`%s` (default), `input`, `WIDTHxHEIGHT`", f->otherwise);
        break;
    case FIELD_CHOICE:
    case FIELD_FIXED:
    case FIELD_IGNORED:
        if (!f->choices) snprintf(out, VALUE_SIZE, "text");
        for (const struct choice *c = f->choices; c && c->name && n < VALUE_SIZE; c++)
            n += (size_t)snprintf(out + n, VALUE_SIZE - n, "%s`%s`%s", n ? ", " : "", c->name,
                                  f->otherwise && strcmp(c->name, f->otherwise) == 0 ? " (default)"
                                                                                     : "");
        break;
    default: snprintf(out, VALUE_SIZE, "text"); break;
    }
}

static void describe_names(const struct field *f, char out[VALUE_SIZE]) {
    snprintf(out, VALUE_SIZE, f->alias ? "`%s`, `%s`" : "`%s`", f->name, f->alias);
}

static enum status write_row(struct buffer *out, const struct field *f, const char *routes) {
    char value[VALUE_SIZE], names[VALUE_SIZE];
    describe_value(f, value);
    describe_names(f, names);
    return buffer_printf(out, "| %s |%s %s | %s%s |\n", names, routes, value,
                         f->required ? "required; " : "", f->meaning);
}

enum status fields_write_readme(struct buffer *out) {
    enum status s = buffer_printf(out, "| field | value | meaning |\n|---|---|---|\n");
    for (size_t i = 0; i < field_count && s == STATUS_OK; i++)
        if (field_table[i].places & FIELD_OF_EDIT) s = write_row(out, &field_table[i], "");
    return s;
}

enum status fields_write_api(struct buffer *out) {
    enum status s = buffer_printf(out, "| field | of | value | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < field_count && s == STATUS_OK; i++) {
        bool edit = field_table[i].places & FIELD_OF_EDIT,
             openai = field_table[i].places & FIELD_OF_OPENAI;
        s = write_row(out, &field_table[i],
                      edit && openai ? " all |"
                      : edit         ? " `/edit`, `/v1/jobs` |"
                                     : " `/v1/images/edits` |");
    }
    return s;
}

/* `...` becomes <code>...</code>; nothing in the table is special to HTML. */
static enum status write_html(struct buffer *out, const char *text) {
    enum status s = STATUS_OK;
    bool in_code = false;
    for (; *text && s == STATUS_OK; text++) {
        if (*text != '`') {
            s = buffer_append(out, text, 1, NULL);
            continue;
        }
        s = buffer_printf(out, in_code ? "</code>" : "<code>");
        in_code = !in_code;
    }
    return s;
}

enum status fields_write_html(struct buffer *out, enum field_place place) {
    enum status s = STATUS_OK;
    for (size_t i = 0; i < field_count && s == STATUS_OK; i++) {
        const struct field *f = &field_table[i];
        if (!(f->places & place)) continue;
        char cells[3][VALUE_SIZE];
        describe_names(f, cells[0]);
        snprintf(cells[1], VALUE_SIZE, "%s", f->required ? "required" : "");
        describe_value(f, cells[2]);
        s = buffer_printf(out, "<tr>");
        for (int c = 0; c < 3 && s == STATUS_OK; c++) {
            s = buffer_printf(out, "<td>");
            if (s == STATUS_OK) s = write_html(out, cells[c]);
            if (s == STATUS_OK) s = buffer_printf(out, "</td>");
        }
        if (s == STATUS_OK) s = buffer_printf(out, "<td>");
        if (s == STATUS_OK) s = write_html(out, f->meaning);
        if (s == STATUS_OK) s = buffer_printf(out, "</td></tr>\n");
    }
    return s;
}

/* ---- openapi.json ---- */

/* The sentence, without the marks that the tables make of `...`, and what the schema cannot say of the
 * value before it. */
static json_t *description(const struct field *f) {
    char value[VALUE_SIZE], text[512];
    bool leads = f->kind == FIELD_SEED || f->kind == FIELD_SIZE || f->max_setting;
    size_t n = 0;
    describe_value(f, value);
    snprintf(text, sizeof text, "%s%s%s.", leads ? value : "", leads ? "; " : "", f->meaning);
    for (const char *p = text; *p; p++)
        if (*p != '`') text[n++] = *p;
    text[n] = '\0';
    if (!leads) text[0] = (char)toupper((unsigned char)text[0]);
    return json_string(text);
}

static json_t *choice_json(const char *name) {
    bool number = strspn(name, "0123456789") == strlen(name);
    return number ? json_integer(strtol(name, NULL, 10)) : json_string(name);
}

/* One value is a constant, several are an enumeration. */
static void set_choices(json_t *schema, const struct choice *choices) {
    if (!choices[1].name) {
        json_object_set_new(schema, "const", choice_json(choices[0].name));
        return;
    }
    json_t *list = json_array();
    for (const struct choice *c = choices; c->name; c++)
        json_array_append_new(list, choice_json(c->name));
    json_object_set_new(schema, "enum", list);
}

static void set_integer(json_t *schema, const struct field *f) {
    json_object_set_new(schema, "type", json_string("integer"));
    json_object_set_new(schema, "minimum", json_integer((json_int_t)f->min));
    if (!f->max_setting) json_object_set_new(schema, "maximum", json_integer((json_int_t)f->max));
    if (f->otherwise) json_object_set_new(schema, "default", choice_json(f->otherwise));
}

static json_t *schema_of(const struct field *f) {
    switch (f->kind) {
    case FIELD_PICTURES:
        return json_pack("{s:s, s:i, s:i, s:{s:s, s:s}}", "type", "array", "minItems", 1,
                         "maxItems", (int)f->max, "items", "type", "string", "format", "binary");
    case FIELD_SEED: return json_pack("{s:s, s:i}", "type", "integer", "minimum", -1);
    case FIELD_REAL:
        return json_pack("{s:s, s:i, s:i}", "type", "number", "minimum", (int)f->min, "maximum",
                         (int)f->max);
    case FIELD_SWITCH: return json_pack("{s:s, s:b}", "type", "boolean", "default", 0);
    case FIELD_SIZE:
        return json_pack("{s:s, s:s, s:o}", "type", "string", "default", f->otherwise, "pattern",
                         json_sprintf("^(input|%s|[0-9]+x[0-9]+)$", f->otherwise));
    case FIELD_TEXT:
        return f->required ? json_pack("{s:s, s:i}", "type", "string", "minLength", 1)
                           : json_pack("{s:s}", "type", "string");
    case FIELD_INTEGER:
    case FIELD_FIXED: return json_object();
    default: return json_pack("{s:s}", "type", "string");
    }
}

static json_t *reference(const struct field *f) {
    return json_pack("{s:o}", "$ref",
                     json_sprintf("#/components/schemas/EditForm/properties/%s", f->name));
}

/* What a property is, or where another form says it already. */
static json_t *property(const struct field *f, enum field_place place) {
    if (place == FIELD_OF_OPENAI && (f->places & FIELD_OF_EDIT)) return reference(f);
    json_t *schema = schema_of(f);
    if (f->kind == FIELD_INTEGER) set_integer(schema, f);
    if (f->choices) set_choices(schema, f->choices);
    if (f->kind == FIELD_CHOICE) json_object_set_new(schema, "default", json_string(f->otherwise));
    json_object_set_new(schema, "description", description(f));
    return schema;
}

json_t *fields_schema(enum field_place place) {
    json_t *properties = json_object();
    for (size_t i = 0; i < field_count && properties; i++) {
        const struct field *f = &field_table[i];
        if (!(f->places & place)) continue;
        json_object_set_new(properties, f->name, property(f, place));
        if (f->alias) json_object_set_new(properties, f->alias, reference(f));
    }
    return properties;
}
