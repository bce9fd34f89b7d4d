/*
 * One table of keys for each kind of text says what has to be there.  After that check every getter
 * finds its key, so that it only has to look at the value.
 */
#include "service/order_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "config/fields.h"
#include "config/values.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const order_keys[] = {
    "v",     "request_id", "prompt",     "negative_prompt", "seed",    "steps",   "guidance_scale",
    "width", "height",     "input_size", "output_format",   "quality", "pictures"};

static const char *const outcome_keys[] = {"v",
                                           "code",
                                           "detail",
                                           "width",
                                           "height",
                                           "steps",
                                           "bytes",
                                           "guidance_scale",
                                           "change",
                                           "same_seed",
                                           "queue_seconds",
                                           "read_seconds",
                                           "write_seconds",
                                           "encode_seconds",
                                           "denoise_seconds",
                                           "decode_seconds"};

/* ---- writing ---- */

/* Takes the json over.  It is NULL only without memory: all texts of an order are UTF-8. */
static enum status append(struct buffer *out, json_t *json, struct error *err) {
    enum { EXACT_DIGITS = 17 };
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(EXACT_DIGITS)) : NULL;
    json_decref(json);
    enum status s = text ? buffer_append(out, text, strlen(text), err)
                         : fail(err, STATUS_NO_MEMORY, "no memory for the text of an edit");
    free(text);
    return s;
}

static const struct choice *format_choices(void) {
    return field_find(FIELD_OF_EDIT, "output_format")->choices;
}

static const char *format_word(enum picture_format format) {
    const struct choice *c = format_choices();
    while (c->name && c->value != (int)format) c++;
    return c->name;
}

enum status order_text_write(struct buffer *out, const struct edit_order *order,
                             const char *request_id, struct error *err) {
    json_t *sizes = json_array();
    for (size_t i = 0; i < order->file_count; i++)
        json_array_append_new(sizes, json_integer((json_int_t)order->files[i].size));
    return append(out,
                  json_pack("{s:i, s:s, s:s, s:s, s:o, s:i, s:f, s:i, s:i, s:b, s:s, s:i, s:o}",
                            "v", ORDER_TEXT_VERSION, "request_id", request_id, "prompt",
                            order->prompt, "negative_prompt", order->negative_prompt, "seed",
                            json_sprintf("%llu", (unsigned long long)order->seed), "steps",
                            order->steps, "guidance_scale", order->guidance_scale, "width",
                            order->width, "height", order->height, "input_size", order->input_size,
                            "output_format", format_word(order->format), "quality", order->quality,
                            "pictures", sizes),
                  err);
}

enum status order_text_write_pictures(struct buffer *out, const struct edit_order *order,
                                      struct error *err) {
    size_t before = out->size;
    enum status s = STATUS_OK;
    for (size_t i = 0; i < order->file_count && s == STATUS_OK; i++)
        s = buffer_append(out, order->files[i].data, order->files[i].size, err);
    if (s != STATUS_OK) out->size = before;
    return s;
}

enum status outcome_text_write(struct buffer *out, const struct edit_outcome *o,
                               struct error *err) {
    return append(
        out,
        json_pack(
            "{s:i, s:s, s:s, s:i, s:i, s:i, s:f, s:f, s:b, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "v",
            ORDER_TEXT_VERSION, "code", edit_end_name(o->end), "detail", o->detail, "width",
            o->width, "height", o->height, "steps", o->steps, "guidance_scale", o->guidance_scale,
            "change", o->change, "same_seed", o->same_seed, "queue_seconds", o->queue_seconds,
            "read_seconds", o->read_seconds, "encode_seconds", o->encode_seconds, "denoise_seconds",
            o->denoise_seconds, "decode_seconds", o->decode_seconds, "write_seconds",
            o->write_seconds, "bytes", (json_int_t)o->file.size),
        err);
}

/* ---- reading ---- */

/* A text being read; the first value that is wrong ends it. */
struct reader {
    json_t *object;
    const char *what; /* "the order" */
    enum status status;
    struct error *err;
};

/* Only the first complaint counts. */
#define COMPLAIN(r, ...)                                                                           \
    do {                                                                                           \
        if ((r)->status == STATUS_OK) (r)->status = fail((r)->err, STATUS_INVALID, __VA_ARGS__);   \
    } while (0)

static void check_keys(struct reader *r, const char *const *keys, size_t count) {
    const char *key;
    json_t *value;
    int64_t version = 0;
    if (!json_object_get(r->object, "v")) COMPLAIN(r, "%s has no \"v\"", r->what);
    if (r->status == STATUS_OK)
        r->status = json_get_int(r->object, "v", INT64_MIN, INT64_MAX, &version, r->what, r->err);
    if (version != ORDER_TEXT_VERSION)
        COMPLAIN(r, "%s has version %lld; this program reads version %d", r->what,
                 (long long)version, ORDER_TEXT_VERSION);
    for (size_t i = 0; i < count; i++) {
        value = json_object_get(r->object, keys[i]);
        if (!value || json_is_null(value)) COMPLAIN(r, "%s has no \"%s\"", r->what, keys[i]);
    }
    json_object_foreach(r->object, key, value) {
        size_t i = 0;
        while (i < count && strcmp(keys[i], key) != 0) i++;
        if (i == count)
            COMPLAIN(r, "%s has a key that version %d has not", r->what, ORDER_TEXT_VERSION);
    }
}

/* False: it is no such text, and the reader has complained. */
static bool reader_open(struct reader *r, const char *text, size_t size, const char *const *keys,
                        size_t count) {
    json_error_t where;
    r->object = size <= ORDER_TEXT_MAX_BYTES
                    ? json_loadb(text ? text : "", size, JSON_REJECT_DUPLICATES, &where)
                    : NULL;
    if (size > ORDER_TEXT_MAX_BYTES)
        COMPLAIN(r, "%s is longer than %d bytes", r->what, ORDER_TEXT_MAX_BYTES);
    else if (!json_is_object(r->object))
        COMPLAIN(r, "%s is no JSON object", r->what);
    else
        check_keys(r, keys, count);
    return r->status == STATUS_OK;
}

static int64_t read_integer(struct reader *r, const char *key, int64_t min, int64_t max) {
    int64_t value = min;
    if (r->status == STATUS_OK)
        r->status = json_get_int(r->object, key, min, max, &value, r->what, r->err);
    return value;
}

static double read_real(struct reader *r, const char *key, double max) {
    double value = 0;
    if (r->status == STATUS_OK)
        r->status = json_get_double(r->object, key, &value, r->what, r->err);
    if (!(value >= 0 && value <= max))
        COMPLAIN(r, "%s: \"%s\" must be a number from 0 to %g", r->what, key, max);
    return value;
}

static bool read_switch(struct reader *r, const char *key) {
    bool value = false;
    if (r->status == STATUS_OK) r->status = json_get_bool(r->object, key, &value, r->what, r->err);
    return value;
}

/* Never NULL; jansson has checked that it is UTF-8 without NUL. */
static const char *read_text(struct reader *r, const char *key, size_t max) {
    const json_t *value = json_object_get(r->object, key);
    if (!json_is_string(value))
        COMPLAIN(r, "%s: \"%s\" must be a string", r->what, key);
    else if (json_string_length(value) > max)
        COMPLAIN(r, "%s: \"%s\" is longer than %zu bytes", r->what, key, max);
    return r->status == STATUS_OK ? json_string_value(value) : "";
}

static char *read_copy(struct reader *r, const char *key) {
    char *copy = strdup(read_text(r, key, FIELD_MAX_TEXT_BYTES));
    if (!copy && r->status == STATUS_OK)
        r->status = fail(r->err, STATUS_NO_MEMORY, "no memory for the text of an edit");
    return copy;
}

static enum picture_format read_format(struct reader *r) {
    const struct choice *c =
        choice_find(format_choices(), read_text(r, "output_format", FIELD_MAX_TEXT_BYTES));
    if (!c) COMPLAIN(r, "%s: \"output_format\" is none that this program writes", r->what);
    return c ? (enum picture_format)c->value : PICTURE_PNG;
}

static void read_pictures(struct reader *r, struct edit_order *order, const char *bytes,
                          size_t size) {
    const json_t *sizes = json_object_get(r->object, "pictures");
    size_t count = json_array_size(sizes), left = size;
    if (count < 1 || count > FIRERED_MAX_PICTURES)
        COMPLAIN(r, "%s: \"pictures\" must be 1 to %d sizes", r->what, FIRERED_MAX_PICTURES);
    for (size_t i = 0; i < count && r->status == STATUS_OK; i++) {
        const json_t *value = json_array_get(sizes, i);
        json_int_t n = json_is_integer(value) ? json_integer_value(value) : 0;
        if (n < 1 || (uint64_t)n > left) {
            COMPLAIN(r, "%s: picture %zu is not among the %zu bytes that came with it", r->what,
                     i + 1, size);
            return;
        }
        r->status = buffer_append(&order->files[i], bytes + (size - left), (size_t)n, r->err);
        left -= (size_t)n;
    }
    if (left)
        COMPLAIN(r, "%s: %zu of the %zu bytes that came with it are no picture's", r->what, left,
                 size);
    order->file_count = count;
}

static void check_order(struct reader *r, const struct edit_order *o, const char *seed,
                        const char *request_id) {
    if (!request_id_is_sane(request_id)) COMPLAIN(r, "%s: \"request_id\" is none", r->what);
    if (utf8_is_blank(o->prompt, strlen(o->prompt)))
        COMPLAIN(r, "%s: \"prompt\" is blank", r->what);
    if (!*seed) COMPLAIN(r, "%s: \"seed\" is missing", r->what);
    bool sized = o->width || o->height;
    if (sized && (o->width < FIRERED_MIN_SIDE || o->height < FIRERED_MIN_SIDE))
        COMPLAIN(r, "%s: width and height must be 0, or both from %d to %d", r->what,
                 FIRERED_MIN_SIDE, FIRERED_MAX_SIDE);
    if (sized && o->input_size)
        COMPLAIN(r, "%s: \"input_size\" excludes width and height", r->what);
}

enum status order_text_read(struct edit_order *order, char request_id[REQUEST_ID_MAX + 1],
                            const char *text, size_t size, const char *pictures,
                            size_t pictures_size, struct error *err) {
    enum { SEED_DIGITS = 20 };
    struct reader r = {.what = "the order", .err = err};
    if (reader_open(&r, text, size, order_keys, COUNT(order_keys))) {
        const char *seed = read_text(&r, "seed", SEED_DIGITS);
        snprintf(request_id, REQUEST_ID_MAX + 1, "%s", read_text(&r, "request_id", REQUEST_ID_MAX));
        order->prompt = read_copy(&r, "prompt");
        order->negative_prompt = read_copy(&r, "negative_prompt");
        order->steps = (int)read_integer(&r, "steps", 1, FIRERED_MAX_STEPS);
        order->guidance_scale = read_real(&r, "guidance_scale", FIRERED_MAX_GUIDANCE);
        order->width = (int)read_integer(&r, "width", 0, FIRERED_MAX_SIDE);
        order->height = (int)read_integer(&r, "height", 0, FIRERED_MAX_SIDE);
        order->input_size = read_switch(&r, "input_size");
        order->format = read_format(&r);
        order->quality = (int)read_integer(&r, "quality", 0, 100);
        if (r.status == STATUS_OK && !value_uint64(seed, &order->seed))
            COMPLAIN(&r, "the order: \"seed\" must be a whole number from 0 to 2^64-1");
        if (r.status == STATUS_OK) check_order(&r, order, seed, request_id);
        if (r.status == STATUS_OK) read_pictures(&r, order, pictures, pictures_size);
    }
    json_decref(r.object);
    if (r.status != STATUS_OK) edit_order_free(order);
    return r.status;
}

static enum edit_end read_end(struct reader *r) {
    const char *code = read_text(r, "code", FIELD_MAX_TEXT_BYTES);
    for (int end = 0; end < EDIT_ENDS; end++)
        if (strcmp(edit_end_name((enum edit_end)end), code) == 0) return (enum edit_end)end;
    COMPLAIN(r, "%s: \"code\" is none that this program knows", r->what);
    return EDIT_FAILED;
}

enum status outcome_text_read(struct edit_outcome *outcome, const char *text, size_t size,
                              struct buffer *file, struct error *err) {
    const double max_seconds = 1e9;
    struct reader r = {.what = "the outcome", .err = err};
    struct edit_outcome o = {0};
    if (reader_open(&r, text, size, outcome_keys, COUNT(outcome_keys))) {
        o.end = read_end(&r);
        int min = o.end == EDIT_DONE; /* a picture that is there has a size */
        snprintf(o.detail, sizeof o.detail, "%s", read_text(&r, "detail", sizeof o.detail - 1));
        o.width = (int)read_integer(&r, "width", min, PICTURE_MAX_SIDE);
        o.height = (int)read_integer(&r, "height", min, PICTURE_MAX_SIDE);
        o.steps = (int)read_integer(&r, "steps", min, FIRERED_MAX_STEPS);
        o.guidance_scale = read_real(&r, "guidance_scale", FIRERED_MAX_GUIDANCE);
        o.change = read_real(&r, "change", 1);
        o.same_seed = read_switch(&r, "same_seed");
        o.queue_seconds = read_real(&r, "queue_seconds", max_seconds);
        o.read_seconds = read_real(&r, "read_seconds", max_seconds);
        o.encode_seconds = read_real(&r, "encode_seconds", max_seconds);
        o.denoise_seconds = read_real(&r, "denoise_seconds", max_seconds);
        o.decode_seconds = read_real(&r, "decode_seconds", max_seconds);
        o.write_seconds = read_real(&r, "write_seconds", max_seconds);
        if (o.end != EDIT_DONE && !*o.detail)
            COMPLAIN(&r, "the outcome: \"detail\" must say why there is no picture");
        int64_t bytes = read_integer(&r, "bytes", min, min ? INT64_MAX : 0);
        if ((uint64_t)bytes != file->size)
            COMPLAIN(&r, "the outcome tells of %lld bytes, and %zu came with it", (long long)bytes,
                     file->size);
    }
    json_decref(r.object);
    if (r.status != STATUS_OK) return r.status;
    o.file = *file;
    *file = (struct buffer){0};
    *outcome = o;
    return STATUS_OK;
}
