/*
 * The whole body is parsed at once, since jansson reads no streams; then it is a form like another,
 * part by part.
 */
#include "http/form_json.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/limits.h"

bool form_json_is_type(const char *content_type) {
    static const char type[] = "application/json";
    size_t n = sizeof type - 1;
    return content_type && strncasecmp(content_type, type, n) == 0 &&
           (!content_type[n] || strchr("; \t", content_type[n]));
}

static enum status give(const struct multipart_handler *h, const char *name, const char *text,
                        size_t size, struct error *err) {
    struct multipart_part part = {.name = name};
    enum status s = h->begin(h->arg, &part, err);
    if (s == STATUS_OK && size > 0) s = h->data(h->arg, text, size, err);
    return s == STATUS_OK ? h->end(h->arg, err) : s;
}

/* A text, or {"image_url": text}. */
static enum status give_picture(const struct multipart_handler *h, const char *name,
                                const json_t *value, struct error *err) {
    const json_t *url = json_is_object(value) ? json_object_get(value, "image_url") : value;
    if (!json_is_string(url))
        return fail(err, STATUS_INVALID,
                    "a picture must be {\"image_url\": \"data:image/png;base64,...\"}; "
                    "this server keeps no files that an id could name");
    return give(h, name, json_string_value(url), json_string_length(url), err);
}

static enum status give_pictures(const struct multipart_handler *h, const json_t *list,
                                 struct error *err) {
    enum status s = STATUS_OK;
    for (size_t i = 0; i < json_array_size(list) && s == STATUS_OK; i++)
        s = give_picture(h, "image", json_array_get(list, i), err);
    return s;
}

static bool is_name(const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) return false;
    return n > 0 && n <= MAX_PART_NAME_BYTES;
}

static enum status give_value(const struct multipart_handler *h, const char *name,
                              const json_t *value, struct error *err) {
    char number[32];
    bool mask = strcmp(name, "mask") == 0;
    bool pictures = strcmp(name, "images") == 0 || strcmp(name, "image") == 0;
    switch (json_typeof(value)) {
    case JSON_NULL: return STATUS_OK;
    case JSON_STRING:
        return give(h, name, json_string_value(value), json_string_length(value), err);
    case JSON_TRUE: return give(h, name, "true", 4, err);
    case JSON_FALSE: return give(h, name, "false", 5, err);
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return give(h, name, number, strlen(number), err);
    case JSON_REAL:
        snprintf(number, sizeof number, "%.17g", json_real_value(value));
        return give(h, name, number, strlen(number), err);
    case JSON_ARRAY:
        if (pictures) return give_pictures(h, value, err);
        break;
    case JSON_OBJECT:
        if (pictures || mask) return give_picture(h, mask ? name : "image", value, err);
        break;
    }
    return fail(err, STATUS_INVALID, "%s must be a text, a number, true, false or null", name);
}

enum status form_json_read(const char *text, size_t size, const struct multipart_handler *handler,
                           struct error *err) {
    json_error_t where;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where), *value;
    const char *name;
    enum status s = STATUS_OK;
    if (!root)
        return fail(err, STATUS_INVALID, "the body is no JSON that can be read: line %d, column %d",
                    where.line, where.column);
    if (!json_is_object(root) || json_object_size(root) > MAX_PARTS)
        s = fail(err, STATUS_INVALID, "the body must be a JSON object of at most %d values",
                 MAX_PARTS);
    json_object_foreach(root, name, value) {
        if (s == STATUS_OK && !is_name(name))
            s = fail(err, STATUS_INVALID, "a name in the JSON body is empty, odd or too long");
        if (s == STATUS_OK) s = give_value(handler, name, value, err);
    }
    json_decref(root);
    return s;
}
