/*
 * Every getter asks jansson for the type first: its own accessors give 0 for a value of another
 * type, which would pass for one.
 */
#include "base/json.h"

#include <math.h>

#include "base/buffer.h"
#include "base/file_kind.h"

enum status json_refuse(const char *path, const void *text, size_t size, const json_error_t *where,
                        struct error *err) {
    const char first = text && size ? *(const char *)text : '{';
    const char *kind = first == '{' || first == '[' ? NULL : file_kind(text, size);
    return kind ? fail(err, STATUS_INVALID, "%s is %s, and not valid JSON; fetch the file again",
                       path, kind)
                : fail(err, STATUS_INVALID, "%s is not valid JSON: line %d: %s", path, where->line,
                       where->text);
}

enum status json_open(json_t **out, const char *path, size_t limit, struct error *err) {
    *out = NULL;
    struct buffer text = {0};
    enum status s = buffer_read_file(&text, path, limit, err);
    if (s != STATUS_OK) return s;
    json_error_t where;
    json_t *root =
        json_loadb(text.data ? text.data : "", text.size, JSON_REJECT_DUPLICATES, &where);
    if (!root) s = json_refuse(path, text.data, text.size, &where, err);
    buffer_free(&text);
    if (!root) return s;
    if (!json_is_object(root)) {
        json_decref(root);
        return fail(err, STATUS_INVALID, "%s must hold a JSON object", path);
    }
    *out = root;
    return STATUS_OK;
}

enum status json_get_int(const json_t *object, const char *key, int64_t min, int64_t max,
                         int64_t *out, const char *where, struct error *err) {
    const json_t *v = json_object_get(object, key);
    if (!v || json_is_null(v)) return STATUS_OK;
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
        return fail(err, STATUS_INVALID, "%s: \"%s\" must be an integer from %lld to %lld", where,
                    key, (long long)min, (long long)max);
    *out = json_integer_value(v);
    return STATUS_OK;
}

enum status json_get_double(const json_t *object, const char *key, double *out, const char *where,
                            struct error *err) {
    const json_t *v = json_object_get(object, key);
    if (!v || json_is_null(v)) return STATUS_OK;
    if (!json_is_number(v) || !isfinite(json_number_value(v)))
        return fail(err, STATUS_INVALID, "%s: \"%s\" must be a number", where, key);
    *out = json_number_value(v);
    return STATUS_OK;
}

enum status json_get_bool(const json_t *object, const char *key, bool *out, const char *where,
                          struct error *err) {
    const json_t *v = json_object_get(object, key);
    if (!v || json_is_null(v)) return STATUS_OK;
    if (!json_is_boolean(v))
        return fail(err, STATUS_INVALID, "%s: \"%s\" must be true or false", where, key);
    *out = json_is_true(v);
    return STATUS_OK;
}

json_t *json_seed(uint64_t seed) {
    return seed <= UINT64_C(1) << 53 ? json_integer((json_int_t)seed)
                                     : json_sprintf("%llu", (unsigned long long)seed);
}
