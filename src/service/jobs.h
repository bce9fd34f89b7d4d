/*
 * jobs.h - one queue in order of arrival, and the threads that work it off.
 *
 * A job is memory of its owner that `jobs` borrows from jobs_submit until it calls `ended`, which
 * it does exactly once for every accepted job.  A job leaves early for three reasons: its deadline
 * passes, its owner cancels it, or the queue is closed.  While it waits it leaves at once; while it
 * runs, its `run` asks job_stopping and returns soon. What a job does is not known here.
 *
 *     struct job job = {.deadline = clock_now() + 5 * NANOSECONDS, .run = work, .ended = tell};
 *     if (jobs_submit(jobs, &job) != JOBS_ACCEPTED) ...
 *
 * Every function may be called from any thread, but not from within `run`, except job_stopping.
 */
#ifndef SERVICE_JOBS_H
#define SERVICE_JOBS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "firered/status.h"

struct jobs;

/* Why a job ended.  JOB_RAN: `run` went through to its end. */
enum job_end { JOB_RAN, JOB_TIMED_OUT, JOB_CANCELLED, JOB_SHUT_DOWN };

enum jobs_answer { JOBS_ACCEPTED, JOBS_FULL, JOBS_CLOSED };

struct job {
    int64_t deadline;             /* of clock_now; covers waiting and running */
    void (*run)(struct job *job); /* on a worker's thread */
    /* The job is its owner's again, and may be freed within.  Called without any lock held, from a
     * worker, the timer, or the thread that called job_cancel or jobs_close. */
    void (*ended)(struct job *job, enum job_end end);

    /* Read by `run` and `ended`; written by jobs.c. */
    int64_t submitted, started; /* clock_now; started is 0 when it never ran */

    /* jobs.c's own */
    struct jobs *jobs;
    struct list_link link;
    int state;
    atomic_int stop;
};

/* Starts `workers` threads and a timer.  max_queue is how many jobs may wait while every worker is
 * busy; 0 is allowed. STATUS_NO_MEMORY, STATUS_IO (a thread cannot be started). */
enum status jobs_create(struct jobs **out, int workers, int max_queue, struct error *err);

/* moved(arg) is called whenever a job has left the queue, so that others have moved up: without any
 * lock held, from any thread.  Before the first job is submitted. */
void jobs_on_move(struct jobs *jobs, void (*moved)(void *arg), void *arg);

/* Closes, waits for the running jobs, frees.  NULL is fine.  No other call may be under way. */
void jobs_destroy(struct jobs *jobs);

/* Appends to the queue.  Anything but JOBS_ACCEPTED: the job was not taken and `ended` will not be
 * called. */
enum jobs_answer jobs_submit(struct jobs *jobs, struct job *job);

/* What jobs_submit would answer now: to turn somebody away before his upload is read. */
enum jobs_answer jobs_would_accept(struct jobs *jobs);

/* A waiting job ends before this returns; a running one is told to stop.  Harmless on a job that
 * has ended, as long as its memory is still there. */
void job_cancel(struct job *job);

/* Where a submitted job stands in the queue, 1 being the next to run; 0: it waits no longer. */
int job_position(struct job *job);

/* For `run`: true once the job was cancelled or its deadline has passed. */
bool job_stopping(struct job *job);

/* No job is accepted any more; those that wait end with JOB_SHUT_DOWN before this returns.  Running
 * ones go on. */
void jobs_close(struct jobs *jobs);

/* How many wait and run at this moment; either pointer may be NULL. */
void jobs_count(struct jobs *jobs, int *waiting, int *running);

#endif
