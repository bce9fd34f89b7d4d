/*
 * Names are put together only when somebody listens, and tensors are copied to the host only then.
 */
#include "model/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void trace_tensor(const struct trace *t, struct workspace *w, struct tensor tensor,
                  const char *format, ...) {
    if (!t || workspace_is_dry(w)) return;
    float *data = malloc((size_t)(tensor.rows * tensor.cols) * sizeof *data);
    if (!data) return; /* the listener misses it, as it would any other */
    tensor_download(w, data, tensor);
    char name[64];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    t->floats(t->arg, name, data, tensor.rows, tensor.cols);
    free(data);
}
