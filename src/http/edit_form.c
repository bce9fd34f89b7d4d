/*
 * The form of POST /edit and of jobs.  Whatever it does not know is read over, as the backend did
 * that it stands in for.
 */
#include "http/edit_form.h"

#include "http/form_fields.h"
#include "http/limits.h"

enum { FIELD_WIDTH = COMMON_FIELDS, FIELD_HEIGHT, FIELDS };

static const struct field own_fields[] = {{"width", MOST_VALUE_BYTES},
                                          {"height", MOST_VALUE_BYTES}};

static bool read_sides(struct edit_form *form, struct problem *problem) {
    const struct buffer *width = &form->values[FIELD_WIDTH], *height = &form->values[FIELD_HEIGHT];
    if (form->values[FIELD_SIZE].size && (width->size || height->size))
        return form_refuse_field(problem, form, FIELD_SIZE,
                                 "size excludes width and height: send one or the other");
    if (!width->size != !height->size)
        return form_refuse_field(problem, form, width->size ? FIELD_HEIGHT : FIELD_WIDTH,
                                 "width and height must be given both or not at all");
    return form_read_integer(form, FIELD_WIDTH, FIRERED_MIN_SIDE, FIRERED_MAX_SIDE,
                             &form->order.width, problem) &&
           form_read_integer(form, FIELD_HEIGHT, FIRERED_MIN_SIDE, FIRERED_MAX_SIDE,
                             &form->order.height, problem);
}

static bool read_fields(struct edit_form *form, struct problem *problem) {
    return form_read_common(form, problem) && read_sides(form, problem) &&
           form_read_size(form, "model", problem) && form_read_format(form, problem) &&
           form_check_pictures(form, problem);
}

const struct edit_form_kind edit_form_plain = {
    .fields = own_fields, .field_count = FIELDS - COMMON_FIELDS, .read = read_fields};
