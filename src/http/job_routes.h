/*
 * job_routes.h - /v1/jobs: edits that are asked for and fetched by different requests.
 */
#ifndef HTTP_JOB_ROUTES_H
#define HTTP_JOB_ROUTES_H

#include "http/request.h"
#include "service/job_store.h"

/* POST /v1/jobs, when its form has been read: 202. */
bool job_submit(struct request *r, struct edit_order *order);

/* /v1/jobs/{id}: GET, DELETE. */
void job_show(struct request *r);
void job_delete(struct request *r);

/* GET /v1/jobs/{id}/events and /result. */
void job_events(struct request *r);
void job_result(struct request *r);

/* For all of them: the job that the path names, held for the caller; NULL: refused. */
struct kept_job *job_of_path(struct request *r);

/* What is told of a job that has ended, both by GET and by its last event: adds to `json`, which is
 * returned. */
json_t *job_ended_json(const struct kept_job *job, json_t *json);

/* To the millisecond; negative: null. */
json_t *json_seconds(double seconds);

#endif
