/*
 * A list under one mutex; workers take from its head.  A thread sleeps until the earliest deadline
 * among the waiting jobs, so that a job times out in the queue even while every worker is busy.  A
 * job's end is always reported after the lock is released: it wakes a connection, which takes locks of
 * its own.
 */
#include "service/local_queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"

enum { STATE_WAITING, STATE_RUNNING, STATE_ENDED };

enum { NOT_STOPPED = EDIT_DONE }; /* edit_job.stop is else the end that it comes to */

struct local_queue {
    struct queue front;
    struct metrics *metrics;
    pthread_mutex_t lock;
    pthread_cond_t work;  /* a job waits, or closed */
    pthread_cond_t timer; /* an earlier deadline, or closed */
    struct list waiting;
    int running, workers, max_waiting;
    bool open, closed;
    bool started;
    pthread_t watcher; /* of deadlines */
};

static struct local_queue *local(struct queue *front) {
    return CONTAINER_OF(front, struct local_queue, front);
}

static struct edit_job *job_of(struct list_link *link) {
    return link ? CONTAINER_OF(link, struct edit_job, link) : NULL;
}

/* Without the lock. */
static void report_move(struct local_queue *q) {
    if (q->front.moved) q->front.moved(q->front.moved_arg);
}

/* ---- working off ---- */

struct edit_job *local_queue_take(struct local_queue *q) {
    pthread_mutex_lock(&q->lock);
    while (!q->waiting.first && !q->closed) pthread_cond_wait(&q->work, &q->lock);
    struct edit_job *job = job_of(q->waiting.first);
    if (job) {
        list_remove(&q->waiting, &job->link);
        job->state = STATE_RUNNING;
        job->started = clock_now();
        q->running++;
    }
    pthread_mutex_unlock(&q->lock);
    if (job) report_move(q);
    return job;
}

bool local_queue_stopping(struct edit_job *job) {
    if (atomic_load(&job->stop) != NOT_STOPPED) return true;
    if (clock_now() < job->deadline) return false;
    int none = NOT_STOPPED;
    atomic_compare_exchange_strong(&job->stop, &none, EDIT_TIMED_OUT);
    return true;
}

void local_queue_finish(struct local_queue *q, struct edit_job *job) {
    pthread_mutex_lock(&q->lock);
    job->state = STATE_ENDED;
    q->running--;
    enum edit_end stopped = (enum edit_end)atomic_load(&job->stop);
    pthread_mutex_unlock(&q->lock);
    edit_job_end(job, stopped, q->metrics);
}

/* ---- deadlines ---- */

/* The first waiting job whose deadline has passed; else NULL, and *next is the earliest deadline.
 */
static struct edit_job *overdue(struct local_queue *q, int64_t *next) {
    int64_t now = clock_now();
    *next = INT64_MAX;
    for (struct list_link *l = q->waiting.first; l; l = l->next) {
        struct edit_job *job = job_of(l);
        if (job->deadline <= now) return job;
        if (job->deadline < *next) *next = job->deadline;
    }
    return NULL;
}

/* With the lock, which is released meanwhile. */
static void end_waiting(struct local_queue *q, struct edit_job *job, enum edit_end end) {
    list_remove(&q->waiting, &job->link);
    job->state = STATE_ENDED;
    pthread_mutex_unlock(&q->lock);
    edit_job_end(job, end, q->metrics);
    pthread_mutex_lock(&q->lock);
}

static void *watch_deadlines(void *arg) {
    struct local_queue *q = arg;
    pthread_mutex_lock(&q->lock);
    while (!q->closed) {
        int64_t next;
        struct edit_job *job = overdue(q, &next);
        if (job) {
            end_waiting(q, job, EDIT_TIMED_OUT);
            pthread_mutex_unlock(&q->lock);
            report_move(q);
            pthread_mutex_lock(&q->lock);
        } else if (next == INT64_MAX) {
            pthread_cond_wait(&q->timer, &q->lock);
        } else {
            struct timespec until = clock_timespec(next);
            pthread_cond_timedwait(&q->timer, &q->lock, &until);
        }
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

/* ---- submitting ---- */

/* A job that an idle worker is about to take does not count as waiting. */
static enum queue_answer answer(const struct local_queue *q) {
    if (q->closed) return QUEUE_CLOSED;
    if (!q->open) return QUEUE_NOT_READY;
    int idle = q->workers - q->running;
    return q->waiting.count - idle < q->max_waiting ? QUEUE_ACCEPTED : QUEUE_FULL;
}

static enum queue_answer submit(struct queue *front, struct edit_job *job) {
    struct local_queue *q = local(front);
    pthread_mutex_lock(&q->lock);
    enum queue_answer a = answer(q);
    if (a == QUEUE_ACCEPTED) {
        atomic_store(&job->stop, NOT_STOPPED);
        job->state = STATE_WAITING;
        list_append(&q->waiting, &job->link);
        pthread_cond_signal(&q->work);
        pthread_cond_signal(&q->timer);
    }
    pthread_mutex_unlock(&q->lock);
    return a;
}

static enum queue_answer would_accept(struct queue *front) {
    struct local_queue *q = local(front);
    pthread_mutex_lock(&q->lock);
    enum queue_answer a = answer(q);
    pthread_mutex_unlock(&q->lock);
    return a;
}

static void cancel(struct queue *front, struct edit_job *job) {
    struct local_queue *q = local(front);
    pthread_mutex_lock(&q->lock);
    bool waited = job->state == STATE_WAITING;
    if (waited) {
        end_waiting(q, job, EDIT_CANCELLED);
    } else if (job->state == STATE_RUNNING) {
        int none = NOT_STOPPED;
        atomic_compare_exchange_strong(&job->stop, &none, EDIT_CANCELLED);
    }
    pthread_mutex_unlock(&q->lock);
    if (waited) report_move(q);
}

static int position(struct queue *front, struct edit_job *job) {
    struct local_queue *q = local(front);
    int place = 0;
    pthread_mutex_lock(&q->lock);
    if (job->state == STATE_WAITING)
        for (const struct list_link *l = &job->link; l; l = l->previous) place++;
    pthread_mutex_unlock(&q->lock);
    return place;
}

static void count(struct queue *front, int *waiting, int *running) {
    struct local_queue *q = local(front);
    pthread_mutex_lock(&q->lock);
    if (waiting) *waiting = q->waiting.count;
    if (running) *running = q->running;
    pthread_mutex_unlock(&q->lock);
}

static void close_queue(struct queue *front) {
    struct local_queue *q = local(front);
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    while (q->waiting.first) end_waiting(q, job_of(q->waiting.first), EDIT_SHUT_DOWN);
    pthread_cond_broadcast(&q->work);
    pthread_cond_broadcast(&q->timer);
    pthread_mutex_unlock(&q->lock);
}

static const struct queue_kind kind = {submit, would_accept, cancel, position, count, close_queue};

/* ---- its life ---- */

enum status local_queue_create(struct local_queue **out, int workers, int max_waiting,
                               struct metrics *metrics, struct error *err) {
    *out = NULL;
    if (workers < 1 || max_waiting < 0)
        return fail(err, STATUS_INVALID,
                    "a queue needs at least one worker and no negative length");
    struct local_queue *q = calloc(1, sizeof *q);
    if (!q) return fail(err, STATUS_NO_MEMORY, "no memory for a queue of %d workers", workers);
    q->front.kind = &kind;
    q->metrics = metrics;
    q->workers = workers;
    q->max_waiting = max_waiting;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->work, NULL);
    clock_cond_init(&q->timer);
    q->started = pthread_create(&q->watcher, NULL, watch_deadlines, q) == 0;
    if (!q->started) {
        local_queue_destroy(q);
        return fail(err, STATUS_IO, "cannot start the thread that watches deadlines");
    }
    *out = q;
    return STATUS_OK;
}

void local_queue_destroy(struct local_queue *q) {
    if (!q) return;
    queue_close(&q->front);
    if (q->started) pthread_join(q->watcher, NULL);
    pthread_cond_destroy(&q->timer);
    pthread_cond_destroy(&q->work);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

struct queue *local_queue_front(struct local_queue *q) {
    return &q->front;
}

void local_queue_open(struct local_queue *q) {
    pthread_mutex_lock(&q->lock);
    q->open = true;
    pthread_mutex_unlock(&q->lock);
}
