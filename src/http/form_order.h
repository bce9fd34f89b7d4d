/*
 * form_order.h - from a form's texts to an order: what form.c does when all parts are there.
 */
#ifndef HTTP_FORM_ORDER_H
#define HTTP_FORM_ORDER_H

#include "http/form.h"

/* What was sent, by row of the table of fields; empty where it was not. */
struct form_texts {
    struct buffer by_name[MAX_FIELDS], by_alias[MAX_FIELDS];
};

/* Reads the texts in the table's order, and checks what is not a single value's own: what excludes what, what the model has, the
 * pictures' headers.  *order has the files already and gets the rest.  False: refused; *order has to
 * be freed all the same. */
bool form_order(enum field_place place, const struct form_texts *texts,
                const struct edit_rules *rules, struct edit_order *order,
                struct form_options *options, struct problem *problem);

/* Says what is wrong with the request, and returns false. */
__attribute__((format(printf, 3, 4))) bool form_refuse(struct problem *p, enum http_error code,
                                                       const char *format, ...);

/* A refused value as the client may see it again: short and printable, or not at all. */
const char *form_shown(const char *value, size_t size);

#endif
