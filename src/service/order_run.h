/*
 * order_run.h - one edit, from an order to its outcome: a function of engine, order and hooks.
 *
 * Decodes the pictures, edits, and encodes the result, in the caller's thread.  Who asked, and how
 * the order came here, is not known.
 */
#ifndef SERVICE_ORDER_RUN_H
#define SERVICE_ORDER_RUN_H

#include "base/log.h"
#include "service/decode_room.h"
#include "service/metrics.h"
#include "service/order.h"

/* What edits are run with; shared by any number of threads. */
struct editor {
    struct firered *engine;
    const char *model; /* its name, written into PNG files */
    int64_t max_image_pixels;
    bool ignore_profiles; /* take the bytes of pictures for sRGB */
    struct decode_room
        *room; /* in which pictures are decoded; NULL: as many at a time as there are */
    struct metrics *metrics; /* NULL: nothing is counted */
    const struct log *log;   /* NULL: nothing is written */
};

struct edit_hooks {
    /* How it goes; the first call is that it runs.  May be NULL. */
    void (*progress)(void *arg, const struct firered_progress *now);
    /* Asked between the stages and several times a step; true: the edit returns soon. */
    bool (*stopping)(void *arg);
    void *arg;
};

/* Fills *outcome, which holds no file; its queue_seconds are left 0.  The order's files are freed as
 * they are decoded, one at a time, and none stays.  Of an edit that was stopped, only who said so knows why: its outcome is
 * EDIT_FAILED.  request_id is for the log. */
void order_run(const struct editor *editor, struct edit_order *order, const char *request_id,
               const struct edit_hooks *hooks, struct edit_outcome *outcome);

#endif
