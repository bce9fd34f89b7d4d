/*
 * openai_routes.h - the routes that OpenAI's clients know: POST /v1/images/edits, GET /v1/models
 * and GET /v1/models/{id}.
 */
#ifndef HTTP_OPENAI_ROUTES_H
#define HTTP_OPENAI_ROUTES_H

#include "http/request.h"

/* POST /v1/images/edits: its functions, as routes.h has them. */
void image_edits_begin(struct request *r);
void image_edits_end(struct request *r);
void image_edits_free(struct request *r);

void models_list(struct request *r);
void models_show(struct request *r);

#endif
