/*
 * One thread asks for one tensor after the other.  Asking takes as long as the disk's queue is full,
 * which is why whoever packs does not do it.
 */
#include "weights/read_ahead.h"

/* The next tensor; NULL at the end. */
static const struct weight *take(struct read_ahead *r) {
    const struct weight *t = NULL;
    pthread_mutex_lock(&r->mutex);
    while (!r->count && !r->ending) pthread_cond_wait(&r->changed, &r->mutex);
    if (!r->ending) {
        t = r->queue[r->first];
        r->first = (r->first + 1) % READ_AHEAD_TENSORS;
        r->count--;
    }
    pthread_mutex_unlock(&r->mutex);
    return t;
}

static void *run(void *arg) {
    const struct weight *t;
    while ((t = take(arg))) weights_prefetch(t);
    return NULL;
}

void read_ahead_start(struct read_ahead *r) {
    *r = (struct read_ahead){.count = 0};
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->runs = pthread_create(&r->thread, NULL, run, r) == 0;
}

void read_ahead_add(struct read_ahead *r, const struct weight *t) {
    pthread_mutex_lock(&r->mutex);
    if (r->runs && r->count < READ_AHEAD_TENSORS) {
        r->queue[(r->first + r->count++) % READ_AHEAD_TENSORS] = t;
        pthread_cond_signal(&r->changed);
    }
    pthread_mutex_unlock(&r->mutex);
}

void read_ahead_stop(struct read_ahead *r) {
    pthread_mutex_lock(&r->mutex);
    r->ending = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    if (r->runs) pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->mutex);
}
