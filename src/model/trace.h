/*
 * trace.h - watching a network compute: where a tensor of the reference traces comes about, it is
 * shown by its name there (tests/data/README.md).  Without a listener this costs nothing.
 */
#ifndef MODEL_TRACE_H
#define MODEL_TRACE_H

#include "compute/operations.h"

struct trace {
    /* rows x cols elements, packed; valid during the call. */
    void (*floats)(void *arg, const char *name, const float *data, int64_t rows, int64_t cols);
    void (*integers)(void *arg, const char *name, const int32_t *data, int64_t rows, int64_t cols);
    void *arg;
};

/* Downloads a tensor and shows it; t may be NULL.  Nothing in a dry workspace. */
__attribute__((format(printf, 4, 5))) void trace_tensor(const struct trace *t, struct workspace *w,
                                                        struct tensor tensor, const char *name,
                                                        ...);

#endif
