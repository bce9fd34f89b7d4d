/*
 * edit_form.h - the forms that ask for an edit: collected while the body arrives, checked when it
 * has ended.
 */
#ifndef HTTP_EDIT_FORM_H
#define HTTP_EDIT_FORM_H

#include "http/reply.h"
#include "service/service.h"

struct edit_form;
struct edit_form_kind;

/* POST /edit and POST /v1/jobs; POST /v1/images/edits. */
extern const struct edit_form_kind edit_form_plain, edit_form_openai;

/* What is wrong with a request, for its answer. */
struct problem {
    enum http_error code;
    const char *field; /* whose value it is, else NULL; a constant */
    struct error why;  /* a sentence for the client */
};

/* content_type is the request's; NULL: it has none.  False: refused, and *problem says why. */
bool edit_form_create(struct edit_form **out, const struct edit_form_kind *kind,
                      struct service *service, const char *content_type, struct problem *problem);
void edit_form_destroy(struct edit_form *form); /* NULL is fine */

/* Takes the next bytes of the body, at most what remains of MAX_UPLOAD_MB in all. */
bool edit_form_feed(struct edit_form *form, const char *bytes, size_t size,
                    struct problem *problem);

/* The body has ended: checks everything that can be checked without decoding a picture, and moves
 * it into *order, which was empty.  Needs a loaded model, for its defaults. */
bool edit_form_finish(struct edit_form *form, struct edit_order *order, struct problem *problem);

/* What only edit_form_openai lets a client wish, once the form is finished. */
enum { EDIT_MOST_COUNT = 4 };
struct edit_wishes {
    int count;   /* pictures to make, from as many seeds in a row; 1 */
    bool stream; /* tell of the progress while they are made */
};
const struct edit_wishes *edit_form_wishes(const struct edit_form *form);

#endif
