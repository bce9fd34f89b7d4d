/*
 * The operations that treat each row on its own: norms, activations, rotary embedding.  Rows are
 * spread over the pool in chunks large enough to be worth a thread's while.
 */
#include <math.h>
#include <string.h>

#include "compute/cpu/cpu.h"

struct rows_job {
    const struct kernels *k;
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
    int64_t from = (int64_t)task * j->chunk, to = least(from + j->chunk, j->out.rows);
    for (int64_t r = from; r < to; r++) j->row(j, r);
}

static void run_rows(struct workspace *w, struct rows_job *j) {
    const struct cpu *cpu = cpu_of(w->compute);
    int64_t numbers_per_task = 16384;
    j->k = cpu->kernels;
    j->chunk = numbers_per_task / (j->out.cols + 1) + 1;
    pool_run(cpu->pool, (size_t)((j->out.rows + j->chunk - 1) / j->chunk), rows_chunk, j);
}

static void rms_norm_row(const struct rows_job *j, int64_t r) {
    const float *x = cpu_row(j->in, r);
    int64_t n = j->in.cols;
    float factor = 1.0f / sqrtf(j->k->dot(x, x, n) / (float)n + j->eps);
    j->k->weighted(cpu_row(j->out, r), x, j->weight, factor, n);
}

void cpu_rms_norm(struct workspace *w, struct tensor out, struct tensor in, struct tensor weight,
                  float eps) {
    run_rows(
        w,
        &(struct rows_job){
            .out = out, .in = in, .weight = cpu_row(weight, 0), .eps = eps, .row = rms_norm_row});
}

static void layer_norm_row(const struct rows_job *j, int64_t r) {
    j->k->layer_norm_modulate(cpu_row(j->out, r), cpu_row(j->in, r), j->weight, j->shift,
                              j->in.cols, j->eps);
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
    float *out = cpu_row(j->out, r);
    int64_t n = j->in.cols;
    float length = sqrtf(j->k->dot(x, x, n));
    if (length < 1e-12f) length = 1e-12f; /* this way round a NaN stays and spoils its row */
    j->k->weighted(out, x, j->weight, sqrtf((float)n) / length, n);
    if (j->silu) j->k->silu(out, out, n);
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
    memcpy(cpu_row(j->out, r), cpu_row(j->in, r), (size_t)j->in.cols * sizeof(float));
}

void cpu_copy(struct workspace *w, struct tensor out, struct tensor in) {
    run_rows(w, &(struct rows_job){.out = out, .in = in, .row = copy_row});
}

static void numbered_row(const struct rows_job *j, int64_t r) {
    if (j->rows[r] < 0) return;
    memcpy(cpu_row(j->out, r), cpu_row(j->in, j->rows[r]), (size_t)j->in.cols * sizeof(float));
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
    j->k->silu(cpu_row(j->out, r), cpu_row(j->in, r), j->in.cols);
}

void cpu_silu(struct workspace *w, struct tensor out, struct tensor in) {
    run_rows(w, &(struct rows_job){.out = out, .in = in, .row = silu_row});
}

static void silu_mul_row(const struct rows_job *j, int64_t r) {
    j->k->silu_mul(cpu_row(j->out, r), cpu_row(j->in, r), cpu_row(j->other, r), j->in.cols);
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
    for (float *x = cpu_row(j->out, r), *end = x + j->out.cols; x < end; x += d) {
        if (j->weight)
            j->k->weighted(x, x, j->weight, 1.0f / sqrtf(j->k->dot(x, x, d) / (float)d + j->eps),
                           d);
        if (j->pairs == ROTARY_INTERLEAVED)
            for (int64_t i = 0; i < half; i++) turn(x + 2 * i, x + 2 * i + 1, cosine[i], sine[i]);
        else
            for (int64_t i = 0; i < half; i++) turn(x + i, x + i + half, cosine[i], sine[i]);
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
