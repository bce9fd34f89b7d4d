/*
 * The parts of a form, as multipart.c finds them.  A part is a row of the table of fields, the file
 * of a picture, or unknown.  Nobody is to pay for an edit and find out afterwards that half of the
 * request was ignored: a name that is nearly one of ours is refused; any other, the plain form
 * ignores, as the backend did that it stands in for, and the answer names it; OpenAI's form refuses it.
 *
 * A part without a byte and without a file's name is not there: browsers and typed clients send those
 * for what was left empty.
 *
 * Picture bytes are counted against what all requests together may hold, so that many slow uploads
 * cannot fill the memory.
 */
#include "http/form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "http/data_url.h"
#include "http/form_json.h"
#include "http/form_order.h"
#include "http/limits.h"
#include "http/multipart.h"

struct form {
    enum field_place place;
    const struct edit_rules *rules;
    struct multipart *multipart; /* NULL: the body is JSON */
    struct buffer json;          /* as far as it has come */
    uint64_t json_held;          /* of it, in the budget */
    struct form_texts texts;
    bool given[MAX_FIELDS], alias_given[MAX_FIELDS];
    char ignored[FORM_IGNORED_SIZE];    /* as in form_options */
    struct edit_order order;            /* its files */
    const struct field *current;        /* of the part that comes; NULL: unknown */
    struct buffer *text;                /* where it goes, where it is no picture */
    char name[MAX_PART_NAME_BYTES + 1]; /* of the part */
    bool must_be_empty;   /* the part is one that is refused or ignored, if a byte comes */
    bool image_begun;     /* the current image has had a byte: it counts */
    bool unnamed_file;    /* the current image has no file name, or an empty one: absent, if no byte
                          comes */
    enum http_error code; /* of an error in a part, and its field */
    const char *wrong_field;
};

/* What a handler of the form's parts said. */
static bool refuse_part(struct problem *p, const struct form *form, const struct error *why) {
    *p = (struct problem){form->code, form->wrong_field, *why};
    return false;
}

/* ---- fields that nothing comes of ---- */

/* Appends the name as it may stand in a list. */
static void append_name(struct buffer *out, const char *name) {
    bool plain =
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-[]") ==
        strlen(name);
    if (!plain) buffer_append(out, "\"", 1, NULL);
    log_escape(out, name);
    if (!plain) buffer_append(out, "\"", 1, NULL);
}

static bool is_listed(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at++) {
        bool begins = at == list || (at[-1] == ' ' && at[-2] == ',');
        if (begins && (!at[n] || strncmp(at + n, ", ", 2) == 0)) return true;
    }
    return false;
}

/* Once each; a list that is full, or has no memory, ends in "...". */
static void ignore(struct form *form, const char *name) {
    static const char more[] = ", ...";
    struct buffer shown = {0};
    size_t used = strlen(form->ignored), room = sizeof form->ignored - sizeof more - used;
    if (used >= 3 && strcmp(form->ignored + used - 3, more + 2) == 0) return;
    append_name(&shown, name);
    if (!shown.size || !is_listed(form->ignored, shown.data)) {
        bool fits = shown.size && shown.size + 2 <= room;
        snprintf(form->ignored + used, sizeof form->ignored - used, "%s%s", used ? ", " : "",
                 fits ? shown.data : more + 2);
    }
    buffer_free(&shown);
}

/* ---- parts ---- */

static enum status meet_unknown(struct form *form, const char *name, struct error *err) {
    const char *near = field_near(form->place, name);
    if (near)
        return fail(err, STATUS_INVALID, "'%s' is no field of this form; did you mean %s?",
                    form_shown(name, strlen(name)), near);
    if (form->place != FIELD_OF_OPENAI) {
        ignore(form, name);
        return STATUS_OK;
    }
    if (strcmp(name, "mask") == 0) {
        form->wrong_field = "mask";
        return fail(err, STATUS_INVALID,
                    "mask is not supported; say in the prompt what to change and what to keep");
    }
    return fail(err, STATUS_INVALID,
                "'%s' is no parameter of this server's image edits; leave it out (GET /docs lists "
                "them)",
                form_shown(name, strlen(name)));
}

/* A part that is not to be there has a byte, or a file's name. */
static enum status meet(struct form *form, struct error *err) {
    form->must_be_empty = false;
    if (!form->current) return meet_unknown(form, form->name, err);
    return fail(err, STATUS_INVALID, "%s must be a text field, not a file", form->name);
}

static enum status begin(void *arg, const struct multipart_part *part, struct error *err) {
    struct form *form = arg;
    const struct field *f = form->current = field_find(form->place, part->name);
    bool named_file = part->filename && *part->filename;
    form->wrong_field = f ? f->name : NULL;
    snprintf(form->name, sizeof form->name, "%s", part->name);
    if (f && f->kind == FIELD_PICTURES) {
        form->unnamed_file = !named_file;
        form->image_begun = false;
        return STATUS_OK;
    }
    if (named_file) return meet(form, err);
    form->must_be_empty = !f || part->filename;
    if (form->must_be_empty) return STATUS_OK;
    size_t row = (size_t)(f - field_table);
    bool alias = strcmp(part->name, f->name) != 0;
    bool *given = alias ? &form->alias_given[row] : &form->given[row];
    if (*given) return fail(err, STATUS_INVALID, "%s is given twice", part->name);
    *given = true;
    form->text = alias ? &form->texts.by_alias[row] : &form->texts.by_name[row];
    return STATUS_OK;
}

static enum status fail_too_many(struct form *form, struct error *err) {
    form->code = HTTP_QUEUE_FULL;
    return fail(err, STATUS_NO_MEMORY, "too many uploads at once; try again later");
}

static enum status fail_no_memory(struct form *form, struct error *err) {
    form->code = HTTP_GPU_OOM;
    return fail(err, STATUS_NO_MEMORY, "memory does not suffice for this form; try again later");
}

static enum status append_image(struct form *form, const char *bytes, size_t size,
                                struct error *err) {
    struct edit_order *order = &form->order;
    int max = form->rules->max_pictures;
    if (!form->image_begun && order->file_count == (size_t)max)
        return fail(err, STATUS_INVALID,
                    "an edit with this model takes at most %d picture%s; image is given more often",
                    max, max > 1 ? "s" : "");
    if (!form->image_begun) order->file_count++;
    form->image_begun = true;
    if (!edit_order_hold(order, size)) return fail_too_many(form, err);
    enum status s = buffer_append(&order->files[order->file_count - 1], bytes, size, NULL);
    return s == STATUS_OK ? s : fail_no_memory(form, err);
}

static enum status data(void *arg, const char *bytes, size_t size, struct error *err) {
    struct form *form = arg;
    const struct field *f = form->current;
    if (form->must_be_empty) return meet(form, err);
    if (!f) return STATUS_OK;
    if (f->kind == FIELD_PICTURES) return append_image(form, bytes, size, err);
    struct buffer *value = form->text;
    if (size > field_max_bytes(f) - value->size)
        return fail(err, STATUS_INVALID, "%s is longer than %zu bytes", f->name,
                    field_max_bytes(f));
    enum status s = buffer_append(value, bytes, size, NULL);
    return s == STATUS_OK ? s : fail_no_memory(form, err);
}

static enum status end(void *arg, struct error *err) {
    struct form *form = arg;
    bool picture = form->current && form->current->kind == FIELD_PICTURES;
    form->must_be_empty = false;
    if (!picture || (!form->image_begun && form->unnamed_file)) return STATUS_OK;
    form->code = HTTP_INVALID_FILE;
    if (!form->image_begun) return fail(err, STATUS_INVALID, "image is an empty file");
    struct buffer *file = &form->order.files[form->order.file_count - 1];
    enum status s = data_url_decode(file, err);
    if (s != STATUS_OK) return s;
    if (!file->size) return fail(err, STATUS_INVALID, "image is an empty file");
    form->code = HTTP_INVALID_REQUEST;
    return STATUS_OK;
}

/* ---- a form's life ---- */

bool form_create(struct form **out, enum field_place place, const struct edit_rules *rules,
                 struct upload_budget *uploads, const char *content_type, struct problem *problem) {
    char boundary[MULTIPART_MAX_BOUNDARY + 1];
    bool json = place == FIELD_OF_OPENAI && form_json_is_type(content_type);
    struct error why;
    *out = NULL;
    if (!json && multipart_boundary(boundary, content_type, &why) != STATUS_OK)
        return form_refuse(problem, HTTP_INVALID_REQUEST, "%s", why.text);
    struct form *form = calloc(1, sizeof *form);
    if (!form)
        return form_refuse(problem, HTTP_GPU_OOM, "memory does not suffice to read the form");
    form->place = place;
    form->rules = rules;
    form->order.budget = uploads;
    form->code = HTTP_INVALID_REQUEST;
    struct multipart_handler handler = {begin, data, end, form};
    if (!json && multipart_create(&form->multipart, boundary, &handler, &why) != STATUS_OK) {
        free(form);
        return form_refuse(problem, HTTP_GPU_OOM, "%s", why.text);
    }
    *out = form;
    return true;
}

static void let_go_of_json(struct form *form) {
    if (form->order.budget) upload_budget_release(form->order.budget, form->json_held);
    form->json_held = 0;
    buffer_free(&form->json);
}

void form_destroy(struct form *form) {
    if (!form) return;
    multipart_destroy(form->multipart);
    let_go_of_json(form);
    for (size_t i = 0; i < MAX_FIELDS; i++) {
        buffer_free(&form->texts.by_name[i]);
        buffer_free(&form->texts.by_alias[i]);
    }
    edit_order_free(&form->order);
    free(form);
}

static enum status keep_json(struct form *form, const char *bytes, size_t size, struct error *err) {
    if (form->order.budget && !upload_budget_hold(form->order.budget, size))
        return fail_too_many(form, err);
    form->json_held += size;
    enum status s = buffer_append(&form->json, bytes, size, NULL);
    return s == STATUS_OK ? s : fail_no_memory(form, err);
}

/* Its parts all come now. */
static enum status read_json(struct form *form, struct error *err) {
    struct multipart_handler handler = {begin, data, end, form};
    enum status s =
        form_json_read(form->json.data ? form->json.data : "", form->json.size, &handler, err);
    let_go_of_json(form);
    return s;
}

bool form_feed(struct form *form, const char *bytes, size_t size, struct problem *problem) {
    struct error why;
    enum status s = form->multipart ? multipart_feed(form->multipart, bytes, size, &why)
                                    : keep_json(form, bytes, size, &why);
    return s == STATUS_OK || refuse_part(problem, form, &why);
}

bool form_finish(struct form *form, struct edit_order *order, struct form_options *options,
                 struct problem *problem) {
    struct error why;
    form->wrong_field = NULL;
    enum status s =
        form->multipart ? multipart_finish(form->multipart, &why) : read_json(form, &why);
    if (s != STATUS_OK) return refuse_part(problem, form, &why);
    if (form->order.file_count == 0) {
        form_refuse(problem, HTTP_INVALID_FILE,
                    "image is missing: send a picture file in a field of that name");
        problem->field = "image";
        return false;
    }
    if (!form_order(form->place, &form->texts, form->rules, &form->order, options, problem))
        return false;
    for (size_t i = 0; i < field_count; i++)
        if (field_table[i].kind == FIELD_IGNORED && form->texts.by_name[i].size)
            ignore(form, field_table[i].name);
    memcpy(options->ignored, form->ignored, sizeof options->ignored);
    *order = form->order;
    form->order = (struct edit_order){0};
    return true;
}
