/*
 * metrics.h - what happened, counted, in the text format of Prometheus (version 0.0.4).
 *
 * Counters and histograms only ever grow; what is true at this moment (queue depth, memory) is read
 * when the text is written.  Every function may be called from any thread, and metrics may be NULL:
 * nothing is counted.
 */
#ifndef SERVICE_METRICS_H
#define SERVICE_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "firered.h"
#include "firered/status.h"

struct metrics;

struct metrics *metrics_create(void); /* NULL: no memory */
void metrics_destroy(struct metrics *m);

/* One answered request.  `route` is one of the program's own constant strings, never a client's. */
void metrics_request(struct metrics *m, const char *route, int status, double seconds);

/* One edit that ended; `outcome` is a constant string: "ok" or the error's code. */
void metrics_edit(struct metrics *m, const char *outcome);
void metrics_queue_wait(struct metrics *m, double seconds);
void metrics_step(struct metrics *m, double seconds);

/* Stages: "queue" is metrics_queue_wait's; these are read, encode, denoise, decode, write. */
enum metrics_stage {
    METRICS_READ,    /* picture files to pixels */
    METRICS_ENCODE,  /* the text encoder and the VAE's encoder */
    METRICS_DENOISE, /* all steps */
    METRICS_DECODE,  /* the VAE's decoder */
    METRICS_WRITE,   /* pixels to a picture file */
    METRICS_STAGES
};
void metrics_time(struct metrics *m, enum metrics_stage stage, double seconds);

/* How many steps' time the end of an edit takes (decoding and writing the picture), as former edits
 * had it; 0: there were none. */
double metrics_end_in_steps(struct metrics *m);

/* The present, given by who knows it. */
struct metrics_now {
    bool ready;
    double loading_share;
    int queue_depth, queue_limit, edits_running, edits_limit;
    int connections, event_streams, jobs_kept;
    uint64_t upload_bytes, result_bytes, result_bytes_limit, log_lines_lost;
    const char *model;               /* shown as firered_model_info; NULL: not loaded */
    const struct firered_info *info; /* NULL: not loaded */
};

/* Appends the whole page.  STATUS_NO_MEMORY. */
enum status metrics_write(struct metrics *m, const struct metrics_now *now, struct buffer *out,
                          struct error *err);

#endif
