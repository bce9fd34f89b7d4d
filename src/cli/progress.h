/*
 * progress.h - one line on the terminal that tells how far an edit is.
 *
 *     denoise  [===========>            ] 12/28  31 s left
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>

#include "firered.h"

struct progress {
    bool shown;             /* whether standard error is a terminal that wants it */
    double denoise_started; /* seconds; 0: not yet */
};

void progress_start(struct progress *p, bool wanted);
void progress_loading(void *progress, double share); /* for firered_options */
void progress_edit(struct progress *p, const struct firered_progress *now); /* from firered_edit */
void progress_end(
    struct progress *p); /* takes the line away, so that what follows starts a clean one */

double seconds_now(void); /* a clock that only goes forward */

#endif
