/*
 * edit_route.h - POST /edit, from the request's head to the answer, and what other routes that take
 * an edit share with it.
 *
 * The three steps are called by routes.c as the request arrives.  Each may set the request's reply,
 * and then the later ones are not called.
 */
#ifndef HTTP_EDIT_ROUTE_H
#define HTTP_EDIT_ROUTE_H

#include "http/edit_form.h"
#include "http/request.h"

/* The head is there: what can be refused now is refused now. */
void edit_begin(struct request *r, const struct edit_form_kind *kind);

/* Some of the body. */
void edit_body(struct request *r, const char *bytes, size_t size);

/* The body is over: checks the form and hands what it asks for to `submit`, which may take it over.
 * False: the connection is suspended, call it again when it is resumed; true: the reply is set, or
 * r->gone is: the client left, and there is nobody to answer. */
bool edit_end(struct request *r, bool (*submit)(struct request *r, struct edit_order *order));

/* POST /edit's own: queues the edit and suspends the connection. */
bool edit_submit(struct request *r, struct edit_order *order);

/* What a route answers that could not queue an edit, and when an edit has failed. */
void edit_refuse(struct request *r, enum service_answer why);
enum http_error edit_error(enum edit_end end);

/* The headers that a picture is answered with. */
void edit_headers(struct request *r, const struct edit_order *order,
                  const struct edit_outcome *outcome);

/* What else the form asked for; for a route's `submit`. */
const struct edit_wishes *edit_wishes(const struct request *r);

/* The request is over, however it ended.  NULL in r->edit is fine. */
void edit_free(struct request *r);

/* What the log line of the request says about the edit; returns how many fields (at most
 * EDIT_MOST_LOG_FIELDS). */
enum { EDIT_MOST_LOG_FIELDS = EDIT_JOB_LOG_FIELDS };
int edit_log_fields(const struct request *r, struct log_field *fields);

#endif
