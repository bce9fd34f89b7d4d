/*
 * local_queue.h - the queue of one process, in order of arrival.
 *
 * Who submits sees its struct queue (queue.h); who works jobs off takes them here:
 *
 *     while ((job = local_queue_take(q))) {
 *         ... until local_queue_stopping(job) ...
 *         local_queue_finish(q, job);
 *     }
 */
#ifndef SERVICE_LOCAL_QUEUE_H
#define SERVICE_LOCAL_QUEUE_H

#include <stdbool.h>

#include "firered/status.h"
#include "service/queue.h"

struct local_queue;

/* `workers` is how many jobs are worked off at a time; max_waiting, how many may wait while all of
 * them are busy; 0 is allowed.  Until local_queue_open, nothing is accepted.  Ended jobs are counted
 * in metrics, which may be NULL.  STATUS_INVALID, STATUS_NO_MEMORY, STATUS_IO (the thread that
 * watches deadlines cannot be started). */
enum status local_queue_create(struct local_queue **out, int workers, int max_waiting,
                               struct metrics *metrics, struct error *err);

/* Closes and frees.  NULL is fine.  No other call may be under way, no job running. */
void local_queue_destroy(struct local_queue *q);

/* The queue as who submits sees it. */
struct queue *local_queue_front(struct local_queue *q);

/* Jobs are accepted from now on. */
void local_queue_open(struct local_queue *q);

/* The next job, which then runs; waits for one.  NULL: the queue is closed, and none is left. */
struct edit_job *local_queue_take(struct local_queue *q);

/* Whether a running job was cancelled or its deadline has passed. */
bool local_queue_stopping(struct edit_job *job);

/* A running job is over, and its outcome filled in; one that was asked to stop ends as such. */
void local_queue_finish(struct local_queue *q, struct edit_job *job);

#endif
