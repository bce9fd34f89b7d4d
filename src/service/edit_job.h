/*
 * edit_job.h - one edit as a job: picture files in, a picture file out.
 *
 * The owner fills `order`, submits with service_submit, and reads `outcome` when `done` was called.
 * Decoding the pictures, the edit itself and encoding the result all happen on a worker of the
 * queue.
 */
#ifndef SERVICE_EDIT_JOB_H
#define SERVICE_EDIT_JOB_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/log.h"
#include "firered.h"
#include "image/encode.h"
#include "service/jobs.h"

/* What is asked for, complete: defaults are filled in (service_defaults), numbers are in range. */
struct edit_order {
    struct buffer files[FIRERED_MAX_PICTURES]; /* as uploaded; freed once decoded */
    size_t file_count;
    uint64_t held_bytes;            /* of service_hold_bytes; released when the files are freed */
    char *prompt, *negative_prompt; /* UTF-8, malloc'ed */
    double guidance_scale;
    int steps;
    uint64_t seed;
    int width, height; /* 0: not asked for */
    bool input_size;   /* the result is to have the last picture's; then width is 0 */
    enum picture_format format;
    int quality; /* of encode.h; 0: the format's own */
};

struct service;

/* Frees what the order holds and leaves it empty. */
void edit_order_free(struct edit_order *order, struct service *service);

enum edit_end {
    EDIT_DONE,
    EDIT_INVALID_FILE,    /* bytes that are no supported picture */
    EDIT_INVALID_IMAGE,   /* a picture that cannot be decoded or edited */
    EDIT_INVALID_REQUEST, /* the engine refused: a prompt too long, a size it cannot do */
    EDIT_NO_MEMORY,
    EDIT_FAILED, /* anything else, a NaN included */
    EDIT_TIMED_OUT,
    EDIT_CANCELLED,
    EDIT_SHUT_DOWN
};

struct edit_outcome {
    enum edit_end end;
    char detail[512];   /* for the client when it is not EDIT_DONE: no path, no address */
    struct buffer file; /* the edited picture */
    int width, height;
    int steps;
    double guidance_scale;
    double queue_seconds, read_seconds, encode_seconds, denoise_seconds, decode_seconds,
        write_seconds;
};

struct edit_job {
    struct service *service;
    const char *request_id; /* the owner's, for the log; lives as long as the job is submitted */
    int64_t deadline;       /* of clock_now */
    void (*done)(struct edit_job *job); /* once, from any thread; the job is the owner's again, and
                                           may be freed within */
    /* How it goes, from the worker's thread; the first call is that it runs.  May be NULL. */
    void (*progress)(struct edit_job *job, const struct firered_progress *now);
    struct edit_order order;
    struct edit_outcome outcome;

    /* edit_job.c's own */
    struct job job;
    int64_t step_started;
    int steps_seen;
    size_t prompt_bytes;
    char seed[24]; /* for the log, which has no unsigned numbers */
};

void edit_job_free(struct edit_job *job); /* what it holds, not the struct */

/* For service_submit: makes the job ready for the queue. */
void edit_job_prepare(struct edit_job *job);

/* What a log line says about an edit that was submitted and has ended; returns how many fields, at
 * most EDIT_JOB_LOG_FIELDS. They point into the job. */
enum { EDIT_JOB_LOG_FIELDS = 16 };
int edit_job_log_fields(const struct edit_job *job, struct log_field *fields);

/* The metrics' name of an outcome: "ok", "timeout", ... */
const char *edit_end_name(enum edit_end end);

#endif
