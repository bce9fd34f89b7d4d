/*
 * form.h - the forms that ask for an edit: collected while the body arrives, checked when it has
 * ended.  Which fields there are is config/fields.h's.
 */
#ifndef HTTP_FORM_H
#define HTTP_FORM_H

#include "config/fields.h"
#include "http/reply.h"
#include "service/edit_rules.h"
#include "service/order.h"

struct form;

/* What is wrong with a request, for its answer. */
struct problem {
    enum http_error code;
    const char *field; /* whose value it is, else NULL; a constant */
    struct error why;  /* a sentence for the client */
};

/* What a form asks for beside the order, which is all that POST /edit and POST /v1/jobs know; and what
 * nothing came of: the names of fields, comma-separated, in quotes and escaped where they are no plain
 * ones, "..." at the end where there were more. */
enum { FORM_IGNORED_SIZE = 512 };
struct form_options {
    int count;   /* pictures to make, from as many seeds in a row */
    bool stream; /* tell of the progress while they are made */
    char ignored[FORM_IGNORED_SIZE];
};

/* The form of `place`, which is checked against `rules`; its pictures are counted in `uploads`.
 * content_type is the request's; NULL: it has none.  False: refused, and *problem says why. */
bool form_create(struct form **out, enum field_place place, const struct edit_rules *rules,
                 struct upload_budget *uploads, const char *content_type, struct problem *problem);
void form_destroy(struct form *form); /* NULL is fine */

/* Takes the next bytes of the body, at most what remains of MAX_UPLOAD_MB in all. */
bool form_feed(struct form *form, const char *bytes, size_t size, struct problem *problem);

/* The body has ended: checks everything that can be checked without decoding a picture, and moves
 * it into *order, which was empty. */
bool form_finish(struct form *form, struct edit_order *order, struct form_options *options,
                 struct problem *problem);

#endif
