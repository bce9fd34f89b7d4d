/*
 * Loops over double precision, in the order of the formulas; the runs at the end plan first, as
 * the pipeline does, and then compute.
 */
#include "compute/plain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/device.h"
#include "support/unit_test.h"

static double *zeros(int64_t n) {
    double *x = calloc((size_t)n + 1, sizeof *x);
    assert_non_null(x);
    return x;
}

/* ---- the operations ---- */

double plain_activation(enum activation a, double x) {
    switch (a) {
    case ACTIVATION_SILU: return x / (1.0 + exp(-x));
    case ACTIVATION_GELU: return 0.5 * x * (1.0 + erf(x / sqrt(2.0)));
    case ACTIVATION_GELU_TANH:
        return 0.5 * x * (1.0 + tanh(sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
    default: return x;
    }
}

double *plain_linear(const float *in, int64_t rows, int64_t depth, const float *weight,
                     const float *bias, int64_t out, const struct plain_epilogue *e) {
    double *y = zeros(rows * out);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t o = 0; o < out; o++) {
            double sum = bias ? bias[o] : 0.0;
            for (int64_t i = 0; i < depth; i++)
                sum += (double)in[r * depth + i] * weight[o * depth + i];
            sum = plain_activation(e->activation, sum) * (e->gate ? e->gate[o] : 1.0);
            y[r * out + o] = sum + (e->residual ? e->residual[r * out + o] : 0.0);
        }
    return y;
}

/* Whole numbers in place of x, and what they are to be multiplied by.  In float32, so that what lies
 * halfway between two of them is rounded as the kernels round it: rows away from zero, weights to
 * even. */
static float *rounded(const float *x, int64_t n, int max, bool weight, double *scale) {
    float largest = 0, *q = calloc((size_t)n + 1, sizeof *q);
    assert_non_null(q);
    for (int64_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(x[i]));
    *scale = (double)(largest / (float)max);
    for (int64_t i = 0; i < n; i++)
        q[i] = weight ? rintf(x[i] * (1.0f / (largest / (float)max)))
                      : roundf(x[i] * ((float)max / largest));
    return q;
}

void plain_round_rows(float *x, int64_t rows, int64_t n, int max) {
    for (int64_t r = 0; r < rows; r++, x += n) {
        double scale;
        float *whole = rounded(x, n, max, false, &scale);
        for (int64_t i = 0; i < n; i++) x[i] = (float)(whole[i] * scale);
        free(whole);
    }
}

double *plain_linear_int8(const float *in, int64_t rows, int64_t depth, const float *weight,
                          const float *bias, int64_t out, int max) {
    double *y = zeros(rows * out);
    for (int64_t o = 0; o < out; o++) {
        double column_scale, row_scale;
        float *w = rounded(weight + o * depth, depth, max, true, &column_scale);
        for (int64_t r = 0; r < rows; r++) {
            float *x = rounded(in + r * depth, depth, 127, false, &row_scale);
            double sum = 0;
            for (int64_t i = 0; i < depth; i++) sum += (double)x[i] * w[i];
            y[r * out + o] = sum * row_scale * column_scale + (bias ? bias[o] : 0.0);
            free(x);
        }
        free(w);
    }
    return y;
}

static bool sees(const struct attention *a, int64_t query, int64_t key, int64_t queries,
                 int64_t keys) {
    if (a->causal) return key <= query + keys - queries;
    for (size_t s = 0; a->segments && s < a->segment_count; s++) {
        bool query_in = query >= a->segments[s] && query < a->segments[s + 1];
        bool key_in = key >= a->segments[s] && key < a->segments[s + 1];
        if (query_in != key_in) return false;
    }
    return true;
}

double *plain_attention(const float *q, const float *k, const float *v, int64_t queries,
                        int64_t keys, const struct attention *a) {
    int64_t d = a->head_dim, q_cols = a->heads * d, kv_cols = a->kv_heads * d;
    double *out = zeros(queries * q_cols), *score = zeros(keys);
    for (int64_t h = 0; h < a->heads; h++)
        for (int64_t i = 0; i < queries; i++) {
            int64_t kv = h / (a->heads / a->kv_heads) * d;
            double max = -INFINITY, total = 0.0;
            for (int64_t j = 0; j < keys; j++) {
                score[j] = 0.0;
                for (int64_t n = 0; n < d; n++)
                    score[j] +=
                        (double)q[i * q_cols + h * d + n] * k[j * kv_cols + kv + n] * a->scale;
                if (!sees(a, i, j, queries, keys)) score[j] = -INFINITY;
                max = fmax(max, score[j]);
            }
            for (int64_t j = 0; j < keys; j++) total += score[j] = exp(score[j] - max);
            for (int64_t j = 0; j < keys; j++)
                for (int64_t n = 0; n < d; n++)
                    out[i * q_cols + h * d + n] += score[j] / total * v[j * kv_cols + kv + n];
        }
    free(score);
    return out;
}

/* The input's pixel at (y, x), or NULL for the zeros outside. */
static const float *pixel_at(struct plain_picture p, bool upsample, int64_t y, int64_t x) {
    int64_t zoom = upsample ? 2 : 1;
    if (y < 0 || x < 0 || y >= p.height * zoom || x >= p.width * zoom) return NULL;
    return p.x + (y / zoom * p.width + x / zoom) * p.channels;
}

double *plain_conv(struct plain_picture in, int64_t height, int64_t width, int64_t out_channels,
                   int size, const float *weight, const float *bias, const struct conv_options *o,
                   const float *residual) {
    double *out = zeros(height * width * out_channels), *to = out;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            for (int64_t c = 0; c < out_channels; c++, to++) {
                double sum = bias ? bias[c] : 0.0;
                for (int tap = 0; tap < size * size; tap++) {
                    const float *pixel =
                        pixel_at(in, o->upsample, y * o->stride + tap / size - o->pad_top,
                                 x * o->stride + tap % size - o->pad_left);
                    for (int64_t k = 0; pixel && k < in.channels; k++)
                        sum += (double)pixel[k] * weight[(c * in.channels + k) * size * size + tap];
                }
                *to = sum + (residual ? residual[to - out] : 0.0);
            }
    return out;
}

static double sum_of_squares(const float *x, int64_t n) {
    double s = 0.0;
    for (int64_t i = 0; i < n; i++) s += (double)x[i] * x[i];
    return s;
}

double *plain_rms_norm(const float *x, int64_t rows, int64_t cols, const float *weight,
                       double eps) {
    double *out = zeros(rows * cols);
    for (int64_t r = 0; r < rows; r++) {
        double length = sqrt(sum_of_squares(x + r * cols, cols) / (double)cols + eps);
        for (int64_t i = 0; i < cols; i++) out[r * cols + i] = x[r * cols + i] / length * weight[i];
    }
    return out;
}

double *plain_layer_norm_modulate(const float *x, int64_t rows, int64_t cols, const float *scale,
                                  const float *shift, double eps) {
    double *out = zeros(rows * cols);
    for (int64_t r = 0; r < rows; r++) {
        const float *row = x + r * cols;
        double mean = 0.0, variance = 0.0;
        for (int64_t i = 0; i < cols; i++) mean += row[i] / (double)cols;
        for (int64_t i = 0; i < cols; i++)
            variance += (row[i] - mean) * (row[i] - mean) / (double)cols;
        for (int64_t i = 0; i < cols; i++)
            out[r * cols + i] =
                (row[i] - mean) / sqrt(variance + eps) * (1.0 + scale[i]) + shift[i];
    }
    return out;
}

double *plain_channel_norm(const float *x, int64_t rows, int64_t cols, const float *gamma,
                           bool silu) {
    double *out = zeros(rows * cols);
    for (int64_t r = 0; r < rows; r++) {
        double length = fmax(sqrt(sum_of_squares(x + r * cols, cols)), 1e-12);
        for (int64_t i = 0; i < cols; i++) {
            double y = x[r * cols + i] / length * sqrt((double)cols) * gamma[i];
            out[r * cols + i] = silu ? plain_activation(ACTIVATION_SILU, y) : y;
        }
    }
    return out;
}

double *plain_norm_rotary(const float *x, int64_t rows, int64_t cols, int64_t head_dim,
                          const float *norm, double eps, const float *angles,
                          enum rotary_pairs pairs) {
    double *out = zeros(rows * cols);
    int64_t half = head_dim / 2;
    for (int64_t i = 0; i < rows * cols; i += head_dim) {
        const float *angle = angles + i / cols * head_dim;
        double length = norm ? sqrt(sum_of_squares(x + i, head_dim) / (double)head_dim + eps) : 1.0;
        for (int64_t p = 0; p < half; p++) {
            int64_t a = pairs == ROTARY_INTERLEAVED ? 2 * p : p,
                    b = pairs == ROTARY_INTERLEAVED ? a + 1 : p + half;
            double u = x[i + a] / length * (norm ? norm[a] : 1.0),
                   v = x[i + b] / length * (norm ? norm[b] : 1.0);
            out[i + a] = u * angle[p] - v * angle[half + p];
            out[i + b] = u * angle[half + p] + v * angle[p];
        }
    }
    return out;
}

/* ---- comparing ---- */

double distance(const float *got, const double *want, size_t n) {
    double off = 0.0, size = 0.0;
    for (size_t i = 0; i < n; i++) {
        off += (got[i] - want[i]) * (got[i] - want[i]);
        size += want[i] * want[i];
    }
    return off == 0.0 ? 0.0 : sqrt(off / size);
}

/* ---- making up numbers ---- */

static uint64_t random_state;

static void restart_random(void) {
    random_state = 88172645463325252u;
}

/* xorshift64*: Marsaglia 2003, Vigna 2016. */
static uint32_t next_random(void) {
    if (random_state == 0) restart_random();
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)(random_state * 2685821657736338717u >> 32);
}

float *random_floats(size_t n, float max) {
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = ((float)(next_random() >> 8) * 0x1p-23f - 1.0f) * max;
    return x;
}

float *random_bf16_floats(size_t n) {
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)((int)(next_random() % 255) - 127) / 64.0f;
    return x;
}

static uint16_t f16_from_exact(float x) {
    int exponent;
    float m = frexpf(fabsf(x), &exponent); /* x = m 2^exponent, m in [0.5, 1) */
    if (m == 0.0f) return 0;
    return (uint16_t)((x < 0 ? 0x8000 : 0) | (exponent + 14) << 10 |
                      (int)((m * 2.0f - 1.0f) * 1024.0f));
}

void *stored_as(enum dtype t, const float *x, size_t n) {
    char *bytes = malloc(dtype_bytes(t, n) + 1);
    assert_non_null(bytes);
    if (t == DTYPE_F32) return memcpy(bytes, x, n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        uint16_t h = t == DTYPE_BF16 ? bf16_from_float(x[i]) : f16_from_exact(x[i]);
        memcpy(bytes + 2 * i, &h, 2);
    }
    return bytes;
}

/* ---- running ---- */

void run_planned(struct compute *c, void (*work)(struct workspace *w, void *arg), void *arg) {
    struct error err = {{0}};
    struct workspace *dry, *w;
    assert_int_equal(workspace_create_dry(&dry, c, &err), STATUS_OK);
    work(dry, arg);
    if (workspace_check(dry, &err) != STATUS_OK) fail_msg("the dry run failed: %s", err.text);
    if (workspace_create(&w, c, workspace_peak(dry), NULL, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    work(w, arg);
    if (workspace_check(w, &err) != STATUS_OK) fail_msg("the run failed: %s", err.text);
    struct workspace_size planned = workspace_peak(dry), taken = workspace_peak(w);
    assert_memory_equal(&taken, &planned, sizeof taken);
    workspace_destroy(w);
    workspace_destroy(dry);
}

void each_kernels(int threads, void (*test)(struct compute *c)) {
    each_kernels_at(PRECISION_FLOAT32, threads, test);
}

static void with_device(const struct compute_options *options, void (*test)(struct compute *c)) {
    struct compute *c;
    struct error err;
    enum status s = compute_create(&c, options, &err);
    if (s == STATUS_INVALID && options->kernels) {
        print_message("skipped: %s\n", err.text);
        return;
    }
    if (s != STATUS_OK) fail_msg("%s", err.text);
    if (options->kernels) assert_string_equal(compute_kernels(c), options->kernels);
    assert_int_equal(compute_threads(c), options->threads);
    restart_random();
    test(c);
    assert_int_equal(compute_weight_bytes(c), 0);
    compute_destroy(c);
}

void each_kernels_at(enum precision precision, int threads, void (*test)(struct compute *c)) {
    static const char *const names[] = {"generic", "avx2", "avx512", "avx512-vnni", "avx512-bf16"};
    struct compute_options options = {
        .device = test_device(), .threads = threads, .precisions = precision};
    if (test_device_is_cuda()) {
        with_device(&options, test);
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        options.kernels = names[i];
        with_device(&options, test);
    }
}

bool multiplies_bf16(const struct compute *c) {
    return strcmp(compute_kernels(c), "avx512-bf16") == 0;
}

bool scores_are_int8(const struct compute *c) {
    return strcmp(compute_device(c), "cpu") == 0;
}

int int8_column_floats(const struct compute *c) {
    return strcmp(compute_device(c), "cpu") == 0 ? 3 : 2;
}

int int8_max(const struct compute *c) {
    const char *name = compute_kernels(c);
    return strcmp(name, "avx2") == 0 || strcmp(name, "avx512") == 0 ? 64 : 127;
}

struct tensor tensor_from(struct workspace *w, const float *x, int64_t rows, int64_t cols) {
    struct tensor t = tensor_take(w, rows, cols);
    tensor_upload(w, t, x);
    return t;
}
