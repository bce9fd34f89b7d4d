/*
 * One table names a form's text fields; "image" and what is unknown stand beside it.  Picture bytes
 * are counted against what all requests together may hold, so that many slow uploads cannot fill
 * the memory.
 */
#include "http/form_fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/limits.h"

enum { CURRENT_IMAGE = -1, CURRENT_UNKNOWN = -2 };

static const struct field common_fields[COMMON_FIELDS] = {
    [FIELD_PROMPT] = {"prompt", MOST_FIELD_BYTES},
    [FIELD_NEGATIVE_PROMPT] = {"negative_prompt", MOST_FIELD_BYTES},
    [FIELD_SEED] = {"seed", MOST_VALUE_BYTES},
    [FIELD_GUIDANCE_SCALE] = {"guidance_scale", MOST_VALUE_BYTES},
    [FIELD_STEPS] = {"steps", MOST_VALUE_BYTES},
    [FIELD_SIZE] = {"size", MOST_VALUE_BYTES},
    [FIELD_OUTPUT_FORMAT] = {"output_format", MOST_VALUE_BYTES},
};

static const struct field *field_of(const struct edit_form *form, int field) {
    return field < COMMON_FIELDS ? &common_fields[field]
                                 : &form->kind->fields[field - COMMON_FIELDS];
}

const char *form_field_name(const struct edit_form *form, int field) {
    return field_of(form, field)->name;
}

bool form_refuse(struct problem *p, enum http_error code, const char *format, ...) {
    va_list args;
    p->code = code;
    p->field = NULL;
    va_start(args, format);
    vsnprintf(p->why.text, sizeof p->why.text, format, args);
    va_end(args);
    return false;
}

bool form_refuse_field(struct problem *p, const struct edit_form *form, int field,
                       const char *format, ...) {
    va_list args;
    p->code = HTTP_INVALID_REQUEST;
    p->field = form_field_name(form, field);
    va_start(args, format);
    vsnprintf(p->why.text, sizeof p->why.text, format, args);
    va_end(args);
    return false;
}

/* What a handler of the form's parts said. */
static bool refuse_part(struct problem *p, const struct edit_form *form, const struct error *why) {
    *p = (struct problem){form->code, form->wrong_field, *why};
    return false;
}

/* ---- parts ---- */

static enum status begin(void *arg, const struct multipart_part *part, struct error *err) {
    struct edit_form *form = arg;
    const char *image_too = form->kind->image_too;
    form->wrong_field = NULL;
    if (strcmp(part->name, "image") == 0 || (image_too && strcmp(part->name, image_too) == 0)) {
        form->current = CURRENT_IMAGE;
        form->wrong_field = "image";
        form->unnamed_file = part->filename && !*part->filename;
        form->image_begun = false;
        return STATUS_OK;
    }
    int f = 0, count = COMMON_FIELDS + form->kind->field_count;
    while (f < count && strcmp(part->name, form_field_name(form, f)) != 0) f++;
    form->current = f < count ? f : CURRENT_UNKNOWN;
    if (f == count)
        return form->kind->refuse_part ? form->kind->refuse_part(form, part->name, err) : STATUS_OK;
    form->wrong_field = form_field_name(form, f);
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
    if (form->current == CURRENT_UNKNOWN) return STATUS_OK;
    if (form->current == CURRENT_IMAGE) return append_image(form, bytes, size, err);
    const struct field *field = field_of(form, form->current);
    struct buffer *value = &form->values[form->current];
    if (size > field->most - value->size)
        return fail(err, STATUS_INVALID, "%s is longer than %zu bytes", field->name, field->most);
    enum status s = buffer_append(value, bytes, size, NULL);
    if (s != STATUS_OK) {
        form->code = HTTP_GPU_OOM;
        return fail(err, s, "memory does not suffice for this form; try again later");
    }
    return STATUS_OK;
}

static enum status end(void *arg, struct error *err) {
    struct edit_form *form = arg;
    if (form->current != CURRENT_IMAGE || form->image_begun || form->unnamed_file) return STATUS_OK;
    form->code = HTTP_INVALID_FILE;
    return fail(err, STATUS_INVALID, "image is an empty file");
}

/* ---- a form's life ---- */

bool edit_form_create(struct edit_form **out, const struct edit_form_kind *kind,
                      struct service *service, const char *content_type, struct problem *problem) {
    char boundary[MULTIPART_MOST_BOUNDARY + 1];
    struct error why;
    *out = NULL;
    if (multipart_boundary(boundary, content_type, &why) != STATUS_OK)
        return form_refuse(problem, HTTP_INVALID_REQUEST, "%s", why.text);
    struct edit_form *form = calloc(1, sizeof *form);
    if (!form)
        return form_refuse(problem, HTTP_GPU_OOM, "memory does not suffice to read the form");
    form->kind = kind;
    form->service = service;
    form->code = HTTP_INVALID_REQUEST;
    form->wishes.count = 1;
    struct multipart_handler handler = {begin, data, end, form};
    if (multipart_create(&form->multipart, boundary, &handler, &why) != STATUS_OK) {
        free(form);
        return form_refuse(problem, HTTP_GPU_OOM, "%s", why.text);
    }
    *out = form;
    return true;
}

void edit_form_destroy(struct edit_form *form) {
    if (!form) return;
    multipart_destroy(form->multipart);
    for (int f = 0; f < MOST_FIELDS; f++) buffer_free(&form->values[f]);
    edit_order_free(&form->order, form->service);
    free(form);
}

bool edit_form_feed(struct edit_form *form, const char *bytes, size_t size,
                    struct problem *problem) {
    struct error why;
    if (multipart_feed(form->multipart, bytes, size, &why) == STATUS_OK) return true;
    return refuse_part(problem, form, &why);
}

bool edit_form_finish(struct edit_form *form, struct edit_order *order, struct problem *problem) {
    struct error why;
    form->wrong_field = NULL;
    if (multipart_finish(form->multipart, &why) != STATUS_OK)
        return refuse_part(problem, form, &why);
    if (form->order.file_count == 0) {
        form_refuse(problem, HTTP_INVALID_FILE,
                    "image is missing: send a picture file in a field of that name");
        problem->field = "image";
        return false;
    }
    if (!form->kind->read(form, problem)) return false;
    *order = form->order;
    form->order = (struct edit_order){0};
    return true;
}

const struct edit_wishes *edit_form_wishes(const struct edit_form *form) {
    return &form->wishes;
}
