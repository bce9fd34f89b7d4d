/*
 * read_ahead.h - tensors that will be wanted soon, brought into the system's cache by a thread.
 *
 *     struct read_ahead r;
 *     read_ahead_start(&r);
 *     read_ahead_add(&r, tensor);     // returns at once
 *     ... work with those that were added earlier ...
 *     read_ahead_stop(&r);            // what was not begun is left
 *
 * A disk gives its speed to who asks for much at a time, and who packs weights touches page after
 * page.  It is a favour: without the thread, or with too much to do, pages come when they are
 * touched.
 */
#ifndef WEIGHTS_READ_AHEAD_H
#define WEIGHTS_READ_AHEAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "weights/weights.h"

enum { READ_AHEAD_TENSORS = 1024 };

struct read_ahead {
    pthread_t thread;
    bool runs;
    pthread_mutex_t mutex; /* for all that follows */
    pthread_cond_t changed;
    const struct weight *queue[READ_AHEAD_TENSORS]; /* a ring */
    size_t first, count;
    bool ending;
};

void read_ahead_start(struct read_ahead *r);

/* The tensor must live until read_ahead_stop. */
void read_ahead_add(struct read_ahead *r, const struct weight *t);

/* Waits for the tensor that is being asked for. */
void read_ahead_stop(struct read_ahead *r);

#endif
