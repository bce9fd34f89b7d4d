/*
 * run.h - the step to a backend's function; only the files beside this one include it.
 */
#ifndef COMPUTE_RUN_H
#define COMPUTE_RUN_H

#include "compute/backend.h"

#define OPERATION_KIND(NAME, KIND, ...) kind_of_##NAME = OPERATION_##KIND,
enum { OPERATIONS(OPERATION_KIND) };
#undef OPERATION_KIND

/* Of a tensor, read or written once. */
static inline double run_bytes(struct tensor t) {
    return (double)t.rows * (double)t.cols * (double)dtype_bytes(t.type, 1);
}

/* Counts the operation `name`, and has the backend do it unless the workspace is dry or has failed;
 * what follows is what it gets behind the workspace. */
#define RUN(w, name, more_flops, more_bytes, ...)                                                  \
    do {                                                                                           \
        const enum operation kind = (enum operation)kind_of_##name;                                \
        struct operation_cost *cost = &(w)->costs[kind];                                           \
        const struct backend *backend = (w)->compute->backend;                                     \
        if (workspace_is_live(w)) {                                                                \
            backend->clock_start(w, kind);                                                         \
            backend->name(w, __VA_ARGS__);                                                         \
            backend->clock_stop(w);                                                                \
        }                                                                                          \
        cost->flops += (more_flops);                                                               \
        cost->bytes += (more_bytes);                                                               \
    } while (0)

#endif
