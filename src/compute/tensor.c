/*
 * Tensors: taken from a workspace, seen in parts, copied from and to the host.
 */
#include "compute/tensor.h"

#include "compute/run.h"

/* a * b, or -1 where a size is negative or the product more than WORKSPACE_MAX_BYTES. */
static int64_t product_of_sizes(int64_t a, int64_t b) {
    int64_t n;
    if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &n) || n > (int64_t)WORKSPACE_MAX_BYTES)
        return -1;
    return n;
}

static int64_t stride_of(const struct workspace *w, int64_t cols, enum dtype type) {
    int64_t row = (int64_t)(w->compute->alignment.row / dtype_bytes(type, 1));
    return cols < 0 || cols > (int64_t)WORKSPACE_MAX_BYTES ? -1 : (cols + row - 1) / row * row;
}

int64_t tensor_stride(const struct workspace *w, int64_t cols) {
    return stride_of(w, cols, DTYPE_F32);
}

static struct tensor take(struct workspace *w, int64_t rows, int64_t cols, enum dtype type) {
    int64_t stride = stride_of(w, cols, type), n = product_of_sizes(rows, stride);
    uint64_t address = workspace_take(w, n < 0 ? SIZE_MAX : dtype_bytes(type, (size_t)n));
    return (struct tensor){address, rows, cols, stride, type};
}

struct tensor tensor_take(struct workspace *w, int64_t rows, int64_t cols) {
    return take(w, rows, cols, DTYPE_F32);
}

struct tensor tensor_take_operand(struct workspace *w, int64_t rows, int64_t cols) {
    return take(w, rows, cols, w->compute->operand);
}

struct feature_map feature_map_take(struct workspace *w, int64_t height, int64_t width,
                                    int64_t channels) {
    return (struct feature_map){tensor_take(w, product_of_sizes(height, width), channels), height,
                                width};
}

/* ---- views ---- */

/* No operation takes it. */
static const struct tensor no_tensor = {.rows = -1, .cols = -1};

/* [rows, cols] elements of t from (row, col) on. */
static struct tensor view(struct tensor t, int64_t row, int64_t col, int64_t rows, int64_t cols) {
    t.address += dtype_bytes(t.type, (size_t)(row * t.stride + col));
    t.rows = rows;
    t.cols = cols;
    return t;
}

static bool is_within(int64_t from, int64_t count, int64_t size) {
    return from >= 0 && count >= 0 && count <= size && from <= size - count;
}

struct tensor tensor_rows(struct tensor t, int64_t from, int64_t count) {
    return is_within(from, count, t.rows) ? view(t, from, 0, count, t.cols) : no_tensor;
}

struct tensor tensor_cols(struct tensor t, int64_t from, int64_t count) {
    return is_within(from, count, t.cols) ? view(t, 0, from, t.rows, count) : no_tensor;
}

struct tensor tensor_row(struct tensor t, int64_t row) {
    return tensor_rows(t, row, 1);
}

struct tensor tensor_merge_rows(struct tensor t, int64_t count) {
    if (count < 1 || t.rows < 0 || t.rows % count != 0 || t.stride != t.cols) return no_tensor;
    t.stride *= count;
    return view(t, 0, 0, t.rows / count, t.cols * count);
}

struct tensor tensor_of_buffer(const struct workspace *w, struct tensor buffer, int64_t from,
                               int64_t rows, int64_t cols) {
    int64_t stride = tensor_stride(w, cols), n = product_of_sizes(rows, stride);
    if (buffer.rows != 1 || buffer.type != DTYPE_F32 || n < 0 || !is_within(from, n, buffer.cols))
        return no_tensor;
    buffer.stride = stride;
    return view(buffer, 0, from, rows, cols);
}

/* ---- copying ---- */

static bool is_tensor(struct workspace *w, struct tensor t) {
    bool is = t.rows >= 0 && t.cols >= 0;
    if (!is) workspace_fail(w, STATUS_INTERNAL, "a network left one of its tensors");
    return is;
}

void tensor_upload(struct workspace *w, struct tensor out, const float *in) {
    if (is_tensor(w, out)) RUN(w, upload, 0, run_bytes(out), compute_enter(w->compute, out), in);
}

void tensor_upload_rows(struct workspace *w, struct tensor out, const struct matrix *table,
                        const int32_t *rows) {
    if (!is_tensor(w, out)) return;
    bool fit = out.cols == table->cols;
    for (int64_t i = 0; fit && !w->dry && i < out.rows; i++)
        fit = rows[i] >= 0 && rows[i] < table->rows;
    if (!fit) workspace_fail(w, STATUS_INTERNAL, "a network left one of its tables");
    RUN(w, upload_rows, 0, run_bytes(out), compute_enter(w->compute, out), table, rows);
}

void tensor_download(struct workspace *w, float *out, struct tensor in) {
    if (is_tensor(w, in)) RUN(w, download, 0, run_bytes(in), out, compute_enter(w->compute, in));
}
