/*
 * progress.h - one line on the terminal that tells how far an edit is.
 *
 *     denoise  [===========>            ] 12/28  31 s left
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "firered.h"

struct progress {
    bool shown;          /* whether standard error is a terminal that wants it */
    double counted_from; /* seconds; 0: not yet.  When the first step, or item, began */
};

void progress_start(struct progress *p, bool wanted);
void progress_loading(void *progress, double share); /* for firered_options */
void progress_edit(struct progress *p, const struct firered_progress *now); /* from firered_edit */
/* Of an edit elsewhere: its place in the queue, 1 is next; its steps, and how long the rest will
 * take (seconds, negative: unknown). */
void progress_queued(struct progress *p, int position);
void progress_steps(struct progress *p, int step, int steps, double seconds_left);
/* Of a series of edits: `done` of `count` are finished. */
void progress_items(struct progress *p, const char *name, size_t done, size_t count);
void progress_end(
    struct progress *p); /* takes the line away, so that what follows starts a clean one */

#endif
