/*
 * What all backends share: the arena, views, packed vectors, and the step from an operation to the
 * backend's function for it.  In a dry workspace that step only counts the scratch.
 */
#include "compute/compute.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compute/backend.h"

enum { ALIGNMENT = 64 }; /* a cache line, and the widest vector */

/* All that an x86 or ARM process can address.  A plan of more is refused, and below it no sum or
 * product of sizes that a backend makes (none is more than some hundred times a tensor's) can
 * overflow. */
static const size_t MOST_BYTES = (size_t)1 << 47;

void compute_destroy(struct compute *c) {
    if (c) c->backend->destroy(c);
}

const char *compute_device(const struct compute *c) {
    return c->backend->device;
}

const char *compute_kernels(const struct compute *c) {
    return c->kernels;
}

int compute_threads(const struct compute *c) {
    return c->threads;
}

bool compute_is_plan_only(const struct compute *c) {
    return c->plan_only;
}

uint64_t compute_weight_bytes(const struct compute *c) {
    return atomic_load(&((struct compute *)c)->weight_bytes);
}

/* ---- weights ---- */

static enum status pack_linear(struct compute *c, struct workspace *into, struct linear **out,
                               const struct matrix *parts, size_t count, const float *bias,
                               enum precision coarsest, struct error *err) {
    *out = NULL;
    for (size_t i = 0; i < count; i++)
        if (parts[i].rows < 1 || parts[i].cols < 1 || parts[i].cols != parts[0].cols)
            return fail(
                err, STATUS_INVALID, "cannot pack a [%lld, %lld] matrix with one of %lld columns",
                (long long)parts[i].rows, (long long)parts[i].cols, (long long)parts[0].cols);
    if (count == 0) return fail(err, STATUS_INVALID, "a layer without weights");
    return c->backend->pack_linear(c, into, out, parts, count, bias, coarsest, err);
}

enum status compute_pack_linear(struct compute *c, struct linear **out, const struct matrix *parts,
                                size_t count, const float *bias, enum precision coarsest,
                                struct error *err) {
    enum status s = pack_linear(c, NULL, out, parts, count, bias, coarsest, err);
    if (s == STATUS_OK) atomic_fetch_add(&c->weight_bytes, (*out)->bytes);
    return s;
}

enum status workspace_pack_linear(struct workspace *w, struct linear **out,
                                  const struct matrix *parts, size_t count, const float *bias,
                                  enum precision coarsest, struct error *err) {
    *out = NULL;
    enum status s = workspace_check(w, err);
    if (s == STATUS_OK) s = pack_linear(w->compute, w, out, parts, count, bias, coarsest, err);
    if (s == STATUS_OK) s = workspace_check(w, err);
    if (s == STATUS_OK) return s;
    linear_destroy(*out);
    *out = NULL;
    return s;
}

enum status compute_pack_conv(struct compute *c, struct conv **out, const float *weight,
                              const float *bias, int64_t out_channels, int64_t in_channels,
                              int size, struct error *err) {
    *out = NULL;
    if (out_channels < 1 || in_channels < 1 || (size != 1 && size != 3))
        return fail(err, STATUS_INVALID, "cannot pack a [%lld, %lld, %d, %d] convolution",
                    (long long)out_channels, (long long)in_channels, size, size);
    enum status s =
        c->backend->pack_conv(c, out, weight, bias, out_channels, in_channels, size, err);
    if (s == STATUS_OK) atomic_fetch_add(&c->weight_bytes, (*out)->bytes);
    return s;
}

static enum status pack_vector(struct compute *c, struct workspace *into, struct vector **out,
                               const float *data, int64_t n, struct error *err) {
    size_t bytes = (size_t)n * sizeof(float);
    bool numbers = !c->plan_only && !(into && into->dry);
    *out = NULL;
    struct vector *v = malloc(sizeof *v);
    float *copy = NULL;
    if (v && into)
        copy = workspace_take(into, bytes);
    else if (v && numbers)
        copy = c->backend->allocate(c, bytes);
    if (!v || (!copy && numbers)) {
        free(v);
        return fail(err, STATUS_NO_MEMORY, "no memory for a weight vector of %lld numbers",
                    (long long)n);
    }
    *v = (struct vector){c, n, copy, into != NULL};
    struct workspace upload = {.compute = c};
    if (copy) c->backend->upload(&upload, (struct tensor){copy, 1, n, n}, data);
    *out = v;
    return STATUS_OK;
}

enum status compute_pack_vector(struct compute *c, struct vector **out, const float *data,
                                int64_t n, struct error *err) {
    enum status s = pack_vector(c, NULL, out, data, n, err);
    if (s == STATUS_OK) atomic_fetch_add(&c->weight_bytes, (uint64_t)n * sizeof(float));
    return s;
}

enum status workspace_pack_vector(struct workspace *w, struct vector **out, const float *data,
                                  int64_t n, struct error *err) {
    *out = NULL;
    enum status s = workspace_check(w, err);
    return s == STATUS_OK ? pack_vector(w->compute, w, out, data, n, err) : s;
}

void linear_destroy(struct linear *l) {
    if (!l) return;
    if (!l->in_workspace) atomic_fetch_sub(&l->compute->weight_bytes, l->bytes);
    l->compute->backend->linear_destroy(l);
}

void conv_destroy(struct conv *v) {
    if (!v) return;
    atomic_fetch_sub(&v->compute->weight_bytes, v->bytes);
    v->compute->backend->conv_destroy(v);
}

void vector_destroy(struct vector *v) {
    if (!v) return;
    size_t bytes = (size_t)v->n * sizeof(float);
    if (!v->in_workspace) {
        atomic_fetch_sub(&v->compute->weight_bytes, bytes);
        v->compute->backend->release(v->compute, v->data, bytes);
    }
    free(v);
}

int64_t linear_out_features(const struct linear *l) {
    return l->out_features;
}

int64_t linear_in_features(const struct linear *l) {
    return l->in_features;
}

/* ---- workspaces ---- */

enum status workspace_create_dry(struct workspace **out, struct compute *c, struct error *err) {
    *out = calloc(1, sizeof **out);
    if (!*out) return fail(err, STATUS_NO_MEMORY, "no memory to plan an edit");
    **out = (struct workspace){.compute = c, .dry = true, .size = MOST_BYTES};
    return STATUS_OK;
}

/* Counts `bytes` for one more workspace, unless the limit forbids them; then *left is what it
 * leaves. */
static bool count_workspace(struct compute *c, size_t bytes, uint64_t *left) {
    uint64_t weights = atomic_load(&c->weight_bytes), before = atomic_load(&c->workspace_bytes);
    do {
        uint64_t held = weights + before;
        *left = c->memory_limit > held ? c->memory_limit - held : 0;
        if (bytes > *left) return false;
    } while (!atomic_compare_exchange_weak(&c->workspace_bytes, &before, before + bytes));
    return true;
}

enum status workspace_create(struct workspace **out, struct compute *c, size_t bytes,
                             bool (*cancelled)(void *arg), void *arg, struct error *err) {
    uint64_t left;
    *out = NULL;
    if (c->plan_only) return fail(err, STATUS_INTERNAL, "this model was opened for planning only");
    if (!count_workspace(c, bytes, &left))
        return fail(err, STATUS_NO_MEMORY,
                    "this edit needs %.1f MB of working memory, but weights and other edits leave "
                    "%.1f MB of the memory limit; ask for a smaller size, try again when other "
                    "edits have ended, or raise MEMORY_LIMIT",
                    (double)bytes / 1e6, (double)left / 1e6);
    struct workspace *w = calloc(1, sizeof *w);
    char *memory = w ? c->backend->reserve(c, bytes) : NULL;
    if (!memory) {
        atomic_fetch_sub(&c->workspace_bytes, bytes);
        free(w);
        return fail(err, STATUS_NO_MEMORY,
                    "this edit needs %.1f MB of working memory, which is not free; ask for a "
                    "smaller size, or try "
                    "again when other edits have ended",
                    (double)bytes / 1e6);
    }
    *w = (struct workspace){
        .compute = c, .memory = memory, .size = bytes, .cancelled = cancelled, .arg = arg};
    *out = w;
    return STATUS_OK;
}

enum status workspace_create_part(struct workspace **out, struct workspace *of, size_t bytes,
                                  struct error *err) {
    *out = NULL;
    char *memory = workspace_take(of, bytes);
    enum status s = workspace_check(of, err);
    if (s != STATUS_OK) return s;
    struct workspace *w = calloc(1, sizeof *w);
    if (!w) return fail(err, STATUS_NO_MEMORY, "no memory for a part of an edit's memory");
    *w = (struct workspace){
        .compute = of->compute, .memory = memory, .size = bytes, .dry = of->dry, .part = true};
    *out = w;
    return STATUS_OK;
}

void workspace_destroy(struct workspace *w) {
    if (!w) return;
    if (w->memory && !w->part) {
        w->compute->backend->release(w->compute, w->memory, w->size);
        atomic_fetch_sub(&w->compute->workspace_bytes, w->size);
    }
    free(w);
}

size_t workspace_peak(const struct workspace *w) {
    return w->peak;
}

size_t workspace_recent_peak(struct workspace *w) {
    size_t recent = w->recent;
    w->recent = w->used;
    return recent;
}

bool workspace_is_dry(const struct workspace *w) {
    return w->dry;
}

enum status workspace_check(struct workspace *w, struct error *err) {
    if (w->cancelled && w->cancelled(w->arg))
        return fail(err, STATUS_CANCELLED, "the edit was cancelled");
    if (w->failed != STATUS_OK)
        return fail(err, w->failed, "%s", w->why ? w->why : "the device failed while editing");
    return STATUS_OK;
}

const struct operation_cost *workspace_costs(const struct workspace *w) {
    return w->costs;
}

double workspace_flops(const struct workspace *w) {
    double flops = 0;
    for (int i = 0; i < OPERATIONS; i++) flops += w->costs[i].flops;
    return flops;
}

static void give_up(struct workspace *w, enum status failed, const char *why) {
    if (w->failed != STATUS_OK) return;
    w->failed = failed;
    w->why = why;
}

size_t workspace_mark(const struct workspace *w) {
    return w->used;
}

void workspace_release(struct workspace *w, size_t mark) {
    w->used = mark;
}

/* A real run takes exactly what its dry run took; should the two ever differ, nothing more is
 * computed and the run fails at its next check. */
void *workspace_take(struct workspace *w, size_t bytes) {
    if (w->failed != STATUS_OK) return NULL;
    size_t room = w->size - w->used;
    if (bytes <= room) bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (bytes > room) {
        if (w->dry)
            give_up(w, STATUS_NO_MEMORY, "this edit needs more memory than any machine has");
        else
            give_up(w, STATUS_INTERNAL, "an edit took more memory than was planned for it");
        return NULL;
    }
    void *memory = w->dry ? NULL : w->memory + w->used;
    w->used += bytes;
    if (w->used > w->peak) w->peak = w->used;
    if (w->used > w->recent) w->recent = w->used;
    return memory;
}

/* ---- tensors ---- */

/* a * b, or -1 where a size is negative or the product more than MOST_BYTES. */
static int64_t product_of_sizes(int64_t a, int64_t b) {
    int64_t n;
    if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &n) || n > (int64_t)MOST_BYTES) return -1;
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

/* Whether an operation is to be run: not in a dry workspace, not after a failure. */
static bool live(const struct workspace *w) {
    return !w->dry && w->failed == STATUS_OK;
}

void tensor_upload(struct workspace *w, struct tensor out, const float *in) {
    if (live(w)) w->compute->backend->upload(w, out, in);
}

void tensor_download(struct workspace *w, float *out, struct tensor in) {
    if (live(w)) w->compute->backend->download(w, out, in);
}

/* ---- operations: each first checks that its tensors belong together, so that no kernel can read
 * or write past one ---- */

/* Whether to go on: not after a failure, nor when the shapes do not `fit`. */
static bool sound(struct workspace *w, bool fit) {
    if (!fit) give_up(w, STATUS_INTERNAL, "a network's tensors do not fit together");
    return w->failed == STATUS_OK;
}

static bool same_shape(struct tensor a, struct tensor b) {
    return a.rows == b.rows && a.cols == b.cols;
}

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double bytes_of(struct tensor t) {
    return (double)t.rows * (double)t.cols * sizeof(float);
}

/* Counts an operation, and does `work` unless the workspace is dry. */
#define RUN(w, operation, more_flops, more_bytes, work)                                            \
    do {                                                                                           \
        struct operation_cost *cost = &(w)->costs[operation];                                      \
        double started = seconds_now();                                                            \
        if (live(w)) work;                                                                         \
        cost->seconds += live(w) ? seconds_now() - started : 0;                                    \
        cost->flops += (more_flops);                                                               \
        cost->bytes += (more_bytes);                                                               \
    } while (0)

void op_linear(struct workspace *w, struct tensor out, struct tensor in, const struct linear *l,
               const struct epilogue *e) {
    static const struct epilogue none;
    const struct backend *b = w->compute->backend;
    if (!e) e = &none;
    if (!sound(w, in.cols == l->in_features && out.cols == l->out_features && out.rows == in.rows &&
                      (!e->residual || same_shape(*e->residual, out))))
        return;
    size_t mark = workspace_mark(w);
    void *scratch = workspace_take(w, b->linear_scratch(w->compute, out, in, l));
    RUN(w, OPERATION_LINEAR,
        2.0 * (double)in.rows * (double)l->in_features * (double)l->out_features,
        bytes_of(in) + (e->residual ? 2 : 1) * bytes_of(out) + (double)l->bytes,
        b->linear(w, scratch, out, in, l, e));
    workspace_release(w, mark);
}

void op_rms_norm(struct workspace *w, struct tensor out, struct tensor in,
                 const struct vector *weight, float eps) {
    if (sound(w, same_shape(out, in) && weight->n == in.cols))
        RUN(w, OPERATION_NORM, 0, 2 * bytes_of(in),
            w->compute->backend->rms_norm(w, out, in, weight->data, eps));
}

void op_layer_norm_modulate(struct workspace *w, struct tensor out, struct tensor in,
                            const float *scale, const float *shift, float eps) {
    if (sound(w, same_shape(out, in)))
        RUN(w, OPERATION_NORM, 0, 2 * bytes_of(in),
            w->compute->backend->layer_norm_modulate(w, out, in, scale, shift, eps));
}

void op_channel_norm(struct workspace *w, struct tensor out, struct tensor in,
                     const struct vector *gamma, bool silu) {
    if (sound(w, same_shape(out, in) && gamma->n == in.cols))
        RUN(w, OPERATION_NORM, 0, 2 * bytes_of(in),
            w->compute->backend->channel_norm(w, out, in, gamma->data, silu));
}

void op_copy(struct workspace *w, struct tensor out, struct tensor in) {
    if (sound(w, same_shape(out, in)))
        RUN(w, OPERATION_ELEMENTWISE, 0, 2 * bytes_of(in), w->compute->backend->copy(w, out, in));
}

void op_silu(struct workspace *w, struct tensor out, struct tensor in) {
    if (sound(w, same_shape(out, in)))
        RUN(w, OPERATION_ELEMENTWISE, 0, 2 * bytes_of(in), w->compute->backend->silu(w, out, in));
}

void op_silu_mul(struct workspace *w, struct tensor out, struct tensor gate, struct tensor up) {
    if (sound(w, same_shape(out, gate) && same_shape(out, up)))
        RUN(w, OPERATION_ELEMENTWISE, 0, 3 * bytes_of(out),
            w->compute->backend->silu_mul(w, out, gate, up));
}

void op_norm_rotary(struct workspace *w, struct tensor x, int64_t head_dim,
                    const struct vector *norm, float eps, struct tensor angles,
                    enum rotary_pairs pairs) {
    bool fit = head_dim > 0 && head_dim % 2 == 0 && x.cols % head_dim == 0 &&
               (!norm || norm->n == head_dim) && angles.rows >= x.rows && angles.cols >= head_dim;
    if (sound(w, fit))
        RUN(w, OPERATION_ROTARY, 0, 2 * bytes_of(x),
            w->compute->backend->norm_rotary(w, x, head_dim, norm ? norm->data : NULL, eps, angles,
                                             pairs));
}

/* Every query must see at least one key: the softmax of nothing is not a number. */
static bool attention_fits(struct tensor out, struct tensor q, struct tensor k, struct tensor v,
                           const struct attention *a) {
    if (a->heads < 1 || a->kv_heads < 1 || a->head_dim < 1 || a->heads % a->kv_heads != 0)
        return false;
    if (q.cols % a->heads != 0 || q.cols / a->heads != a->head_dim) return false;
    if (k.cols % a->kv_heads != 0 || k.cols / a->kv_heads != a->head_dim) return false;
    if (!same_shape(out, q) || !same_shape(k, v) || (q.rows > 0 && k.rows < 1)) return false;
    if (!a->segments) return !a->causal || q.rows <= k.rows;
    for (size_t i = 0; i < a->segment_count; i++)
        if (a->segments[i] > a->segments[i + 1]) return false;
    return !a->causal && q.rows == k.rows && a->segments[0] == 0 &&
           a->segments[a->segment_count] == q.rows;
}

/* Scores and weighted values of the pairs that see each other. */
static double attention_flops(int64_t queries, int64_t keys, const struct attention *a) {
    double pairs = (double)queries * (double)keys;
    if (a->causal) pairs -= (double)queries * (double)(queries - 1) / 2;
    if (a->segments) {
        pairs = 0;
        for (size_t i = 0; i < a->segment_count; i++) {
            double rows = (double)(a->segments[i + 1] - a->segments[i]);
            pairs += rows * rows;
        }
    }
    return 4.0 * pairs * (double)(a->heads * a->head_dim);
}

void op_attention(struct workspace *w, struct tensor out, struct tensor q, struct tensor k,
                  struct tensor v, const struct attention *a) {
    const struct backend *b = w->compute->backend;
    if (!sound(w, attention_fits(out, q, k, v, a))) return;
    size_t mark = workspace_mark(w);
    void *scratch = workspace_take(w, b->attention_scratch(w->compute, q, k, a));
    RUN(w, OPERATION_ATTENTION, attention_flops(q.rows, k.rows, a),
        2 * bytes_of(q) + bytes_of(k) + bytes_of(v), b->attention(w, scratch, out, q, k, v, a));
    workspace_release(w, mark);
}

static bool conv_fits(struct feature_map out, struct feature_map in, const struct conv *v,
                      const struct conv_options *o) {
    return in.t.cols == v->in_channels && out.t.cols == v->out_channels &&
           in.t.rows == in.height * in.width && out.t.rows == out.height * out.width &&
           (o->stride == 1 || o->stride == 2) &&
           (!o->upsample || (v->size == 3 && o->stride == 1 && o->pad_left == 1 &&
                             (o->pad_top == 1 || o->pad_top == -1))) &&
           (!o->residual || same_shape(*o->residual, out.t));
}

void op_conv(struct workspace *w, struct feature_map out, struct feature_map in,
             const struct conv *v, const struct conv_options *o) {
    const struct backend *b = w->compute->backend;
    if (!sound(w, conv_fits(out, in, v, o))) return;
    size_t mark = workspace_mark(w);
    void *scratch = workspace_take(w, b->conv_scratch(w->compute, out, in, v, o));
    double taps = (double)v->size * (double)v->size * (double)v->in_channels;
    RUN(w, OPERATION_CONV, 2.0 * (double)out.t.rows * taps * (double)v->out_channels,
        bytes_of(in.t) + (o->residual ? 2 : 1) * bytes_of(out.t) + (double)v->bytes,
        b->conv(w, scratch, out, in, v, o));
    workspace_release(w, mark);
}
