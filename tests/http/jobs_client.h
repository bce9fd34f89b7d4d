/*
 * jobs_client.h - a client of /v1/jobs, for the tests of jobs.  Whatever is not as it has to be fails
 * the running test.
 */
#ifndef TESTS_HTTP_JOBS_CLIENT_H
#define TESTS_HTTP_JOBS_CLIENT_H

#include <jansson.h>

#include "http/events.h"
#include "http/harness.h"

enum { ID_DIGITS = 32, PATH_SIZE = 96 };

struct posted {
    char self[PATH_SIZE], events[PATH_SIZE], result[PATH_SIZE], id[ID_DIGITS + 1];
    char request_id[129];
};

/* A POST of the form, which is freed; headers as http_request's. */
void post(struct server_process *s, struct form *f, const char *headers, struct answer *out);
struct posted paths_of(const char *id);

/* Posts the form, and checks everything about the 202. */
struct posted post_job_form(struct server_process *s, struct form *f);
/* The same with 3 steps and seed 7. */
struct posted post_job(struct server_process *s, const char *prompt);

json_t *look(struct server_process *s, const struct posted *p); /* GET of a job */
void expect_status(struct server_process *s, const struct posted *p, const char *status);
void expect_error(struct server_process *s, const char *method, const char *path, int status,
                  const char *code);
double number(const json_t *object, const char *key); /* which is there, and a number */

/* DELETE. */
void drop(struct server_process *s, const struct posted *p);

/* Listens to the end, which is this event. */
void wait_for_end(struct server_process *s, const struct posted *p, const char *name);

#endif
