/*
 * edit_form.h - the fields of POST /edit: collected while the body arrives, checked when it has
 * ended.
 */
#ifndef HTTP_EDIT_FORM_H
#define HTTP_EDIT_FORM_H

#include "http/errors.h"
#include "service/service.h"

struct edit_form;

/* What width, height and guidance_scale may be. */
enum { EDIT_LEAST_SIDE = 64, EDIT_MOST_SIDE = 2048 };
extern const double edit_most_guidance;

/* What is wrong with a request, for its answer. */
struct problem {
    enum http_error code;
    struct error why; /* a sentence for the client */
};

/* content_type is the request's; NULL: it has none.  False: refused, and *problem says why. */
bool edit_form_create(struct edit_form **out, struct service *service, const char *content_type,
                      struct problem *problem);
void edit_form_destroy(struct edit_form *form); /* NULL is fine */

/* Takes the next bytes of the body, at most what remains of MAX_UPLOAD_MB in all. */
bool edit_form_feed(struct edit_form *form, const char *bytes, size_t size,
                    struct problem *problem);

/* The body has ended: checks everything that can be checked without decoding a picture, and moves
 * it into *order, which was empty.  Needs a loaded model, for its defaults. */
bool edit_form_finish(struct edit_form *form, struct edit_order *order, struct problem *problem);

#endif
