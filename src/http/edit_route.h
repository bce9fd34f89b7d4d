/*
 * edit_route.h - POST /edit, and what other routes that answer with edits share with it.
 */
#ifndef HTTP_EDIT_ROUTE_H
#define HTTP_EDIT_ROUTE_H

#include "http/request.h"

/* The route's functions, as routes.h has them. */
void edit_begin(struct request *r);
void edit_end(struct request *r);
int edit_log(const struct request *r, struct log_field *fields);
void edit_free(struct request *r);

/* What a request is answered whose edit ended so, other than EDIT_DONE. */
enum http_error edit_error(enum edit_end end);

/* The headers that a picture is answered with. */
void edit_headers(struct request *r, const struct edit_order *order,
                  const struct edit_outcome *outcome);

/* Of these, how much it changed, and what is to be said of it. */
void edit_change_headers(struct request *r, double change, bool same_seed);

#endif
