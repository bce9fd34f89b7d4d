/*
 * Names are put together only when somebody listens; what is on the device is copied to the host first.
 */
#include "model/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void show(const struct trace *t, const float *data, int64_t rows, int64_t cols,
                 const char *format, va_list args) {
    char name[64];
    vsnprintf(name, sizeof name, format, args);
    t->floats(t->arg, name, data, rows, cols);
}

void trace_floats(const struct trace *t, const float *data, int64_t rows, int64_t cols,
                  const char *format, ...) {
    if (!t) return;
    va_list args;
    va_start(args, format);
    show(t, data, rows, cols, format, args);
    va_end(args);
}

void trace_tensor(const struct trace *t, struct workspace *w, struct tensor tensor,
                  const char *format, ...) {
    if (!t || workspace_is_dry(w)) return;
    float *data = malloc((size_t)(tensor.rows * tensor.cols) * sizeof *data);
    if (!data) return; /* the listener misses it, as it would any other */
    tensor_download(w, data, tensor);
    va_list args;
    va_start(args, format);
    show(t, data, tensor.rows, tensor.cols, format, args);
    va_end(args);
    free(data);
}
