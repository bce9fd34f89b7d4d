/*
 * A doubly linked list under one mutex; workers take from its head.  A timer thread sleeps until
 * the earliest deadline among the waiting jobs, so that a job times out in the queue even while
 * every worker is busy.  `ended` is always called after the lock is released: it wakes a
 * connection, which takes locks of its own.
 */
#include "service/jobs.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

enum { STATE_NEW, STATE_WAITING, STATE_RUNNING, STATE_ENDED };

enum { NOT_STOPPED = -1 };

struct jobs {
    pthread_mutex_t lock;
    pthread_cond_t work;  /* a job waits, or closed */
    pthread_cond_t timer; /* an earlier deadline, or closed */
    struct list waiting;
    int running, workers, max_queue;
    bool closed;
    void (*moved)(void *arg);
    void *moved_arg;
    pthread_t *threads; /* [workers], then the timer's */
    int started;        /* of workers + 1 */
};

static struct job *job_of(struct list_link *link) {
    return link ? CONTAINER_OF(link, struct job, link) : NULL;
}

/* Without the lock. */
static void tell_moved(struct jobs *jobs) {
    if (jobs->moved) jobs->moved(jobs->moved_arg);
}

static void *work(void *arg) {
    struct jobs *jobs = arg;
    pthread_mutex_lock(&jobs->lock);
    for (;;) {
        while (!jobs->waiting.first && !jobs->closed) pthread_cond_wait(&jobs->work, &jobs->lock);
        struct job *job = job_of(jobs->waiting.first);
        if (!job) break;
        list_remove(&jobs->waiting, &job->link);
        job->state = STATE_RUNNING;
        job->started = clock_now();
        jobs->running++;
        pthread_mutex_unlock(&jobs->lock);

        tell_moved(jobs);
        if (!job_stopping(job)) job->run(job);

        pthread_mutex_lock(&jobs->lock);
        job->state = STATE_ENDED;
        jobs->running--;
        int stop = atomic_load(&job->stop);
        pthread_mutex_unlock(&jobs->lock);
        job->ended(job, stop == NOT_STOPPED ? JOB_RAN : (enum job_end)stop);
        pthread_mutex_lock(&jobs->lock);
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

/* The first waiting job whose deadline has passed; else NULL, and *next is the earliest deadline.
 */
static struct job *overdue(struct jobs *jobs, int64_t *next) {
    int64_t now = clock_now();
    *next = INT64_MAX;
    for (struct list_link *l = jobs->waiting.first; l; l = l->next) {
        struct job *job = job_of(l);
        if (job->deadline <= now) return job;
        if (job->deadline < *next) *next = job->deadline;
    }
    return NULL;
}

static void *watch_deadlines(void *arg) {
    struct jobs *jobs = arg;
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->closed) {
        int64_t next;
        struct job *job = overdue(jobs, &next);
        if (job) {
            list_remove(&jobs->waiting, &job->link);
            job->state = STATE_ENDED;
            pthread_mutex_unlock(&jobs->lock);
            job->ended(job, JOB_TIMED_OUT);
            tell_moved(jobs);
            pthread_mutex_lock(&jobs->lock);
        } else if (next == INT64_MAX) {
            pthread_cond_wait(&jobs->timer, &jobs->lock);
        } else {
            struct timespec until = clock_timespec(next);
            pthread_cond_timedwait(&jobs->timer, &jobs->lock, &until);
        }
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

enum status jobs_create(struct jobs **out, int workers, int max_queue, struct error *err) {
    *out = NULL;
    if (workers < 1 || max_queue < 0)
        return fail(err, STATUS_INVALID,
                    "a queue needs at least one worker and no negative length");
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs) jobs->threads = calloc((size_t)workers + 1, sizeof *jobs->threads);
    if (!jobs || !jobs->threads) {
        free(jobs);
        return fail(err, STATUS_NO_MEMORY, "no memory for a queue of %d workers", workers);
    }
    jobs->workers = workers;
    jobs->max_queue = max_queue;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->work, NULL);
    clock_cond_init(&jobs->timer);

    for (int i = 0; i <= workers; i++) {
        if (pthread_create(&jobs->threads[i], NULL, i < workers ? work : watch_deadlines, jobs) !=
            0) {
            jobs_destroy(jobs);
            return fail(err, STATUS_IO, "cannot start thread %d of the %d that edits need", i + 1,
                        workers + 1);
        }
        jobs->started++;
    }
    *out = jobs;
    return STATUS_OK;
}

void jobs_on_move(struct jobs *jobs, void (*moved)(void *arg), void *arg) {
    jobs->moved = moved;
    jobs->moved_arg = arg;
}

void jobs_destroy(struct jobs *jobs) {
    if (!jobs) return;
    jobs_close(jobs);
    for (int i = 0; i < jobs->started; i++) pthread_join(jobs->threads[i], NULL);
    pthread_cond_destroy(&jobs->timer);
    pthread_cond_destroy(&jobs->work);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs->threads);
    free(jobs);
}

/* A job that an idle worker is about to take does not count as waiting. */
static enum jobs_answer answer(const struct jobs *jobs) {
    if (jobs->closed) return JOBS_CLOSED;
    int idle = jobs->workers - jobs->running;
    return jobs->waiting.count - idle < jobs->max_queue ? JOBS_ACCEPTED : JOBS_FULL;
}

enum jobs_answer jobs_submit(struct jobs *jobs, struct job *job) {
    pthread_mutex_lock(&jobs->lock);
    enum jobs_answer a = answer(jobs);
    if (a == JOBS_ACCEPTED) {
        job->jobs = jobs;
        job->submitted = clock_now();
        job->started = 0;
        atomic_store(&job->stop, NOT_STOPPED);
        job->state = STATE_WAITING;
        list_append(&jobs->waiting, &job->link);
        pthread_cond_signal(&jobs->work);
        pthread_cond_signal(&jobs->timer);
    }
    pthread_mutex_unlock(&jobs->lock);
    return a;
}

enum jobs_answer jobs_would_accept(struct jobs *jobs) {
    pthread_mutex_lock(&jobs->lock);
    enum jobs_answer a = answer(jobs);
    pthread_mutex_unlock(&jobs->lock);
    return a;
}

void job_cancel(struct job *job) {
    struct jobs *jobs = job->jobs;
    pthread_mutex_lock(&jobs->lock);
    bool waited = job->state == STATE_WAITING;
    if (waited) {
        list_remove(&jobs->waiting, &job->link);
        job->state = STATE_ENDED;
    } else if (job->state == STATE_RUNNING) {
        int none = NOT_STOPPED;
        atomic_compare_exchange_strong(&job->stop, &none, JOB_CANCELLED);
    }
    pthread_mutex_unlock(&jobs->lock);
    if (!waited) return;
    job->ended(job, JOB_CANCELLED);
    tell_moved(jobs);
}

int job_position(struct job *job) {
    int position = 0;
    pthread_mutex_lock(&job->jobs->lock);
    if (job->state == STATE_WAITING)
        for (const struct list_link *l = &job->link; l; l = l->previous) position++;
    pthread_mutex_unlock(&job->jobs->lock);
    return position;
}

bool job_stopping(struct job *job) {
    if (atomic_load(&job->stop) != NOT_STOPPED) return true;
    if (clock_now() < job->deadline) return false;
    int none = NOT_STOPPED;
    atomic_compare_exchange_strong(&job->stop, &none, JOB_TIMED_OUT);
    return true;
}

void jobs_close(struct jobs *jobs) {
    pthread_mutex_lock(&jobs->lock);
    jobs->closed = true;
    struct job *job;
    while ((job = job_of(jobs->waiting.first))) {
        list_remove(&jobs->waiting, &job->link);
        job->state = STATE_ENDED;
        pthread_mutex_unlock(&jobs->lock);
        job->ended(job, JOB_SHUT_DOWN);
        pthread_mutex_lock(&jobs->lock);
    }
    pthread_cond_broadcast(&jobs->work);
    pthread_cond_broadcast(&jobs->timer);
    pthread_mutex_unlock(&jobs->lock);
}

void jobs_count(struct jobs *jobs, int *waiting, int *running) {
    pthread_mutex_lock(&jobs->lock);
    if (waiting) *waiting = jobs->waiting.count;
    if (running) *running = jobs->running;
    pthread_mutex_unlock(&jobs->lock);
}
