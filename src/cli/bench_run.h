/*
 * bench_run.h - what `firered bench` measures: edits of a made picture, and the tables of their
 * costs, on standard output.
 */
#ifndef CLI_BENCH_RUN_H
#define CLI_BENCH_RUN_H

#include "config/config.h"
#include "firered.h"

struct bench_request {
    const struct config *config;
    const char *folder; /* of the model */
    int side, steps;    /* the picture's, in and out */
    double guidance_scale;
};

/* One edit, and its costs phase by phase; `profile`: within each phase by kind of operation, too. */
enum status bench_phases(const struct bench_request *r, bool profile, struct error *err);

/* A step at `side` and one at twice that: how the time grows against how the operations do. */
enum status bench_growth(const struct bench_request *r, struct error *err);

/* The same edit by products of float32, bfloat16 and int8: time, memory, and how far the picture is
 * from the first one.  All three draw bfloat16's noise: with float32's it would be another
 * picture. */
enum status bench_dtypes(const struct bench_request *r, struct error *err);

#endif
