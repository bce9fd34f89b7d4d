/*
 * A worker's whole life is one loop: take, edit, finish.  It ends with its queue.
 */
#include "service/workers.h"

#include <pthread.h>
#include <stdlib.h>

struct workers {
    struct local_queue *queue;
    const struct editor *editor;
    pthread_t *threads;
    int started;
};

static void on_progress(void *arg, const struct firered_progress *now) {
    struct edit_job *job = arg;
    if (job->progress) job->progress(job, now);
}

static bool stopping(void *arg) {
    return local_queue_stopping(arg);
}

static void *work(void *arg) {
    struct workers *w = arg;
    struct edit_job *job;
    while ((job = local_queue_take(w->queue))) {
        const struct edit_hooks hooks = {on_progress, stopping, job};
        if (!local_queue_stopping(job))
            order_run(w->editor, &job->order, job->request_id, &hooks, &job->outcome);
        local_queue_finish(w->queue, job);
    }
    return NULL;
}

enum status workers_create(struct workers **out, int count, struct local_queue *queue,
                           const struct editor *editor, struct error *err) {
    *out = NULL;
    struct workers *w = calloc(1, sizeof *w);
    if (w) w->threads = calloc((size_t)count, sizeof *w->threads);
    if (!w || !w->threads) {
        free(w);
        return fail(err, STATUS_NO_MEMORY, "no memory for %d workers", count);
    }
    w->queue = queue;
    w->editor = editor;
    for (int i = 0; i < count; i++) {
        if (pthread_create(&w->threads[i], NULL, work, w) != 0) {
            workers_destroy(w);
            return fail(err, STATUS_IO, "cannot start thread %d of the %d that edits need", i + 1,
                        count);
        }
        w->started++;
    }
    *out = w;
    return STATUS_OK;
}

void workers_destroy(struct workers *w) {
    if (!w) return;
    queue_close(local_queue_front(w->queue));
    for (int i = 0; i < w->started; i++) pthread_join(w->threads[i], NULL);
    free(w->threads);
    free(w);
}
