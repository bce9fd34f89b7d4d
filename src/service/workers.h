/*
 * workers.h - the threads that work off the queue of this process, one edit each at a time.
 */
#ifndef SERVICE_WORKERS_H
#define SERVICE_WORKERS_H

#include "service/local_queue.h"
#include "service/order_run.h"

struct workers;

/* Starts `count` threads; queue and editor live as long as they.  The editor's engine may be opened
 * later, but before the queue is.  STATUS_NO_MEMORY; STATUS_IO: one of the threads cannot be started;
 * then none is left, and the queue is closed. */
enum status workers_create(struct workers **out, int count, struct local_queue *queue,
                           const struct editor *editor, struct error *err);

/* Closes the queue and waits for what runs.  NULL is fine. */
void workers_destroy(struct workers *w);

#endif
