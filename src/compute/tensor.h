/*
 * tensor.h - matrices in a device's memory.
 */
#ifndef COMPUTE_TENSOR_H
#define COMPUTE_TENSOR_H

#include "compute/workspace.h"

struct tensor {
    float *data; /* in the device's memory; NULL in a dry workspace */
    int64_t rows, cols;
    int64_t stride; /* numbers from one row to the next */
};

/* A picture of features: rows are its pixels, from the top left, row after row. */
struct feature_map {
    struct tensor t;
    int64_t height, width;
};

struct tensor tensor_take(struct workspace *w, int64_t rows, int64_t cols); /* contents undefined */
struct feature_map feature_map_take(struct workspace *w, int64_t height, int64_t width,
                                    int64_t channels);
struct tensor tensor_rows(struct tensor t, int64_t from,
                          int64_t count); /* views: they share t's memory */
struct tensor tensor_cols(struct tensor t, int64_t from, int64_t count);

/* Between the device and the host's packed [rows, cols] elements.  An upload has taken its source
 * when it returns: the caller may write there or free it.  A download is complete when it returns,
 * and so is all that was asked for before it. */
void tensor_upload(struct workspace *w, struct tensor out, const float *in);
void tensor_download(struct workspace *w, float *out, struct tensor in);

#endif
