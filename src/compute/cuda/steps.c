/*
 * What stands between the networks, and the copies between host and device.
 */
#include <string.h>

#include "compute/cuda/cuda.h"

/* Over the rows and columns of `shape`. */
static void run(struct workspace *w, enum cuda_kernel kernel, struct tensor shape,
                struct tensor out, struct tensor in, struct step_args args) {
    args.in = cuda_at(in.address);
    args.out = cuda_at(out.address);
    args.in_stride = in.stride;
    args.out_stride = out.stride;
    args.rows = (int32_t)shape.rows;
    args.cols = (int32_t)shape.cols;
    struct grid grid = kernel == KERNEL_guide ? (struct grid){tiles_of(shape.rows, 8), 1, 0}
                                              : by_columns(shape.rows, shape.cols);
    cuda_launch(w, kernel, grid, &args);
}

void cuda_guide(struct workspace *w, struct tensor velocity, struct tensor negative, double scale) {
    run(w, KERNEL_guide, velocity, velocity, negative, (struct step_args){.factor = (float)scale});
}

void cuda_euler_step(struct workspace *w, struct tensor latents, struct tensor velocity, float dt) {
    run(w, KERNEL_euler_step, latents, latents, velocity, (struct step_args){.factor = dt});
}

void cuda_all_finite(struct workspace *w, struct tensor flag, struct tensor in) {
    run(w, KERNEL_all_finite, in, flag, in, (struct step_args){0});
}

void cuda_normalise(struct workspace *w, struct tensor out, struct tensor in, struct tensor mean,
                    struct tensor std) {
    run(w, KERNEL_normalise, out, out, in,
        (struct step_args){.shift = cuda_at(mean.address), .scale = cuda_at(std.address)});
}

void cuda_denormalise(struct workspace *w, struct tensor out, struct tensor in, struct tensor mean,
                      struct tensor std) {
    run(w, KERNEL_denormalise, out, out, in,
        (struct step_args){.shift = cuda_at(mean.address), .scale = cuda_at(std.address)});
}

void cuda_pack(struct workspace *w, struct tensor tokens, struct feature_map map) {
    run(w, KERNEL_pack, map.t, tokens, map.t, (struct step_args){.width = (int32_t)map.width});
}

void cuda_unpack(struct workspace *w, struct feature_map map, struct tensor tokens) {
    run(w, KERNEL_unpack, map.t, map.t, tokens, (struct step_args){.width = (int32_t)map.width});
}

void cuda_clamp(struct workspace *w, struct tensor out, struct tensor in) {
    run(w, KERNEL_clamp, out, out, in, (struct step_args){0});
}

void cuda_to_bytes(struct workspace *w, struct tensor out, struct tensor in) {
    run(w, KERNEL_to_bytes, in, out, in, (struct step_args){0});
}

/* ---- copies ---- */

static struct span span_of(struct tensor t) {
    return (struct span){t.address, t.rows, dtype_bytes(t.type, (size_t)t.cols),
                         dtype_bytes(t.type, (size_t)t.stride)};
}

/* Rows of floats on the host, each of which is an element of `type` on the device. */
struct floats {
    const float *in; /* or */
    float *out;
    int64_t cols;
    enum dtype type;
};

static void write_floats(const void *arg, void *to, int64_t row, size_t from, size_t bytes) {
    const struct floats *f = arg;
    size_t size = dtype_bytes(f->type, 1), n = bytes / size;
    const float *x = f->in + row * f->cols + from / size;
    if (f->type == DTYPE_F32)
        memcpy(to, x, bytes);
    else
        dtype_info(f->type)->narrow(to, x, n);
}

static void read_floats(const void *arg, const void *from, int64_t row, size_t at, size_t bytes) {
    const struct floats *f = arg;
    size_t size = dtype_bytes(f->type, 1);
    floats_from(f->out + row * f->cols + at / size, from, f->type, bytes / size);
}

void cuda_upload(struct workspace *w, struct tensor out, const float *in) {
    const struct floats f = {.in = in, .cols = out.cols, .type = out.type};
    cuda_send(w, span_of(out), (struct source){.write = write_floats, .arg = &f});
}

void cuda_download(struct workspace *w, float *out, struct tensor in) {
    const struct floats f = {.out = out, .cols = in.cols, .type = in.type};
    cuda_fetch(w, span_of(in), (struct sink){.read = read_floats, .arg = &f});
}

struct numbered {
    const struct matrix *table;
    const int32_t *rows;
    enum dtype type;
};

static void write_numbered(const void *arg, void *to, int64_t row, size_t from, size_t bytes) {
    enum { STEP = 256 };
    const struct numbered *t = arg;
    const struct matrix *m = t->table;
    float floats[STEP];
    size_t size = dtype_bytes(t->type, 1), n = bytes / size;
    size_t first = (size_t)(t->rows[row] * m->cols) + from / size;
    for (size_t i = 0; i < n; i += STEP) {
        size_t count = n - i < STEP ? n - i : STEP;
        floats_from(floats, (const char *)m->data + dtype_bytes(m->dtype, first + i), m->dtype,
                    count);
        floats_scale(floats, &m->scales, (size_t)m->cols, first + i, count);
        if (t->type == DTYPE_F32)
            memcpy((float *)to + i, floats, count * sizeof *floats);
        else
            dtype_info(t->type)->narrow((char *)to + i * size, floats, count);
    }
}

void cuda_upload_rows(struct workspace *w, struct tensor out, const struct matrix *table,
                      const int32_t *rows) {
    const struct numbered t = {table, rows, out.type};
    cuda_send(w, span_of(out), (struct source){.write = write_numbered, .arg = &t});
}
