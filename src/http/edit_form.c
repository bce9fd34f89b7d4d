/*
 * One table names the text fields; whatever else arrives, but "image", is read over.  Picture bytes
 * are counted against what all requests together may hold, so that many slow uploads cannot fill
 * the memory.
 */
#include "http/edit_form.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/form.h"
#include "http/limits.h"
#include "http/multipart.h"
#include "http/request_id.h"
#include "image/decode.h"

enum field {
    FIELD_PROMPT,
    FIELD_NEGATIVE_PROMPT,
    FIELD_SEED,
    FIELD_GUIDANCE_SCALE,
    FIELD_STEPS,
    FIELD_WIDTH,
    FIELD_HEIGHT,
    FIELD_SIZE,
    FIELD_OUTPUT_FORMAT,
    FIELDS,
    FIELD_IMAGE, /* the two that are not in the table */
    FIELD_UNKNOWN
};

static const struct {
    const char *name;
    size_t most;
} fields[FIELDS] = {
    [FIELD_PROMPT] = {"prompt", MOST_FIELD_BYTES},
    [FIELD_NEGATIVE_PROMPT] = {"negative_prompt", MOST_FIELD_BYTES},
    [FIELD_SEED] = {"seed", MOST_VALUE_BYTES},
    [FIELD_GUIDANCE_SCALE] = {"guidance_scale", MOST_VALUE_BYTES},
    [FIELD_STEPS] = {"steps", MOST_VALUE_BYTES},
    [FIELD_WIDTH] = {"width", MOST_VALUE_BYTES},
    [FIELD_HEIGHT] = {"height", MOST_VALUE_BYTES},
    [FIELD_SIZE] = {"size", MOST_VALUE_BYTES},
    [FIELD_OUTPUT_FORMAT] = {"output_format", MOST_VALUE_BYTES},
};

const double edit_most_guidance = 30.0;

struct edit_form {
    struct service *service;
    struct multipart *multipart;
    struct buffer values[FIELDS];
    bool given[FIELDS];
    struct edit_order order;
    enum field current;
    bool image_begun;  /* the current image has had a byte: it counts */
    bool unnamed_file; /* the current image has an empty file name: a file input left empty, if no
                          byte comes */
    enum http_error code; /* of an error that a handler below returned */
};

static bool problem_set(struct problem *p, enum http_error code, const struct error *why) {
    p->code = code;
    p->why = *why;
    return false;
}

__attribute__((format(printf, 3, 4))) static bool refuse(struct problem *p, enum http_error code,
                                                         const char *format, ...) {
    va_list args;
    p->code = code;
    va_start(args, format);
    vsnprintf(p->why.text, sizeof p->why.text, format, args);
    va_end(args);
    return false;
}

static enum status begin(void *arg, const struct multipart_part *part, struct error *err) {
    struct edit_form *form = arg;
    if (strcmp(part->name, "image") == 0) {
        form->current = FIELD_IMAGE;
        form->unnamed_file = part->filename && !*part->filename;
        form->image_begun = false;
        return STATUS_OK;
    }
    int f = 0;
    while (f < FIELDS && strcmp(part->name, fields[f].name) != 0) f++;
    form->current = f < FIELDS ? (enum field)f : FIELD_UNKNOWN;
    if (f == FIELDS) return STATUS_OK;
    if (part->filename)
        return fail(err, STATUS_INVALID, "%s must be a text field, not a file", part->name);
    if (form->given[f]) return fail(err, STATUS_INVALID, "%s is given twice", part->name);
    form->given[f] = true;
    return STATUS_OK;
}

static enum status append_image(struct edit_form *form, const char *bytes, size_t size,
                                struct error *err) {
    if (!form->image_begun && form->order.file_count == FIRERED_MAX_PICTURES)
        return fail(err, STATUS_INVALID, "image is given more than %d times", FIRERED_MAX_PICTURES);
    if (!form->image_begun) form->order.file_count++;
    form->image_begun = true;
    if (!service_hold_bytes(form->service, size)) {
        form->code = HTTP_QUEUE_FULL;
        return fail(err, STATUS_NO_MEMORY, "too many uploads at once; try again later");
    }
    form->order.held_bytes += size;
    enum status s =
        buffer_append(&form->order.files[form->order.file_count - 1], bytes, size, NULL);
    if (s != STATUS_OK) {
        form->code = HTTP_GPU_OOM;
        return fail(err, s, "memory does not suffice for this upload; try again later");
    }
    return STATUS_OK;
}

static enum status data(void *arg, const char *bytes, size_t size, struct error *err) {
    struct edit_form *form = arg;
    if (form->current == FIELD_UNKNOWN) return STATUS_OK;
    if (form->current == FIELD_IMAGE) return append_image(form, bytes, size, err);
    struct buffer *value = &form->values[form->current];
    if (size > fields[form->current].most - value->size)
        return fail(err, STATUS_INVALID, "%s is longer than %zu bytes", fields[form->current].name,
                    fields[form->current].most);
    enum status s = buffer_append(value, bytes, size, NULL);
    if (s != STATUS_OK) {
        form->code = HTTP_GPU_OOM;
        return fail(err, s, "memory does not suffice for this form; try again later");
    }
    return STATUS_OK;
}

static enum status end(void *arg, struct error *err) {
    struct edit_form *form = arg;
    if (form->current != FIELD_IMAGE || form->image_begun || form->unnamed_file) return STATUS_OK;
    form->code = HTTP_INVALID_FILE;
    return fail(err, STATUS_INVALID, "image is an empty file");
}

static void order_free(struct edit_form *form) {
    for (size_t i = 0; i < FIRERED_MAX_PICTURES; i++) buffer_free(&form->order.files[i]);
    service_release_bytes(form->service, form->order.held_bytes);
    free(form->order.prompt);
    free(form->order.negative_prompt);
}

bool edit_form_create(struct edit_form **out, struct service *service, const char *content_type,
                      struct problem *problem) {
    char boundary[MULTIPART_MOST_BOUNDARY + 1];
    *out = NULL;
    if (multipart_boundary(boundary, content_type, &problem->why) != STATUS_OK)
        return problem_set(problem, HTTP_INVALID_REQUEST, &problem->why);
    struct edit_form *form = calloc(1, sizeof *form);
    if (!form) return refuse(problem, HTTP_GPU_OOM, "memory does not suffice to read the form");
    form->service = service;
    form->code = HTTP_INVALID_REQUEST;
    struct multipart_handler handler = {begin, data, end, form};
    if (multipart_create(&form->multipart, boundary, &handler, &problem->why) != STATUS_OK) {
        free(form);
        return problem_set(problem, HTTP_GPU_OOM, &problem->why);
    }
    *out = form;
    return true;
}

void edit_form_destroy(struct edit_form *form) {
    if (!form) return;
    multipart_destroy(form->multipart);
    for (int f = 0; f < FIELDS; f++) buffer_free(&form->values[f]);
    order_free(form);
    free(form);
}

bool edit_form_feed(struct edit_form *form, const char *bytes, size_t size,
                    struct problem *problem) {
    struct error why;
    if (multipart_feed(form->multipart, bytes, size, &why) == STATUS_OK) return true;
    return problem_set(problem, form->code, &why);
}

/* A refused value as the client may see it again: short and printable, or not at all. */
static const char *shown(const struct buffer *value) {
    if (value->size > 40) return "something longer";
    for (size_t i = 0; i < value->size; i++)
        if (value->data[i] < 0x20 || value->data[i] >= 0x7f) return "something unprintable";
    return value->data;
}

/* Whether the value is this word. */
static bool is_word(const struct buffer *value, const char *word) {
    return value->size == strlen(word) && memcmp(value->data, word, value->size) == 0;
}

static bool read_integer(const struct edit_form *form, enum field f, uint64_t least, uint64_t most,
                         int *out, struct problem *problem) {
    const struct buffer *v = &form->values[f];
    uint64_t value;
    if (!v->size) return true;
    if (!form_unsigned(v->data, v->size, most, &value) || value < least)
        return refuse(problem, HTTP_INVALID_REQUEST,
                      "%s must be a whole number from %llu to %llu, not '%s'", fields[f].name,
                      (unsigned long long)least, (unsigned long long)most, shown(v));
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
        return refuse(problem, HTTP_INVALID_REQUEST,
                      "seed must be a whole number from 0 to 18446744073709551615, or -1, not '%s'",
                      shown(v));
    return true;
}

static bool read_guidance(const struct edit_form *form, double *guidance, struct problem *problem) {
    const struct buffer *v = &form->values[FIELD_GUIDANCE_SCALE];
    double value;
    if (!v->size) return true;
    if (!form_number(v->data, v->size, &value) || value < 0 || value > edit_most_guidance)
        return refuse(problem, HTTP_INVALID_REQUEST,
                      "guidance_scale must be a number from 0 to %g, not '%s'", edit_most_guidance,
                      shown(v));
    *guidance = value;
    return true;
}

/* WIDTHxHEIGHT. */
static bool read_sides(const struct buffer *value, struct edit_order *order) {
    uint64_t width, height;
    const char *x = memchr(value->data, 'x', value->size);
    if (!x) return false;
    size_t at = (size_t)(x - value->data);
    if (!form_unsigned(value->data, at, EDIT_MOST_SIDE, &width) || width < EDIT_LEAST_SIDE ||
        !form_unsigned(x + 1, value->size - at - 1, EDIT_MOST_SIDE, &height) ||
        height < EDIT_LEAST_SIDE)
        return false;
    order->width = (int)width;
    order->height = (int)height;
    return true;
}

static bool read_size(const struct edit_form *form, struct edit_order *order,
                      struct problem *problem) {
    const struct buffer *size = &form->values[FIELD_SIZE];
    if (!size->size || is_word(size, "model")) return true;
    if (is_word(size, "input"))
        order->input_size = true;
    else if (!read_sides(size, order))
        return refuse(problem, HTTP_INVALID_REQUEST,
                      "size must be input, model, or WIDTHxHEIGHT with sides from %d to %d, not "
                      "'%s'",
                      EDIT_LEAST_SIDE, EDIT_MOST_SIDE, shown(size));
    return true;
}

static bool read_width_and_height(const struct edit_form *form, struct edit_order *order,
                                  struct problem *problem) {
    if (form->values[FIELD_SIZE].size &&
        (form->values[FIELD_WIDTH].size || form->values[FIELD_HEIGHT].size))
        return refuse(problem, HTTP_INVALID_REQUEST,
                      "size excludes width and height: send one or the other");
    if (!form->values[FIELD_WIDTH].size != !form->values[FIELD_HEIGHT].size)
        return refuse(problem, HTTP_INVALID_REQUEST,
                      "width and height must be given both or not at all");
    return read_integer(form, FIELD_WIDTH, EDIT_LEAST_SIDE, EDIT_MOST_SIDE, &order->width,
                        problem) &&
           read_integer(form, FIELD_HEIGHT, EDIT_LEAST_SIDE, EDIT_MOST_SIDE, &order->height,
                        problem);
}

static bool read_format(const struct edit_form *form, enum picture_format *format,
                        struct problem *problem) {
    static const struct {
        const char *name;
        enum picture_format format;
    } formats[] = {{"png", PICTURE_PNG}, {"jpeg", PICTURE_JPEG}, {"webp", PICTURE_WEBP}};
    const struct buffer *v = &form->values[FIELD_OUTPUT_FORMAT];
    *format = PICTURE_PNG;
    if (!v->size) return true;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (is_word(v, formats[i].name)) {
            *format = formats[i].format;
            return true;
        }
    return refuse(problem, HTTP_INVALID_REQUEST,
                  "output_format must be png, jpeg or webp, not '%s'", shown(v));
}

static bool read_texts(const struct edit_form *form, struct edit_order *order,
                       struct problem *problem) {
    const struct buffer *prompt = &form->values[FIELD_PROMPT],
                        *negative = &form->values[FIELD_NEGATIVE_PROMPT];
    if (!prompt->size) return refuse(problem, HTTP_INVALID_REQUEST, "prompt is missing");
    if (!form_is_text(prompt->data, prompt->size))
        return refuse(problem, HTTP_INVALID_REQUEST, "prompt must be UTF-8 without NUL characters");
    if (form_is_blank(prompt->data, prompt->size))
        return refuse(problem, HTTP_INVALID_REQUEST, "prompt is blank");
    if (!form_is_text(negative->data, negative->size))
        return refuse(problem, HTTP_INVALID_REQUEST,
                      "negative_prompt must be UTF-8 without NUL characters");
    const char *otherwise = service_config(form->service)->negative_prompt;
    order->prompt = strdup(prompt->data);
    order->negative_prompt = strdup(negative->size ? negative->data : otherwise ? otherwise : " ");
    if (!order->prompt || !order->negative_prompt)
        return refuse(problem, HTTP_GPU_OOM,
                      "memory does not suffice for this form; try again later");
    return true;
}

/* Looks at the header of a picture only: a bad one is told at once, and not after the queue. */
static bool check_picture(const struct edit_form *form, size_t which, struct problem *problem) {
    const struct buffer *file = &form->order.files[which];
    int64_t most = service_config(form->service)->max_image_pixels;
    struct picture_header header;
    struct error why = {0};
    switch (picture_probe(&header, file->data, file->size, &why)) {
    case STATUS_OK: break;
    case STATUS_UNSUPPORTED:
        return refuse(problem, HTTP_INVALID_FILE,
                      "image %zu is in no supported format: send PNG, JPEG or WebP", which + 1);
    case STATUS_INVALID:
        return refuse(problem, HTTP_INVALID_IMAGE, "image %zu: %.400s", which + 1, why.text);
    default:
        return refuse(problem, HTTP_GPU_OOM, "memory does not suffice to read image %zu",
                      which + 1);
    }
    if ((int64_t)header.width * header.height > most)
        return refuse(problem, HTTP_INVALID_IMAGE,
                      "image %zu has %dx%d pixels; at most %lld in all are allowed", which + 1,
                      header.width, header.height, (long long)most);
    int longer = header.width > header.height ? header.width : header.height;
    int shorter = header.width > header.height ? header.height : header.width;
    if (longer > (int64_t)shorter * PICTURE_MAX_ASPECT)
        return refuse(problem, HTTP_INVALID_IMAGE,
                      "image %zu is %dx%d pixels; one side may be at most %d times the other",
                      which + 1, header.width, header.height, PICTURE_MAX_ASPECT);
    const struct edit_order *order = &form->order;
    if (order->input_size && which + 1 == order->file_count &&
        longer > picture_format_max_side(order->format))
        return refuse(problem, HTTP_INVALID_REQUEST,
                      "image %zu is %dx%d pixels, but %s holds at most %d a side; ask for png or "
                      "another size",
                      which + 1, header.width, header.height, picture_format_name(order->format),
                      picture_format_max_side(order->format));
    return true;
}

static bool check_pictures(const struct edit_form *form, struct problem *problem) {
    for (size_t i = 0; i < form->order.file_count; i++)
        if (!check_picture(form, i, problem)) return false;
    return true;
}

bool edit_form_finish(struct edit_form *form, struct edit_order *order, struct problem *problem) {
    struct error why;
    struct edit_order *o = &form->order;
    bool fixed_guidance;
    if (multipart_finish(form->multipart, &why) != STATUS_OK)
        return problem_set(problem, form->code, &why);
    if (o->file_count == 0)
        return refuse(problem, HTTP_INVALID_FILE,
                      "image is missing: send a picture file in a field of that name");
    service_defaults(form->service, &o->steps, &o->guidance_scale, &fixed_guidance);
    double guidance = o->guidance_scale;
    uint64_t most_steps = (uint64_t)service_config(form->service)->max_steps;
    if (!read_texts(form, o, problem) || !read_seed(form, &o->seed, problem) ||
        !read_guidance(form, &guidance, problem) ||
        !read_integer(form, FIELD_STEPS, 1, most_steps, &o->steps, problem) ||
        !read_width_and_height(form, o, problem) || !read_size(form, o, problem) ||
        !read_format(form, &o->format, problem) || !check_pictures(form, problem))
        return false;
    if (!fixed_guidance) o->guidance_scale = guidance;
    *order = *o;
    *o = (struct edit_order){0};
    return true;
}
