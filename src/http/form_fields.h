/*
 * form_fields.h - what the forms that ask for an edit have in common, for the files that read them.
 *
 * form_fields.c collects the parts of a form, form_values.c reads the fields that every kind has;
 * a kind (edit_form.c, openai_form.c) adds fields of its own and says what the form means.
 */
#ifndef HTTP_FORM_FIELDS_H
#define HTTP_FORM_FIELDS_H

#include "http/edit_form.h"
#include "http/multipart.h"

/* The text fields of every kind; a kind's own are numbered from COMMON_FIELDS on. */
enum {
    FIELD_PROMPT,
    FIELD_NEGATIVE_PROMPT,
    FIELD_SEED,
    FIELD_GUIDANCE_SCALE,
    FIELD_STEPS,
    FIELD_SIZE,
    FIELD_OUTPUT_FORMAT,
    COMMON_FIELDS,
    MOST_FIELDS = 24
};

struct field {
    const char *name;
    size_t most; /* bytes */
};

struct edit_form_kind {
    const struct field *fields; /* its own */
    int field_count;
    const char *image_too; /* a second name of the field image; NULL: none */
    /* What to say about a part that is none of its fields; NULL: such parts are read over. */
    enum status (*refuse_part)(struct edit_form *form, const char *name, struct error *err);
    /* Checks all fields of a form that has ended, and fills form->order. */
    bool (*read)(struct edit_form *form, struct problem *problem);
};

struct edit_form {
    const struct edit_form_kind *kind;
    struct service *service;
    struct multipart *multipart;
    struct buffer values[MOST_FIELDS];
    bool given[MOST_FIELDS];
    struct edit_order order;
    struct edit_wishes wishes;
    int current;       /* field of the current part, or form_fields.c's CURRENT_... */
    bool image_begun;  /* the current image has had a byte: it counts */
    bool unnamed_file; /* the current image has an empty file name: a file input left empty, if no
                          byte comes */
    enum http_error code; /* of an error in a part, and its field */
    const char *wrong_field;
};

const char *form_field_name(const struct edit_form *form, int field);

/* Say what is wrong, with the request or with one field, and return false. */
__attribute__((format(printf, 3, 4))) bool form_refuse(struct problem *p, enum http_error code,
                                                       const char *format, ...);
__attribute__((format(printf, 4, 5))) bool form_refuse_field(struct problem *p,
                                                             const struct edit_form *form,
                                                             int field, const char *format, ...);

/* A refused value as the client may see it again: short and printable, or not at all. */
const char *form_shown(const struct buffer *value);

/* Whether the value is this word. */
bool form_is_word(const struct buffer *value, const char *word);

/* Where the field is absent or empty, *out stays as it was. */
bool form_read_integer(const struct edit_form *form, int field, uint64_t least, uint64_t most,
                       int *out, struct problem *problem);

/* prompt, negative_prompt, seed, guidance_scale and steps, with the service's defaults. */
bool form_read_common(struct edit_form *form, struct problem *problem);
bool form_read_format(struct edit_form *form, struct problem *problem);

/* size: WIDTHxHEIGHT, `input`, or `own` for the model's own size. */
bool form_read_size(struct edit_form *form, const char *own, struct problem *problem);

/* Looks at the pictures' headers only: a bad one is told at once, and not after the queue.  After
 * size and format, which say what the result must be able to hold. */
bool form_check_pictures(const struct edit_form *form, struct problem *problem);

#endif
