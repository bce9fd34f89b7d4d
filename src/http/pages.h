/*
 * pages.h - the routes beside /edit: each sets the request's reply from what is known now.
 */
#ifndef HTTP_PAGES_H
#define HTTP_PAGES_H

#include "http/request.h"

void page_health(struct request *r); /* 200 as long as the process lives */
void page_ready(
    struct request *r); /* 200 once edits are accepted, else 503 with the loading progress */
void page_metrics(struct request *r); /* Prometheus */
void page_info(struct request *r);
void page_openapi(struct request *r);
void page_docs(struct request *r);

#endif
