/*
 * queue.h - where edits wait: the interface that routes and the job store submit to.
 *
 * local_queue.h is the queue of this process.  Another kind, whose jobs are worked off elsewhere, is
 * one more struct queue_kind; who submits does not notice.
 *
 *     job->deadline = clock_now() + 5 * NANOSECONDS, job->done = on_done, ...;
 *     if (queue_submit(queue, job) != QUEUE_ACCEPTED) ...
 *
 * A job is memory of its owner that the queue borrows until it calls the job's `done`, which it does
 * exactly once for every accepted job.  A job ends early for three reasons: its deadline passes, its
 * owner cancels it, or the queue is closed.  While it waits it ends at once, while it runs within a
 * step.
 *
 * Every function may be called from any thread, but not from within a job's `progress`.
 */
#ifndef SERVICE_QUEUE_H
#define SERVICE_QUEUE_H

#include "service/edit_job.h"

enum queue_answer {
    QUEUE_ACCEPTED,
    QUEUE_NOT_READY, /* nobody can work off a job yet: the model is still loading */
    QUEUE_FULL,
    QUEUE_CLOSED,
    QUEUE_NO_MEMORY
};

struct queue_kind {
    enum queue_answer (*submit)(struct queue *queue, struct edit_job *job);
    enum queue_answer (*would_accept)(struct queue *queue);
    void (*cancel)(struct queue *queue, struct edit_job *job);
    int (*position)(struct queue *queue, struct edit_job *job);
    void (*count)(struct queue *queue, int *waiting, int *running);
    void (*close)(struct queue *queue);
};

/* The first member of each kind's own struct. */
struct queue {
    const struct queue_kind *kind;
    void (*moved)(void *arg); /* of queue_on_move; NULL: nobody wants to know */
    void *moved_arg;
};

/* moved(arg) is called whenever a job has left the queue, so that others have moved up: without any
 * lock held, from any thread.  To be set before the first job is submitted. */
static inline void queue_on_move(struct queue *queue, void (*moved)(void *arg), void *arg) {
    queue->moved = moved;
    queue->moved_arg = arg;
}

/* Appends the job.  Anything but QUEUE_ACCEPTED: it was not taken and `done` will not be called. */
static inline enum queue_answer queue_submit(struct queue *queue, struct edit_job *job) {
    job->queue = queue;
    edit_job_begin(job);
    return queue->kind->submit(queue, job);
}

/* What queue_submit would answer now: to turn somebody away before his upload is read. */
static inline enum queue_answer queue_would_accept(struct queue *queue) {
    return queue->kind->would_accept(queue);
}

/* A waiting job ends before this returns; a running one is asked to stop.  Harmless on a submitted
 * job that has ended, as long as its memory is still there. */
static inline void queue_cancel(struct edit_job *job) {
    job->queue->kind->cancel(job->queue, job);
}

/* Where a submitted job stands, 1 being the next to run; 0: it waits no longer. */
static inline int queue_position(struct edit_job *job) {
    return job->queue->kind->position(job->queue, job);
}

/* How many wait and run at this moment; either pointer may be NULL. */
static inline void queue_count(struct queue *queue, int *waiting, int *running) {
    queue->kind->count(queue, waiting, running);
}

/* No job is accepted any more; those that wait end with EDIT_SHUT_DOWN before this returns.  Running
 * ones go on. */
static inline void queue_close(struct queue *queue) {
    queue->kind->close(queue);
}

#endif
