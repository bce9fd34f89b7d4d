/*
 * openai_routes.h - the routes that OpenAI's clients know: POST /v1/images/edits, GET /v1/models
 * and GET /v1/models/{id}.
 */
#ifndef HTTP_OPENAI_ROUTES_H
#define HTTP_OPENAI_ROUTES_H

#include "http/request.h"

/* POST /v1/images/edits, when its form has been read: takes *order over.  As edit_end: true: the
 * reply is set, an error or a stream of events; false: the connection is suspended, call
 * image_edits_end when it is resumed. */
bool image_edits_submit(struct request *r, struct edit_order *order);
bool image_edits_end(struct request *r);

/* The request is over.  NULL in r->images is fine. */
void image_edits_free(struct request *r);

void models_list(struct request *r);
void models_show(struct request *r);

#endif
