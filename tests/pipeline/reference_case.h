/*
 * reference_case.h - one recorded run of the reference pipeline (tests/data/README.md): its inputs,
 * and a trace that compares what our pipeline computes with what it computed, tensor by tensor.
 */
#ifndef PIPELINE_REFERENCE_CASE_H
#define PIPELINE_REFERENCE_CASE_H

#include <stdbool.h>

#include "firered.h"
#include "model/trace.h"
#include "support/safetensors_reader.h"

struct reference_case {
    char folder[512];
    char *prompt, *negative_prompt; /* negative_prompt may be NULL */
    struct picture pictures[FIRERED_MAX_PICTURES];
    struct picture output;
    struct firered_edit edit; /* points into the above */
    bool bfloat16;
    double lora; /* its scale; 0 for none */
};

/* folder: of the case, below TEST_DATA or absolute.  Faults in it end the program with a
 * message. */
void reference_case_open(struct reference_case *c, const char *folder);
void reference_case_close(struct reference_case *c);

/* A trace that checks tensors against trace.safetensors. */
struct comparison {
    struct safetensors_reader *expected;
    double tolerance; /* relative L2 error of a float tensor */
    int compared;     /* tensors */
    bool failed;
    char first[512]; /* what was off first, and by how much */
    double worst;    /* relative error so far */
    char worst_name[64];
};
void comparison_open(struct comparison *c, const struct reference_case *of, double tolerance);
void comparison_close(struct comparison *c);
struct trace comparison_trace(struct comparison *c);

/* The largest difference of a byte; 256 for different sizes. */
int picture_max_difference(const struct picture *a, const struct picture *b);

#endif
