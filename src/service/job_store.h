/*
 * job_store.h - edits that nobody has to wait for: each has an id, can be asked how it goes, and
 * its result is kept for a while.
 *
 *     job_store_submit(store, &order, request_id, deadline, &job)
 *     ... job_look(job, &view) ... job_listen(job, &listener) ...
 *     job_release(job)
 *     later, by its id: job_store_find(store, id)
 *
 * What has ended is kept for `ttl_seconds`, and only as long as all results together fit into
 * `max_bytes` and the jobs are no more than JOB_STORE_MAX_ENDED: the oldest is forgotten first.
 * Who holds a forgotten job can still read it.  Jobs under way are bounded by the queue.
 *
 * Every function but create and destroy may be called from any thread.
 */
#ifndef SERVICE_JOB_STORE_H
#define SERVICE_JOB_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/log.h"
#include "service/metrics.h"
#include "service/queue.h"

struct job_store;
struct kept_job;

enum { JOB_ID_DIGITS = 32, JOB_STORE_MAX_ENDED = 4096 };

struct job_store_options {
    struct queue *queue;     /* where the jobs wait */
    struct metrics *metrics; /* knows how long edits took; NULL: nothing is known */
    const struct log *log;   /* of jobs' ends; NULL: nothing is written */
    double ttl_seconds;
    uint64_t max_bytes;
};

/* The queue and what else the options name must outlive the store's jobs, not the store.  The store
 * is told of the queue's moves from then on.  STATUS_NO_MEMORY, STATUS_IO (a thread cannot be
 * started). */
enum status job_store_create(struct job_store **out, const struct job_store_options *options,
                             struct error *err);
/* No job may be under way, and none be held by anybody.  NULL is fine. */
void job_store_destroy(struct job_store *store);

/* Queues the edit.  QUEUE_ACCEPTED: *order was taken over, and *job is held for the caller, who
 * releases it; anything else: the order is still the caller's.  QUEUE_NO_MEMORY too. */
enum queue_answer job_store_submit(struct job_store *store, struct edit_order *order,
                                   const char *request_id, int64_t deadline, struct kept_job **job);

/* The job of this id, held for the caller; NULL: there is none, or none any more. */
struct kept_job *job_store_find(struct job_store *store, const char *id);
void job_release(struct kept_job *job);

/* Forgets a job that has ended; asks one that waits or runs to stop, which then ends as cancelled
 * and is kept like the others. */
void job_drop(struct kept_job *job);

enum job_status { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_DROPPED };

/* How a job stands at this moment. */
struct job_view {
    enum job_status status;
    int position; /* JOB_QUEUED: 1 is the next to run */
    enum firered_stage stage;
    int step, steps;     /* JOB_RUNNING: steps finished, of how many */
    double seconds_left; /* JOB_RUNNING: an estimate; negative as long as no step was measured */
    double expires_in;   /* ended: seconds until it is forgotten, if not earlier */
};
void job_look(struct kept_job *job, struct job_view *view);

/* What never changes: they live as long as the job is held. */
const char *job_id(const struct kept_job *job); /* JOB_ID_DIGITS lower-case hexadecimal digits */
const char *job_request_id(const struct kept_job *job);
const struct edit_order *job_order(const struct kept_job *job); /* but for its texts and files */
/* Of a job that has ended. */
const struct edit_outcome *job_outcome(const struct kept_job *job);

/* changed(arg) is called whenever job_look may say something new, with the store's lock held: it
 * must be quick, and call nothing of this module.  After job_unlisten it is not running and will
 * not be called. */
struct job_listener {
    void (*changed)(void *arg);
    void *arg;
    struct list_link link; /* the store's own */
};
void job_listen(struct kept_job *job, struct job_listener *listener);
void job_unlisten(struct kept_job *job, struct job_listener *listener);

/* How many jobs are known, and how many bytes their results have; either pointer may be NULL. */
void job_store_count(struct job_store *store, int *jobs, uint64_t *bytes);

#endif
