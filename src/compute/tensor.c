/*
 * Tensors: taken from a workspace, seen in parts, copied from and to the host.
 */
#include "compute/tensor.h"

#include "compute/backend.h"

/* a * b, or -1 where a size is negative or the product more than WORKSPACE_MAX_BYTES. */
static int64_t product_of_sizes(int64_t a, int64_t b) {
    int64_t n;
    if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &n) || n > (int64_t)WORKSPACE_MAX_BYTES)
        return -1;
    return n;
}

struct tensor tensor_take(struct workspace *w, int64_t rows, int64_t cols) {
    int64_t n = product_of_sizes(rows, cols);
    return (struct tensor){workspace_take(w, n < 0 ? SIZE_MAX : (size_t)n * sizeof(float)), rows,
                           cols, cols};
}

struct feature_map feature_map_take(struct workspace *w, int64_t height, int64_t width,
                                    int64_t channels) {
    return (struct feature_map){tensor_take(w, product_of_sizes(height, width), channels), height,
                                width};
}

struct tensor tensor_rows(struct tensor t, int64_t from, int64_t count) {
    return (struct tensor){t.data ? t.data + from * t.stride : NULL, count, t.cols, t.stride};
}

struct tensor tensor_cols(struct tensor t, int64_t from, int64_t count) {
    return (struct tensor){t.data ? t.data + from : NULL, t.rows, count, t.stride};
}

void tensor_upload(struct workspace *w, struct tensor out, const float *in) {
    if (workspace_is_live(w)) w->compute->backend->upload(w, out, in);
}

void tensor_download(struct workspace *w, float *out, struct tensor in) {
    if (workspace_is_live(w)) w->compute->backend->download(w, out, in);
}
