/*
 * edit_job.h - one edit in a queue: picture files in, a picture file out.
 *
 * The owner fills what stands first, submits with queue_submit (queue.h), and reads `outcome` when
 * `done` was called.  Until then the memory is lent to the queue.
 */
#ifndef SERVICE_EDIT_JOB_H
#define SERVICE_EDIT_JOB_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/list.h"
#include "base/log.h"
#include "service/metrics.h"
#include "service/order.h"

struct queue;

struct edit_job {
    const char *request_id; /* for the log; lives as long as the job is submitted */
    int64_t deadline;       /* of clock_now; covers waiting and running */
    /* Once, from any thread, without any lock held; the job is the owner's again, and may be freed
     * within. */
    void (*done)(struct edit_job *job);
    /* How it goes, from the worker's thread; the first call is that it runs.  May be NULL. */
    void (*progress)(struct edit_job *job, const struct firered_progress *now);
    struct edit_order order;
    struct edit_outcome outcome;

    /* The queue's, to be read by the owner. */
    int64_t submitted, started; /* clock_now; started is 0 when it never ran */

    /* The queue's own. */
    struct queue *queue;
    struct list_link link;
    int state;
    atomic_int stop;
    size_t prompt_bytes; /* for the log, when the texts are gone */
    char seed[24];       /* likewise: it has no unsigned numbers */
};

void edit_job_free(struct edit_job *job); /* what it holds, not the struct */

/* For queues: makes a job ready that is submitted, and reports its end to its owner.  `stopped`
 * is EDIT_DONE of a job that ran to its own end, with whatever outcome; else why it did not. */
void edit_job_begin(struct edit_job *job);
void edit_job_end(struct edit_job *job, enum edit_end stopped, struct metrics *metrics);

/* What a log line says about an edit that was submitted and has ended; returns how many fields, at
 * most EDIT_JOB_LOG_FIELDS.  They point into the job. */
enum { EDIT_JOB_LOG_FIELDS = 16 };
int edit_job_log_fields(const struct edit_job *job, struct log_field *fields);

#endif
