/*
 * tensor.h - matrices in a device's memory.
 *
 * A tensor is an address that only the backend can follow, with a shape.  Parts of it are views,
 * made here and nowhere else; one that would leave its tensor fits no operation, which the dry run
 * reports (workspace_check).  A row begins where the device likes it, so the stride of an odd number
 * of columns may be larger than that number.
 *
 * Elements are float32.  What only products read (normed rows, queries, keys and values, what
 * attention yields, the inner rows of a feed-forward) is taken as an operand, whose type the device
 * chooses: its products' own.
 */
#ifndef COMPUTE_TENSOR_H
#define COMPUTE_TENSOR_H

#include "compute/workspace.h"

struct tensor {
    uint64_t address; /* of the first element; in a dry workspace they count from 0 */
    int64_t rows, cols;
    int64_t stride; /* elements from one row to the next */
    enum dtype type;
};

/* A picture of features: rows are its pixels, from the top left, row after row. */
struct feature_map {
    struct tensor t;
    int64_t height, width;
};

struct tensor tensor_take(struct workspace *w, int64_t rows, int64_t cols); /* contents undefined */
/* The same for what only op_linear and op_attention read, in the device's type for that. */
struct tensor tensor_take_operand(struct workspace *w, int64_t rows, int64_t cols);
struct feature_map feature_map_take(struct workspace *w, int64_t height, int64_t width,
                                    int64_t channels);
/* The stride of a float32 tensor of so many columns that is taken from w. */
int64_t tensor_stride(const struct workspace *w, int64_t cols);

/* Views: they share t's memory. */
struct tensor tensor_rows(struct tensor t, int64_t from, int64_t count);
struct tensor tensor_cols(struct tensor t, int64_t from, int64_t count);
struct tensor tensor_row(struct tensor t, int64_t row);
/* Each `count` rows side by side as one; t has no gaps between its rows. */
struct tensor tensor_merge_rows(struct tensor t, int64_t count);
/* A matrix that lies in `buffer`, a float32 tensor of one row, from its element `from` on:
 * rows * tensor_stride(w, cols) elements. */
struct tensor tensor_of_buffer(const struct workspace *w, struct tensor buffer, int64_t from,
                               int64_t rows, int64_t cols);

/* Between the device, in any type, and the host's packed [rows, cols] floats.  An upload has taken
 * its source when it returns: the caller may write there or free it.  A download is complete when
 * it returns, and so is all that was asked for before it. */
void tensor_upload(struct workspace *w, struct tensor out, const float *in);
/* Rows of a table in its stored type, widened on the way: row i of out becomes row rows[i] of the
 * table.  Dry, the table may lack its data, and rows is not read.  A number that is no row fails the
 * workspace. */
void tensor_upload_rows(struct workspace *w, struct tensor out, const struct matrix *table,
                        const int32_t *rows);
void tensor_download(struct workspace *w, float *out, struct tensor in);

#endif
