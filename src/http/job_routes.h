/*
 * job_routes.h - /v1/jobs: edits that are asked for and fetched by different requests.
 */
#ifndef HTTP_JOB_ROUTES_H
#define HTTP_JOB_ROUTES_H

#include "http/request.h"
#include "service/job_store.h"

/* POST /v1/jobs, when its body has ended (it begins as POST /edit does): 202. */
void job_submit(struct request *r);

/* /v1/jobs/{id}: GET, DELETE. */
void job_show(struct request *r);
void job_delete(struct request *r);

/* GET /v1/jobs/{id}/events and /result. */
void job_events(struct request *r);
void job_result(struct request *r);

/* To the millisecond; negative: null. */
json_t *json_seconds(double seconds);

#endif
