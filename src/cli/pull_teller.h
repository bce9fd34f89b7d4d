/*
 * pull_teller.h - how a pull is told: one line on a terminal,
 *
 *     transformer 3/5  12.3 of 57.7 GB  21 %  184 MB/s  4 min left
 *
 * elsewhere an event in the log every 10 seconds, and for machines one JSON object an event on
 * standard output.  Waits and notes are told whenever they come.
 */
#ifndef CLI_PULL_TELLER_H
#define CLI_PULL_TELLER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/log.h"
#include "hub/hub.h"

enum pull_telling { PULL_TELL_LINE, PULL_TELL_LOG, PULL_TELL_JSON, PULL_TELL_NOTHING };

struct pull_teller {
    enum pull_telling how;
    const char *command;   /* for lines: "pull" */
    const struct log *log; /* of PULL_TELL_LOG */
    bool line;             /* something stands on the terminal's line */
    double logged;         /* when the last event was */
    bool failed;           /* standard output does not take any more */
    _Atomic double share;  /* of what is wanted, 0 to 1: for who looks on */
};

/* A line where standard error is a terminal, else the log; log may be NULL: then nothing. */
void pull_teller_start(struct pull_teller *t, const char *command, const struct log *log);
/* What the hub does with `options` is told, and ends on Ctrl-C. */
void pull_teller_follow(struct pull_teller *t, struct hub_options *options);
void pull_teller_end(struct pull_teller *t); /* takes the line away */

/* "57.7 GB", "13.0 MB", "512 bytes". */
struct bytes_text {
    char text[32];
};
struct bytes_text bytes_shown(uint64_t bytes);

#endif
