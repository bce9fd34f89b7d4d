/*
 * Two lists under one mutex: what is under way, and what has ended, in that order, so that the next
 * to be forgotten is always its head.  A job is counted by who holds it: its list, the queue until
 * `done`, and callers.  One thread sleeps until the oldest result expires.
 *
 * The mutex is taken before the queue's and never the other way round: the queue calls us without
 * its own.  An id is looked up by comparing with all of them, a few thousand at most.
 */
#include "service/job_store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"

struct job_store {
    struct job_store_options options;
    uint64_t bytes; /* of results */
    pthread_mutex_t lock;
    pthread_cond_t change; /* something has ended, or stop */
    struct list under_way, ended;
    bool stop, started;
    pthread_t thread;
};

struct kept_job {
    struct job_store *store;
    char id[JOB_ID_DIGITS + 1];
    char *request_id;
    struct edit_job edit;
    /* Under the lock. */
    struct list *list; /* NULL: forgotten */
    struct list_link link;
    int holders;
    struct list listeners;
    struct firered_progress progress;
    enum job_status status;
    int64_t denoise_from, last_progress, expiry; /* clock_now */
    double step_seconds;                         /* so far, on average */
};

static struct kept_job *kept_job_of(struct list_link *link) {
    return link ? CONTAINER_OF(link, struct kept_job, link) : NULL;
}

static void move_to(struct kept_job *job, struct list *list) {
    if (job->list) list_remove(job->list, &job->link);
    if (list) list_append(list, &job->link);
    job->list = list;
}

static void job_free(struct kept_job *job) {
    edit_job_free(&job->edit);
    free(job->request_id);
#ifndef __clang_analyzer__ /* it cannot count holders, and takes every release for the last */
    free(job);
#endif
}

static void release_locked(struct kept_job *job) {
    if (--job->holders == 0) job_free(job);
}

void job_release(struct kept_job *job) {
    pthread_mutex_t *lock = &job->store->lock;
    pthread_mutex_lock(lock);
    release_locked(job);
    pthread_mutex_unlock(lock);
}

static bool has_ended(const struct kept_job *job) {
    return job->status != JOB_QUEUED && job->status != JOB_RUNNING;
}

static void forget(struct kept_job *job) {
    job->store->bytes -= job->edit.outcome.file.size;
    move_to(job, NULL);
    release_locked(job);
}

/* To everybody who listens to the job. */
static void report_change(const struct kept_job *job) {
    for (struct list_link *l = job->listeners.first; l; l = l->next) {
        const struct job_listener *listener = CONTAINER_OF(l, struct job_listener, link);
        listener->changed(listener->arg);
    }
}

static void *forget_expired(void *arg) {
    struct job_store *store = arg;
    pthread_mutex_lock(&store->lock);
    while (!store->stop) {
        struct kept_job *oldest = kept_job_of(store->ended.first);
        if (!oldest) {
            pthread_cond_wait(&store->change, &store->lock);
        } else if (oldest->expiry <= clock_now()) {
            forget(oldest);
        } else {
            struct timespec until = clock_timespec(oldest->expiry);
            pthread_cond_timedwait(&store->change, &store->lock, &until);
        }
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

static void on_move(void *arg);

enum status job_store_create(struct job_store **out, const struct job_store_options *options,
                             struct error *err) {
    *out = NULL;
    struct job_store *store = calloc(1, sizeof *store);
    if (!store) return fail(err, STATUS_NO_MEMORY, "no memory for the jobs");
    store->options = *options;
    pthread_mutex_init(&store->lock, NULL);
    clock_cond_init(&store->change);
    store->started = pthread_create(&store->thread, NULL, forget_expired, store) == 0;
    if (!store->started) {
        job_store_destroy(store);
        return fail(err, STATUS_IO, "cannot start the thread that lets go of old results");
    }
    queue_on_move(options->queue, on_move, store);
    *out = store;
    return STATUS_OK;
}

void job_store_destroy(struct job_store *store) {
    if (!store) return;
    if (store->started) {
        pthread_mutex_lock(&store->lock);
        store->stop = true;
        pthread_cond_signal(&store->change);
        pthread_mutex_unlock(&store->lock);
        pthread_join(store->thread, NULL);
    }
    while (store->ended.first) forget(kept_job_of(store->ended.first));
    pthread_cond_destroy(&store->change);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static struct kept_job *job_of(struct edit_job *edit) {
    return CONTAINER_OF(edit, struct kept_job, edit);
}

static void on_progress(struct edit_job *edit, const struct firered_progress *now) {
    struct kept_job *job = job_of(edit);
    pthread_mutex_lock(&job->store->lock);
    job->last_progress = clock_now();
    if (now->stage == FIRERED_STAGE_DENOISE && now->step == 0)
        job->denoise_from = job->last_progress;
    else if (now->stage == FIRERED_STAGE_DENOISE)
        job->step_seconds = clock_seconds(job->denoise_from, job->last_progress) / now->step;
    job->status = JOB_RUNNING;
    job->progress = *now;
    report_change(job);
    pthread_mutex_unlock(&job->store->lock);
}

/* Jobs have moved up in the queue. */
static void on_move(void *arg) {
    struct job_store *store = arg;
    pthread_mutex_lock(&store->lock);
    for (struct list_link *l = store->under_way.first; l; l = l->next)
        if (kept_job_of(l)->status == JOB_QUEUED) report_change(kept_job_of(l));
    pthread_mutex_unlock(&store->lock);
}

/* A picture that is larger than all results together may be cannot be kept: the edit failed. */
static void refuse_large_result(struct edit_outcome *o, uint64_t max) {
    if (o->end != EDIT_DONE || o->file.size <= max) return;
    o->end = EDIT_INVALID_REQUEST;
    snprintf(o->detail, sizeof o->detail,
             "the edited picture has %zu bytes, and this server keeps at most %llu for later; ask "
             "for a smaller picture or another output_format, or use POST /edit",
             o->file.size, (unsigned long long)max);
    buffer_free(&o->file);
}

static void forget_oldest(struct job_store *store) {
    while (store->bytes > store->options.max_bytes || store->ended.count > JOB_STORE_MAX_ENDED)
        forget(kept_job_of(store->ended.first));
}

static void log_end(const struct kept_job *job) {
    struct log_field f[1 + EDIT_JOB_LOG_FIELDS];
    f[0] = LOG_STR("request_id", job->request_id);
    int n = 1 + edit_job_log_fields(&job->edit, f + 1);
    log_fields(job->store->options.log, LOG_INFO, "job", f, (size_t)n);
}

/* From a worker, the queue's timer, or who cancels or closes. */
static void on_done(struct edit_job *edit) {
    struct kept_job *job = job_of(edit);
    struct job_store *store = job->store;
    refuse_large_result(&edit->outcome, store->options.max_bytes);
    if (edit->outcome.end == EDIT_CANCELLED)
        snprintf(edit->outcome.detail, sizeof edit->outcome.detail, "the job was cancelled");
    log_end(job);
    free(edit->order.prompt);
    free(edit->order.negative_prompt);
    edit->order.prompt = edit->order.negative_prompt = NULL;

    pthread_mutex_lock(&store->lock);
    job->status = edit->outcome.end == EDIT_DONE        ? JOB_DONE
                  : edit->outcome.end == EDIT_CANCELLED ? JOB_DROPPED
                                                        : JOB_FAILED;
    job->expiry = clock_now() + (int64_t)(store->options.ttl_seconds * 1e9);
    move_to(job, &store->ended);
    store->bytes += edit->outcome.file.size;
    forget_oldest(store);
    report_change(job);
    pthread_cond_signal(&store->change);
    release_locked(job); /* the queue's */
    pthread_mutex_unlock(&store->lock);
}

static struct kept_job *job_create(struct job_store *store, const char *request_id,
                                   int64_t deadline) {
    uint64_t random[2];
    struct kept_job *job = calloc(1, sizeof *job);
    if (!job) return NULL;
    job->store = store;
    job->request_id = strdup(request_id);
    /* Who knows the id may see the result: better no job than one whose id can be guessed. */
    if (!job->request_id || getentropy(random, sizeof random) != 0) {
        job_free(job);
        return NULL;
    }
    snprintf(job->id, sizeof job->id, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    job->edit.request_id = job->request_id;
    job->edit.deadline = deadline;
    job->edit.progress = on_progress;
    job->edit.done = on_done;
    return job;
}

enum queue_answer job_store_submit(struct job_store *store, struct edit_order *order,
                                   const char *request_id, int64_t deadline,
                                   struct kept_job **out) {
    struct kept_job *job = job_create(store, request_id, deadline);
    *out = NULL;
    if (!job) return QUEUE_NO_MEMORY;
    job->edit.order = *order;
    job->progress.steps = order->steps;
    pthread_mutex_lock(&store->lock);
    job->holders = 3; /* the list, the queue, the caller */
    move_to(job, &store->under_way);
    pthread_mutex_unlock(&store->lock);

    enum queue_answer a = queue_submit(store->options.queue, &job->edit);
    if (a == QUEUE_ACCEPTED) {
        *order = (struct edit_order){0};
        *out = job;
        return a;
    }
    pthread_mutex_lock(&store->lock);
    move_to(job, NULL);
    pthread_mutex_unlock(&store->lock);
    job->edit.order = (struct edit_order){0}; /* the caller's still */
    job_free(job);
    return a;
}

static struct kept_job *find_in(const struct list *list, const char *id) {
    for (struct list_link *l = list->first; l; l = l->next)
        if (strcmp(kept_job_of(l)->id, id) == 0) return kept_job_of(l);
    return NULL;
}

struct kept_job *job_store_find(struct job_store *store, const char *id) {
    pthread_mutex_lock(&store->lock);
    struct kept_job *job = find_in(&store->ended, id);
    if (!job) job = find_in(&store->under_way, id);
    if (job) job->holders++;
    pthread_mutex_unlock(&store->lock);
    return job;
}

void job_drop(struct kept_job *job) {
    pthread_mutex_t *lock = &job->store->lock;
    pthread_mutex_lock(lock);
    bool ended = has_ended(job);
    if (ended && job->list) forget(job);
    pthread_mutex_unlock(lock);
    if (!ended) queue_cancel(&job->edit);
}

/* From this job's own steps so far; how long the end takes beside them, former edits know. */
static double seconds_left(const struct kept_job *job, int64_t now) {
    const struct firered_progress *p = &job->progress;
    if (p->stage == FIRERED_STAGE_ENCODE || p->step == 0) return -1;
    double end_in_steps = metrics_end_in_steps(job->store->options.metrics);
    double left = (p->steps - p->step + end_in_steps) * job->step_seconds -
                  clock_seconds(job->last_progress, now);
    return left > 0 ? left : 0;
}

void job_look(struct kept_job *job, struct job_view *view) {
    int64_t now = clock_now();
    pthread_mutex_lock(&job->store->lock);
    *view = (struct job_view){
        .status = job->status,
        .stage = job->progress.stage,
        .step = job->progress.step,
        .steps = job->progress.steps,
        .seconds_left = seconds_left(job, now),
    };
    if (view->status == JOB_QUEUED) {
        int position = queue_position(&job->edit);
        view->position = position > 0 ? position : 1; /* 0: it is just being taken */
    }
    if (has_ended(job) && job->expiry > now) view->expires_in = clock_seconds(now, job->expiry);
    pthread_mutex_unlock(&job->store->lock);
}

const char *job_id(const struct kept_job *job) {
    return job->id;
}

const char *job_request_id(const struct kept_job *job) {
    return job->request_id;
}

const struct edit_order *job_order(const struct kept_job *job) {
    return &job->edit.order;
}

const struct edit_outcome *job_outcome(const struct kept_job *job) {
    return &job->edit.outcome;
}

void job_listen(struct kept_job *job, struct job_listener *listener) {
    pthread_mutex_lock(&job->store->lock);
    list_append(&job->listeners, &listener->link);
    pthread_mutex_unlock(&job->store->lock);
}

void job_unlisten(struct kept_job *job, struct job_listener *listener) {
    pthread_mutex_lock(&job->store->lock);
    list_remove(&job->listeners, &listener->link);
    pthread_mutex_unlock(&job->store->lock);
}

void job_store_count(struct job_store *store, int *jobs, uint64_t *bytes) {
    pthread_mutex_lock(&store->lock);
    if (jobs) *jobs = store->under_way.count + store->ended.count;
    if (bytes) *bytes = store->bytes;
    pthread_mutex_unlock(&store->lock);
}
