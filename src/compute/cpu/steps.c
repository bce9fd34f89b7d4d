/*
 * What stands between the networks: the end of a step, and the forms in which latents and pictures
 * travel.  Rows are spread over the pool; each is computed on its own, element by element in the
 * order of the reference, without fused multiplications (CMakeLists.txt): so results are the same
 * bytes on every machine, at any number of threads.
 */
#include <math.h>
#include <stdatomic.h>

#include "compute/cpu/cpu.h"

struct steps_job {
    struct tensor out, in, shift, scale;
    int64_t width; /* of a map */
    double guidance;
    float dt;
    atomic_bool broken;
    int64_t rows, chunk;
    void (*row)(struct steps_job *j, int64_t r);
};

static void run_chunk(void *arg, size_t task, int worker) {
    (void)worker;
    struct steps_job *j = arg;
    int64_t from = (int64_t)task * j->chunk, to = min_of(from + j->chunk, j->rows);
    for (int64_t r = from; r < to; r++) j->row(j, r);
}

static void run(struct workspace *w, struct steps_job *j) {
    enum { ELEMENTS_PER_TASK = 16384 };
    j->rows = j->in.rows;
    j->chunk = ELEMENTS_PER_TASK / (j->in.cols + 1) + 1;
    pool_run(cpu_of(w->compute)->pool, (size_t)((j->rows + j->chunk - 1) / j->chunk), run_chunk, j);
}

static double length_of(const float *x, int64_t n) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += (double)x[i] * x[i];
    return sqrt(s);
}

static void guide_row(struct steps_job *j, int64_t r) {
    float *velocity = cpu_row(j->out, r);
    const float *negative = cpu_row(j->in, r);
    int64_t n = j->in.cols;
    double before = length_of(velocity, n);
    for (int64_t i = 0; i < n; i++)
        velocity[i] = negative[i] + (float)j->guidance * (velocity[i] - negative[i]);
    double after = length_of(velocity, n);
    if (after == 0) return;
    for (int64_t i = 0; i < n; i++) velocity[i] *= (float)(before / after);
}

void cpu_guide(struct workspace *w, struct tensor velocity, struct tensor negative, double scale) {
    run(w,
        &(struct steps_job){.out = velocity, .in = negative, .guidance = scale, .row = guide_row});
}

static void euler_row(struct steps_job *j, int64_t r) {
    float *latents = cpu_row(j->out, r);
    const float *velocity = cpu_row(j->in, r);
    for (int64_t i = 0; i < j->in.cols; i++) latents[i] += j->dt * velocity[i];
}

void cpu_euler_step(struct workspace *w, struct tensor latents, struct tensor velocity, float dt) {
    run(w, &(struct steps_job){.out = latents, .in = velocity, .dt = dt, .row = euler_row});
}

static void finite_row(struct steps_job *j, int64_t r) {
    const float *x = cpu_row(j->in, r);
    for (int64_t i = 0; i < j->in.cols; i++)
        if (!isfinite(x[i])) atomic_store(&j->broken, true);
}

void cpu_all_finite(struct workspace *w, struct tensor flag, struct tensor in) {
    struct steps_job j = {.in = in, .row = finite_row};
    run(w, &j);
    if (j.broken) *cpu_row(flag, 0) = 0;
}

static void normalise_row(struct steps_job *j, int64_t r) {
    const float *x = cpu_row(j->in, r), *mean = cpu_row(j->shift, 0), *std = cpu_row(j->scale, 0);
    float *out = cpu_row(j->out, r);
    for (int64_t i = 0; i < j->in.cols; i++) out[i] = (x[i] - mean[i]) / std[i];
}

void cpu_normalise(struct workspace *w, struct tensor out, struct tensor in, struct tensor mean,
                   struct tensor std) {
    run(w, &(struct steps_job){
               .out = out, .in = in, .shift = mean, .scale = std, .row = normalise_row});
}

static void denormalise_row(struct steps_job *j, int64_t r) {
    const float *x = cpu_row(j->in, r), *mean = cpu_row(j->shift, 0), *std = cpu_row(j->scale, 0);
    float *out = cpu_row(j->out, r);
    for (int64_t i = 0; i < j->in.cols; i++) out[i] = x[i] * std[i] + mean[i];
}

void cpu_denormalise(struct workspace *w, struct tensor out, struct tensor in, struct tensor mean,
                     struct tensor std) {
    run(w, &(struct steps_job){
               .out = out, .in = in, .shift = mean, .scale = std, .row = denormalise_row});
}

/* Where a map's pixel has its first channel in the tokens; the other channels are 4 apart. */
static float *packed_at(struct tensor tokens, int64_t pixel, int64_t width) {
    int64_t y = pixel / width, x = pixel % width;
    return cpu_row(tokens, y / 2 * (width / 2) + x / 2) + y % 2 * 2 + x % 2;
}

static void pack_row(struct steps_job *j, int64_t r) {
    const float *pixel = cpu_row(j->in, r);
    float *out = packed_at(j->out, r, j->width);
    for (int64_t c = 0; c < j->in.cols; c++) out[4 * c] = pixel[c];
}

void cpu_pack(struct workspace *w, struct tensor tokens, struct feature_map map) {
    run(w, &(struct steps_job){.out = tokens, .in = map.t, .width = map.width, .row = pack_row});
}

static void unpack_row(struct steps_job *j, int64_t r) {
    float *pixel = cpu_row(j->in, r);
    const float *from = packed_at(j->out, r, j->width);
    for (int64_t c = 0; c < j->in.cols; c++) pixel[c] = from[4 * c];
}

/* A job's rows are those of `in`, whichever way the elements go. */
void cpu_unpack(struct workspace *w, struct feature_map map, struct tensor tokens) {
    run(w, &(struct steps_job){.out = tokens, .in = map.t, .width = map.width, .row = unpack_row});
}

static void clamp_row(struct steps_job *j, int64_t r) {
    const float *x = cpu_row(j->in, r);
    float *out = cpu_row(j->out, r);
    for (int64_t i = 0; i < j->in.cols; i++)
        out[i] = x[i] < -1.0f ? -1.0f : x[i] > 1.0f ? 1.0f : x[i];
}

void cpu_clamp(struct workspace *w, struct tensor out, struct tensor in) {
    run(w, &(struct steps_job){.out = out, .in = in, .row = clamp_row});
}

static void bytes_row(struct steps_job *j, int64_t r) {
    const float *in = cpu_row(j->in, r);
    uint8_t *out = (uint8_t *)cpu_row(j->out, 0) + r * j->in.cols;
    for (int64_t i = 0; i < j->in.cols; i++) {
        float x = in[i] / 2.0f + 0.5f;
        x = x > 1 ? 1 : x > 0 ? x : 0;       /* NaN becomes 0 */
        out[i] = (uint8_t)rintf(x * 255.0f); /* numpy's round: ties to even */
    }
}

void cpu_to_bytes(struct workspace *w, struct tensor out, struct tensor in) {
    run(w, &(struct steps_job){.out = out, .in = in, .row = bytes_row});
}
