/*
 * The table of fields is gone through once, in its order.  Some fields have a rule beside their own
 * limits, which looks at what else was sent; it stands below under the field's name, and comes
 * before the value is read.
 */
#include "http/form_order.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "image/decode.h"
#include "service/request_id.h"

struct reading {
    enum field_place place;
    const struct form_texts *texts;
    const struct edit_rules *rules;
    struct field_values values;
    struct problem *problem;
};

bool form_refuse(struct problem *p, enum http_error code, const char *format, ...) {
    va_list args;
    p->code = code;
    p->field = NULL;
    va_start(args, format);
    vsnprintf(p->why.text, sizeof p->why.text, format, args);
    va_end(args);
    return false;
}

__attribute__((format(printf, 3, 4))) static bool refuse_field(struct reading *r, const char *field,
                                                               const char *format, ...) {
    va_list args;
    r->problem->code = HTTP_INVALID_REQUEST;
    r->problem->field = field;
    va_start(args, format);
    vsnprintf(r->problem->why.text, sizeof r->problem->why.text, format, args);
    va_end(args);
    return false;
}

const char *form_shown(const char *value, size_t size) {
    if (size > 40) return "something longer";
    for (size_t i = 0; i < size; i++)
        if (value[i] < 0x20 || value[i] >= 0x7f) return "something unprintable";
    return value;
}

static const struct buffer *text_of(const struct reading *r, const char *name) {
    return &r->texts->by_name[field_find(r->place, name) - field_table];
}

/* ---- rules ---- */

static bool check_prompt(struct reading *r) {
    const struct buffer *prompt = text_of(r, "prompt");
    if (!prompt->size) return refuse_field(r, "prompt", "prompt is missing");
    if (utf8_is_text(prompt->data, prompt->size) && utf8_is_blank(prompt->data, prompt->size))
        return refuse_field(r, "prompt", "prompt is blank");
    return true;
}

static bool check_sides(struct reading *r) {
    size_t width = text_of(r, "width")->size, height = text_of(r, "height")->size;
    if (text_of(r, "size")->size && (width || height))
        return refuse_field(r, "size", "size excludes width and height: send one or the other");
    if (!width != !height)
        return refuse_field(r, width ? "height" : "width",
                            "width and height must be given both or not at all");
    return true;
}

static bool check_model(struct reading *r) {
    const struct buffer *text = text_of(r, "model");
    const char *served = r->rules->model, *name = text->size ? text->data : served;
    bool whole = !text->size || strlen(name) == text->size;
    if (whole && (strcmp(name, served) == 0 || strcmp(name, "firered") == 0)) return true;
    refuse_field(r, "model",
                 "the model '%s' is not served here; name %.300s, or firered for whatever is "
                 "served",
                 form_shown(text->data, text->size), served);
    r->problem->code = HTTP_MODEL_NOT_FOUND;
    return false;
}

static const struct {
    const char *field;
    bool (*check)(struct reading *r);
} checks[] = {{"prompt", check_prompt}, {"width", check_sides}, {"model", check_model}};

/* ---- fields ---- */

enum { SPELLING_SIZE = 64 };

/* OpenAI's clients in some languages write True, and 1.0 for 1: as we write it, into `out`, which lasts
 * as long as it is read; else the text itself. */
static struct buffer in_our_spelling(const struct field *f, const struct buffer *text,
                                     char out[SPELLING_SIZE]) {
    struct buffer ours = {.data = out};
    size_t whole = strspn(text->data, "0123456789");
    if (strlen(text->data) != text->size || text->size >= SPELLING_SIZE) return *text;
    if (f->kind == FIELD_SWITCH) {
        for (size_t i = 0; i <= text->size; i++)
            out[i] = (char)tolower((unsigned char)text->data[i]);
        ours.size = text->size;
        return ours;
    }
    bool number = f->kind == FIELD_INTEGER || f->kind == FIELD_SEED || f->kind == FIELD_FIXED;
    if (!number || !whole || text->data[whole] != '.' || whole + 1 == text->size ||
        whole + 1 + strspn(text->data + whole + 1, "0") != text->size)
        return *text;
    memcpy(out, text->data, whole);
    out[whole] = '\0';
    ours.size = whole;
    return ours;
}

/* name: the field's, or its alias. */
static bool read_value(struct reading *r, struct field_values *values, const struct field *f,
                       const char *name, const struct buffer *text) {
    char allowed[FIELD_ALLOWED_SIZE];
    int max_steps = r->rules->max_steps;
    char spelling[SPELLING_SIZE];
    if (!text->size) return true;
    struct buffer value = r->place == FIELD_OF_OPENAI ? in_our_spelling(f, text, spelling) : *text;
    if (field_read(values, f, value.data, value.size, max_steps)) return true;
    if (f->refusal) return refuse_field(r, name, "%s", f->refusal);
    field_allowed(f, max_steps, allowed);
    if (f->kind == FIELD_TEXT) return refuse_field(r, name, "%s must be %s", name, allowed);
    return refuse_field(r, name, "%s must be %s, not '%s'", name, allowed,
                        form_shown(text->data, text->size));
}

/* The value under the field's second name, which may not say otherwise than the first. */
static bool read_alias(struct reading *r, size_t row) {
    const struct field *f = &field_table[row];
    const struct buffer *text = &r->texts->by_alias[row];
    struct field_values v = r->values;
    if (!read_value(r, &v, f, f->alias, text)) return false;
    if (text->size && r->texts->by_name[row].size && !field_same(f, &v, &r->values))
        return refuse_field(r, f->alias, "%s and %s disagree, though they are the same: send one",
                            f->name, f->alias);
    r->values = v;
    return true;
}

static bool read_fields(struct reading *r) {
    r->values = field_values_default();
    for (size_t i = 0; i < field_count; i++) {
        const struct field *f = &field_table[i];
        if (!(f->places & r->place)) continue;
        for (size_t k = 0; k < sizeof checks / sizeof *checks; k++)
            if (strcmp(checks[k].field, f->name) == 0 && !checks[k].check(r)) return false;
        if (!read_value(r, &r->values, f, f->name, &r->texts->by_name[i]) || !read_alias(r, i))
            return false;
    }
    return true;
}

/* ---- the order ---- */

/* 100 is as good as the format gets: lossless, where it can be. */
static bool set_quality(struct reading *r, struct edit_order *order) {
    int quality = r->values.compression;
    if (quality < 0) return true;
    if (order->format == PICTURE_PNG && quality < 100)
        return refuse_field(r, "output_compression",
                            "output_compression below 100 needs output_format jpeg or webp: "
                            "PNG is always lossless");
    if (order->format == PICTURE_JPEG || quality < 100) order->quality = quality ? quality : 1;
    return true;
}

static bool set_texts(struct reading *r, struct edit_order *order) {
    const char *negative = r->values.negative_prompt;
    order->prompt = strdup(r->values.prompt);
    order->negative_prompt = strdup(negative ? negative : r->rules->negative_prompt);
    return (order->prompt && order->negative_prompt) ||
           form_refuse(r->problem, HTTP_GPU_OOM,
                       "memory does not suffice for this form; try again later");
}

/* What was not asked for is as the rules say. */
static bool fill(struct reading *r, struct edit_order *order) {
    const struct field_values *v = &r->values;
    const struct edit_rules *rules = r->rules;
    bool guided = v->guidance_scale >= 0 && !rules->fixed_guidance;
    order->steps = v->steps ? v->steps : rules->steps;
    order->guidance_scale = guided ? v->guidance_scale : rules->guidance_scale;
    /* 53 bits: also exact where a reader's numbers are doubles */
    order->seed = v->seed.given ? v->seed.value : random_bits() >> 11;
    order->width = v->width ? v->width : v->size.width;
    order->height = v->height ? v->height : v->size.height;
    order->input_size = v->size.input;
    order->format = v->format;
    return set_quality(r, order) && set_texts(r, order);
}

static bool check_picture(struct reading *r, const struct edit_order *order, size_t which) {
    const struct buffer *file = &order->files[which];
    int64_t max_pixels = r->rules->max_image_pixels;
    struct picture_header header;
    struct error why = {0};
    switch (picture_probe(&header, file->data, file->size, &why)) {
    case STATUS_OK: break;
    case STATUS_UNSUPPORTED:
        return form_refuse(r->problem, HTTP_INVALID_FILE, "image %zu: %.400s", which + 1, why.text);
    case STATUS_INVALID:
        return form_refuse(r->problem, HTTP_INVALID_IMAGE, "image %zu: %.400s", which + 1,
                           why.text);
    default:
        return form_refuse(r->problem, HTTP_GPU_OOM, "memory does not suffice to read image %zu",
                           which + 1);
    }
    if ((int64_t)header.width * header.height > max_pixels)
        return form_refuse(r->problem, HTTP_INVALID_IMAGE,
                           "image %zu has %dx%d pixels; at most %lld in all are allowed", which + 1,
                           header.width, header.height, (long long)max_pixels);
    int longer = header.width > header.height ? header.width : header.height;
    int shorter = header.width > header.height ? header.height : header.width;
    if (longer > (int64_t)shorter * PICTURE_MAX_ASPECT)
        return form_refuse(r->problem, HTTP_INVALID_IMAGE,
                           "image %zu is %dx%d pixels; one side may be at most %d times the other",
                           which + 1, header.width, header.height, PICTURE_MAX_ASPECT);
    int max_side = picture_format_max_side(order->format);
    if (order->input_size && which + 1 == order->file_count && longer > max_side)
        return form_refuse(
            r->problem, HTTP_INVALID_REQUEST,
            "image %zu is %dx%d pixels, but %s holds at most %d a side; ask for png or "
            "another size",
            which + 1, header.width, header.height, picture_format_name(order->format), max_side);
    return true;
}

/* Looks at the headers only: a bad picture is told at once, and not after the queue. */
static bool check_pictures(struct reading *r, const struct edit_order *order) {
    for (size_t i = 0; i < order->file_count; i++)
        if (!check_picture(r, order, i)) return false;
    return true;
}

/* The answer holds all pictures at once: together they may be as large as one upload. */
static bool check_count(struct reading *r, const struct edit_order *order) {
    const struct buffer *last = &order->files[order->file_count - 1];
    int64_t max_pixels = r->rules->max_image_pixels;
    struct picture_header header;
    if (!order->input_size || picture_probe(&header, last->data, last->size, NULL) != STATUS_OK)
        return true;
    if ((int64_t)header.width * header.height * r->values.count <= max_pixels) return true;
    return refuse_field(r, "n",
                        "%d pictures of %dx%d are over %lld pixels; ask for fewer, or for "
                        "another size",
                        r->values.count, header.width, header.height, (long long)max_pixels);
}

bool form_order(enum field_place place, const struct form_texts *texts,
                const struct edit_rules *rules, struct edit_order *order,
                struct form_options *options, struct problem *problem) {
    struct reading r = {.place = place, .texts = texts, .rules = rules, .problem = problem};
    if (!read_fields(&r) || !fill(&r, order) || !check_pictures(&r, order) ||
        !check_count(&r, order))
        return false;
    options->count = r.values.count;
    options->stream = r.values.stream;
    return true;
}
