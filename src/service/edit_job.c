/*
 * What every queue does with a job of its own accord: counting it, and reporting its end to its owner.
 */
#include "service/edit_job.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

void edit_job_free(struct edit_job *job) {
    edit_order_free(&job->order);
    buffer_free(&job->outcome.file);
}

void edit_job_begin(struct edit_job *job) {
    job->submitted = clock_now();
    job->started = 0;
    job->prompt_bytes = strlen(job->order.prompt);
    snprintf(job->seed, sizeof job->seed, "%llu", (unsigned long long)job->order.seed);
}

void edit_job_end(struct edit_job *job, enum edit_end stopped, struct metrics *metrics) {
    struct edit_outcome *o = &job->outcome;
    int64_t taken = job->started ? job->started : clock_now();
    o->queue_seconds = clock_seconds(job->submitted, taken);
    metrics_queue_wait(metrics, o->queue_seconds);
    if (stopped != EDIT_DONE) edit_outcome_set_stopped(o, stopped, job->started != 0);
    edit_order_free_files(&job->order);
    metrics_edit(metrics, edit_end_name(o->end));
    job->done(job);
}

int edit_job_log_fields(const struct edit_job *job, struct log_field *f) {
    const struct edit_order *order = &job->order;
    const struct edit_outcome *o = &job->outcome;
    int n = 0;
    f[n++] = LOG_STR("outcome", edit_end_name(o->end));
    f[n++] = LOG_INT("pictures", order->file_count);
    f[n++] = LOG_INT("prompt_bytes", job->prompt_bytes);
    f[n++] = LOG_STR("seed", job->seed);
    f[n++] = LOG_INT("steps", order->steps);
    f[n++] = LOG_REAL("guidance_scale", order->guidance_scale);
    f[n++] = LOG_REAL("queue_ms", o->queue_seconds * 1e3);
    if (o->end != EDIT_DONE) return n;
    f[n++] = LOG_INT("width", o->width);
    f[n++] = LOG_INT("height", o->height);
    f[n++] = LOG_REAL("change", o->change);
    f[n++] = LOG_REAL("read_ms", o->read_seconds * 1e3);
    f[n++] = LOG_REAL("encode_ms", o->encode_seconds * 1e3);
    f[n++] = LOG_REAL("denoise_ms", o->denoise_seconds * 1e3);
    f[n++] = LOG_REAL("decode_ms", o->decode_seconds * 1e3);
    f[n++] = LOG_REAL("write_ms", o->write_seconds * 1e3);
    return n;
}
