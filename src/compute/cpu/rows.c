/*
 * The operations that treat each row on its own: norms, activations, rotary embedding.  Rows are
 * spread over the pool in chunks large enough to be worth a thread's while.
 *
 * A row of floats is worked on as it lies, in one piece.  Where a tensor is an operand of another
 * type its row goes through a buffer, STEP elements at a time.
 */
#include <math.h>
#include <string.h>

#include "compute/cpu/cpu.h"

enum { STEP = OPERAND_MAX_HEAD };

struct rows_job {
    const struct kernels *k;
    int64_t step; /* elements of a row at a time */
    struct tensor out, in, other;
    const float *weight, *shift;
    const int32_t *rows;
    float eps;
    bool silu;
    int64_t head_dim;
    enum rotary_pairs pairs;
    int64_t chunk;
    void (*row)(const struct rows_job *j, int64_t r);
};

static void rows_chunk(void *arg, size_t task, int worker) {
    (void)worker;
    const struct rows_job *j = arg;
    int64_t from = (int64_t)task * j->chunk, to = min_of(from + j->chunk, j->out.rows);
    for (int64_t r = from; r < to; r++) j->row(j, r);
}

static void run_rows(struct workspace *w, struct rows_job *j) {
    const struct cpu *cpu = cpu_of(w->compute);
    int64_t elements_per_task = 16384;
    bool floats = j->out.type == DTYPE_F32 && j->in.type == DTYPE_F32 && j->other.type == DTYPE_F32;
    j->k = cpu->kernels;
    j->step = floats ? j->out.cols : STEP;
    j->chunk = elements_per_task / (j->out.cols + 1) + 1;
    pool_run(cpu->pool, (size_t)((j->out.rows + j->chunk - 1) / j->chunk), rows_chunk, j);
}

/* out = x * factor * weight, then SiLU if asked. */
static void write_weighted(const struct rows_job *j, int64_t r, const float *x, float factor) {
    float buffer[STEP];
    for (int64_t i = 0; i < j->out.cols; i += j->step) {
        int64_t n = min_of(j->step, j->out.cols - i);
        float *out = cpu_place(j->out, r, i, buffer);
        j->k->weighted(out, x + i, j->weight + i, factor, n);
        if (j->silu) j->k->silu(out, out, n);
        cpu_store(j->k, j->out, r, i, out, n);
    }
}

static void rms_norm_row(const struct rows_job *j, int64_t r) {
    const float *x = cpu_row(j->in, r);
    int64_t n = j->in.cols;
    write_weighted(j, r, x, 1.0f / sqrtf(j->k->dot(x, x, n) / (float)n + j->eps));
}

void cpu_rms_norm(struct workspace *w, struct tensor out, struct tensor in, struct tensor weight,
                  float eps) {
    run_rows(
        w,
        &(struct rows_job){
            .out = out, .in = in, .weight = cpu_row(weight, 0), .eps = eps, .row = rms_norm_row});
}

static void layer_norm_row(const struct rows_job *j, int64_t r) {
    const float *x = cpu_row(j->in, r);
    float buffer[STEP];
    struct row_moments m = j->k->moments(x, j->in.cols, j->eps);
    for (int64_t i = 0; i < j->out.cols; i += j->step) {
        int64_t n = min_of(j->step, j->out.cols - i);
        float *out = cpu_place(j->out, r, i, buffer);
        j->k->modulate(out, x + i, m, j->weight + i, j->shift + i, n);
        cpu_store(j->k, j->out, r, i, out, n);
    }
}

void cpu_layer_norm_modulate(struct workspace *w, struct tensor out, struct tensor in,
                             struct tensor scale, struct tensor shift, float eps) {
    run_rows(w, &(struct rows_job){.out = out,
                                   .in = in,
                                   .weight = cpu_row(scale, 0),
                                   .shift = cpu_row(shift, 0),
                                   .eps = eps,
                                   .row = layer_norm_row});
}

static void channel_norm_row(const struct rows_job *j, int64_t r) {
    const float *x = cpu_row(j->in, r);
    int64_t n = j->in.cols;
    float length = sqrtf(j->k->dot(x, x, n));
    if (length < 1e-12f) length = 1e-12f; /* this way round a NaN stays and spoils its row */
    write_weighted(j, r, x, sqrtf((float)n) / length);
}

void cpu_channel_norm(struct workspace *w, struct tensor out, struct tensor in, struct tensor gamma,
                      bool silu) {
    run_rows(w, &(struct rows_job){.out = out,
                                   .in = in,
                                   .weight = cpu_row(gamma, 0),
                                   .silu = silu,
                                   .row = channel_norm_row});
}

static void copy_row(const struct rows_job *j, int64_t r) {
    float buffer[STEP];
    for (int64_t i = 0; i < j->out.cols; i += j->step) {
        int64_t n = min_of(j->step, j->out.cols - i);
        const float *x = cpu_floats(j->in, r, i, n, buffer);
        float *out = cpu_place(j->out, r, i, buffer);
        if (out != x) memcpy(out, x, (size_t)n * sizeof *x);
        cpu_store(j->k, j->out, r, i, out, n);
    }
}

void cpu_copy(struct workspace *w, struct tensor out, struct tensor in) {
    run_rows(w, &(struct rows_job){.out = out, .in = in, .row = copy_row});
}

static void numbered_row(const struct rows_job *j, int64_t r) {
    if (j->rows[r] < 0) return;
    size_t row = dtype_bytes(j->in.type, (size_t)j->in.stride);
    const char *in = (const char *)cpu_pointer(j->in.address) + (size_t)j->rows[r] * row;
    char *out = (char *)cpu_pointer(j->out.address) +
                (size_t)r * dtype_bytes(j->out.type, (size_t)j->out.stride);
    memcpy(out, in, dtype_bytes(j->in.type, (size_t)j->in.cols));
}

size_t cpu_rows_scratch(struct compute *c, struct tensor out) {
    (void)c;
    (void)out;
    return 0;
}

void cpu_rows(struct workspace *w, struct tensor scratch, struct tensor out, struct tensor in,
              const int32_t *rows) {
    (void)scratch;
    run_rows(w, &(struct rows_job){.out = out, .in = in, .rows = rows, .row = numbered_row});
}

static void silu_row(const struct rows_job *j, int64_t r) {
    float buffer[STEP];
    for (int64_t i = 0; i < j->out.cols; i += j->step) {
        int64_t n = min_of(j->step, j->out.cols - i);
        float *out = cpu_place(j->out, r, i, buffer);
        j->k->silu(out, cpu_row(j->in, r) + i, n);
        cpu_store(j->k, j->out, r, i, out, n);
    }
}

void cpu_silu(struct workspace *w, struct tensor out, struct tensor in) {
    run_rows(w, &(struct rows_job){.out = out, .in = in, .row = silu_row});
}

static void silu_mul_row(const struct rows_job *j, int64_t r) {
    float gate_buffer[STEP], up_buffer[STEP];
    for (int64_t i = 0; i < j->out.cols; i += j->step) {
        int64_t n = min_of(j->step, j->out.cols - i);
        const float *gate = cpu_floats(j->in, r, i, n, gate_buffer);
        const float *up = cpu_floats(j->other, r, i, n, up_buffer);
        float *out = cpu_place(j->out, r, i, gate_buffer);
        j->k->silu_mul(out, gate, up, n);
        cpu_store(j->k, j->out, r, i, out, n);
    }
}

void cpu_silu_mul(struct workspace *w, struct tensor out, struct tensor gate, struct tensor up) {
    run_rows(w, &(struct rows_job){.out = out, .in = gate, .other = up, .row = silu_mul_row});
}

static void turn(float *a, float *b, float cosine, float sine) {
    float x = *a, y = *b;
    *a = x * cosine - y * sine;
    *b = x * sine + y * cosine;
}

static void norm_rotary_row(const struct rows_job *j, int64_t r) {
    int64_t d = j->head_dim, half = d / 2;
    const float *cosine = cpu_row(j->other, r), *sine = cosine + half;
    float buffer[STEP];
    for (int64_t at = 0; at < j->out.cols; at += d) {
        cpu_floats(j->out, r, at, d, buffer);
        float *x = cpu_place(j->out, r, at, buffer);
        if (j->weight)
            j->k->weighted(x, x, j->weight, 1.0f / sqrtf(j->k->dot(x, x, d) / (float)d + j->eps),
                           d);
        if (j->pairs == ROTARY_INTERLEAVED)
            for (int64_t i = 0; i < half; i++) turn(x + 2 * i, x + 2 * i + 1, cosine[i], sine[i]);
        else
            for (int64_t i = 0; i < half; i++) turn(x + i, x + i + half, cosine[i], sine[i]);
        cpu_store(j->k, j->out, r, at, x, d);
    }
}

void cpu_norm_rotary(struct workspace *w, struct tensor x, int64_t head_dim,
                     const struct tensor *norm, float eps, struct tensor angles,
                     enum rotary_pairs pairs) {
    run_rows(w, &(struct rows_job){.out = x,
                                   .other = angles,
                                   .weight = norm ? cpu_row(*norm, 0) : NULL,
                                   .eps = eps,
                                   .head_dim = head_dim,
                                   .pairs = pairs,
                                   .row = norm_rotary_row});
}
