/*
 * edit_route.h - POST /edit, from the request's head to the answer.
 *
 * The three steps are called by routes.c as the request arrives.  Each may set the request's reply,
 * and then the later ones are not called.
 */
#ifndef HTTP_EDIT_ROUTE_H
#define HTTP_EDIT_ROUTE_H

#include "http/request.h"

/* The head is there: what can be refused now is refused now. */
void edit_begin(struct request *r);

/* Some of the body. */
void edit_body(struct request *r, const char *bytes, size_t size);

/* The body is over: queues the edit and suspends the connection.  False: call it again when the
 * connection is resumed; true: the reply is set, or r->gone is: the client left, and there is
 * nobody to answer. */
bool edit_end(struct request *r);

/* The request is over, however it ended.  NULL in r->edit is fine. */
void edit_free(struct request *r);

/* What the log line of the request says about the edit; returns how many fields (at most
 * EDIT_MOST_LOG_FIELDS). */
enum { EDIT_MOST_LOG_FIELDS = 16 };
int edit_log_fields(const struct request *r, struct log_field *fields);

#endif
