/*
 * The values that every form has, read strictly: a value that is not understood whole is an error.
 */
#include <stdlib.h>
#include <string.h>

#include "http/form.h"
#include "http/form_fields.h"
#include "http/request_id.h"
#include "image/decode.h"

const char *form_shown(const struct buffer *value) {
    if (value->size > 40) return "something longer";
    for (size_t i = 0; i < value->size; i++)
        if (value->data[i] < 0x20 || value->data[i] >= 0x7f) return "something unprintable";
    return value->data;
}

bool form_is_word(const struct buffer *value, const char *word) {
    return value->size == strlen(word) && memcmp(value->data, word, value->size) == 0;
}

bool form_read_integer(const struct edit_form *form, int field, uint64_t least, uint64_t most,
                       int *out, struct problem *problem) {
    const struct buffer *v = &form->values[field];
    uint64_t value;
    if (!v->size) return true;
    if (!form_unsigned(v->data, v->size, most, &value) || value < least)
        return form_refuse_field(problem, form, field,
                                 "%s must be a whole number from %llu to %llu, not '%s'",
                                 form_field_name(form, field), (unsigned long long)least,
                                 (unsigned long long)most, form_shown(v));
    *out = (int)value;
    return true;
}

static bool read_seed(const struct edit_form *form, uint64_t *seed, struct problem *problem) {
    const struct buffer *v = &form->values[FIELD_SEED];
    if (!v->size || (v->size == 2 && memcmp(v->data, "-1", 2) == 0)) {
        *seed = random_bits() >> 11; /* 53 bits: also exact where a reader's numbers are doubles */
        return true;
    }
    if (!form_unsigned(v->data, v->size, UINT64_MAX, seed))
        return form_refuse_field(
            problem, form, FIELD_SEED,
            "seed must be a whole number from 0 to 18446744073709551615, or -1, not '%s'",
            form_shown(v));
    return true;
}

static bool read_guidance(const struct edit_form *form, double *guidance, struct problem *problem) {
    const struct buffer *v = &form->values[FIELD_GUIDANCE_SCALE];
    double value;
    if (!v->size) return true;
    if (!form_number(v->data, v->size, &value) || value < 0 || value > FIRERED_MAX_GUIDANCE)
        return form_refuse_field(problem, form, FIELD_GUIDANCE_SCALE,
                                 "guidance_scale must be a number from 0 to %d, not '%s'",
                                 FIRERED_MAX_GUIDANCE, form_shown(v));
    *guidance = value;
    return true;
}

static bool read_texts(const struct edit_form *form, struct edit_order *order,
                       struct problem *problem) {
    const struct buffer *prompt = &form->values[FIELD_PROMPT],
                        *negative = &form->values[FIELD_NEGATIVE_PROMPT];
    if (!prompt->size) return form_refuse_field(problem, form, FIELD_PROMPT, "prompt is missing");
    if (!form_is_text(prompt->data, prompt->size))
        return form_refuse_field(problem, form, FIELD_PROMPT,
                                 "prompt must be UTF-8 without NUL characters");
    if (form_is_blank(prompt->data, prompt->size))
        return form_refuse_field(problem, form, FIELD_PROMPT, "prompt is blank");
    if (!form_is_text(negative->data, negative->size))
        return form_refuse_field(problem, form, FIELD_NEGATIVE_PROMPT,
                                 "negative_prompt must be UTF-8 without NUL characters");
    const char *otherwise = service_config(form->service)->negative_prompt;
    order->prompt = strdup(prompt->data);
    order->negative_prompt = strdup(negative->size ? negative->data : otherwise ? otherwise : " ");
    if (!order->prompt || !order->negative_prompt)
        return form_refuse(problem, HTTP_GPU_OOM,
                           "memory does not suffice for this form; try again later");
    return true;
}

bool form_read_common(struct edit_form *form, struct problem *problem) {
    struct edit_order *o = &form->order;
    uint64_t most_steps = (uint64_t)service_config(form->service)->max_steps;
    bool fixed_guidance;
    service_defaults(form->service, &o->steps, &o->guidance_scale, &fixed_guidance);
    double guidance = o->guidance_scale;
    if (!read_texts(form, o, problem) || !read_seed(form, &o->seed, problem) ||
        !read_guidance(form, &guidance, problem) ||
        !form_read_integer(form, FIELD_STEPS, 1, most_steps, &o->steps, problem))
        return false;
    if (!fixed_guidance) o->guidance_scale = guidance;
    return true;
}

bool form_read_format(struct edit_form *form, struct problem *problem) {
    static const struct {
        const char *name;
        enum picture_format format;
    } formats[] = {{"png", PICTURE_PNG}, {"jpeg", PICTURE_JPEG}, {"webp", PICTURE_WEBP}};
    const struct buffer *v = &form->values[FIELD_OUTPUT_FORMAT];
    form->order.format = PICTURE_PNG;
    if (!v->size) return true;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (form_is_word(v, formats[i].name)) {
            form->order.format = formats[i].format;
            return true;
        }
    return form_refuse_field(problem, form, FIELD_OUTPUT_FORMAT,
                             "output_format must be png, jpeg or webp, not '%s'", form_shown(v));
}

/* WIDTHxHEIGHT. */
static bool read_sides(const struct buffer *value, struct edit_order *order) {
    uint64_t width, height;
    const char *x = memchr(value->data, 'x', value->size);
    if (!x) return false;
    size_t at = (size_t)(x - value->data);
    if (!form_unsigned(value->data, at, FIRERED_MAX_SIDE, &width) || width < FIRERED_MIN_SIDE ||
        !form_unsigned(x + 1, value->size - at - 1, FIRERED_MAX_SIDE, &height) ||
        height < FIRERED_MIN_SIDE)
        return false;
    order->width = (int)width;
    order->height = (int)height;
    return true;
}

bool form_read_size(struct edit_form *form, const char *own, struct problem *problem) {
    const struct buffer *size = &form->values[FIELD_SIZE];
    if (!size->size || form_is_word(size, own)) return true;
    if (form_is_word(size, "input"))
        form->order.input_size = true;
    else if (!read_sides(size, &form->order))
        return form_refuse_field(
            problem, form, FIELD_SIZE,
            "size must be input, %s, or WIDTHxHEIGHT with sides from %d to %d, not "
            "'%s'",
            own, FIRERED_MIN_SIDE, FIRERED_MAX_SIDE, form_shown(size));
    return true;
}

static bool check_picture(const struct edit_form *form, size_t which, struct problem *problem) {
    const struct buffer *file = &form->order.files[which];
    int64_t most = service_config(form->service)->max_image_pixels;
    struct picture_header header;
    struct error why = {0};
    switch (picture_probe(&header, file->data, file->size, &why)) {
    case STATUS_OK: break;
    case STATUS_UNSUPPORTED:
        return form_refuse(problem, HTTP_INVALID_FILE,
                           "image %zu is in no supported format: send PNG, JPEG or WebP",
                           which + 1);
    case STATUS_INVALID:
        return form_refuse(problem, HTTP_INVALID_IMAGE, "image %zu: %.400s", which + 1, why.text);
    default:
        return form_refuse(problem, HTTP_GPU_OOM, "memory does not suffice to read image %zu",
                           which + 1);
    }
    if ((int64_t)header.width * header.height > most)
        return form_refuse(problem, HTTP_INVALID_IMAGE,
                           "image %zu has %dx%d pixels; at most %lld in all are allowed", which + 1,
                           header.width, header.height, (long long)most);
    int longer = header.width > header.height ? header.width : header.height;
    int shorter = header.width > header.height ? header.height : header.width;
    if (longer > (int64_t)shorter * PICTURE_MAX_ASPECT)
        return form_refuse(problem, HTTP_INVALID_IMAGE,
                           "image %zu is %dx%d pixels; one side may be at most %d times the other",
                           which + 1, header.width, header.height, PICTURE_MAX_ASPECT);
    const struct edit_order *order = &form->order;
    if (order->input_size && which + 1 == order->file_count &&
        longer > picture_format_max_side(order->format))
        return form_refuse(
            problem, HTTP_INVALID_REQUEST,
            "image %zu is %dx%d pixels, but %s holds at most %d a side; ask for png or "
            "another size",
            which + 1, header.width, header.height, picture_format_name(order->format),
            picture_format_max_side(order->format));
    return true;
}

bool form_check_pictures(const struct edit_form *form, struct problem *problem) {
    for (size_t i = 0; i < form->order.file_count; i++)
        if (!check_picture(form, i, problem)) return false;
    return true;
}
