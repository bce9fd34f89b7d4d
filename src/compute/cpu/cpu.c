/*
 * The CPU backend: host memory, a thread pool, and one kernel table.
 */
#include "compute/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "compute/cpu/conv.h"
#include "compute/device.h"

static void destroy(struct compute *c) {
    pool_destroy(cpu_of(c)->pool);
    guard_destroy(cpu_of(c)->guard);
    pthread_mutex_destroy(&cpu_of(c)->reserving);
    weight_memory_destroy(&c->weights);
    free(c);
}

static enum status begin(struct workspace *w, struct error *err) {
    (void)w;
    (void)err;
    return STATUS_OK;
}

static void end(struct workspace *w) {
    (void)w; /* whatever was asked for is done */
}

static uint64_t fence(struct workspace *w) {
    (void)w;
    return 0; /* there is nothing to wait for */
}

static void after(struct workspace *w, uint64_t number) {
    (void)w;
    (void)number;
}

void cpu_upload(struct workspace *w, struct tensor out, const float *in) {
    const struct kernels *k = cpu_of(w->compute)->kernels;
    for (int64_t r = 0; r < out.rows; r++) cpu_write(k, out, r, 0, in + r * out.cols, out.cols);
}

void cpu_upload_rows(struct workspace *w, struct tensor out, const struct matrix *table,
                     const int32_t *rows) {
    enum { STEP = 1024 };
    const struct kernels *k = cpu_of(w->compute)->kernels;
    int64_t step = out.type == DTYPE_F32 ? out.cols : STEP;
    float buffer[STEP];
    for (int64_t r = 0; r < out.rows; r++)
        for (int64_t i = 0; i < out.cols; i += step) {
            int64_t n = min_of(step, out.cols - i);
            float *to = cpu_place(out, r, i, buffer);
            cpu_read_matrix(to, table, rows[r], i, n);
            cpu_store(k, out, r, i, to, n);
        }
}

void cpu_download(struct workspace *w, float *out, struct tensor in) {
    (void)w;
    for (int64_t r = 0; r < in.rows; r++)
        if (in.type == DTYPE_F32)
            memcpy(out + r * in.cols, cpu_row(in, r), (size_t)in.cols * sizeof *out);
        else
            cpu_floats(in, r, 0, in.cols, out + r * in.cols);
}

/* What is asked for is done when its function returns, so the host's clock is the device's, too. */
static void clock_start(struct workspace *w, enum operation kind) {
    w->timed = kind;
    w->started = clock_now_seconds();
}

static void clock_stop(struct workspace *w) {
    if (w->timed == OPERATION_TRANSFER) return; /* there is none: the memory is the host's */
    if (workspace_is_live(w)) w->costs[w->timed].seconds += clock_now_seconds() - w->started;
}

static void wait_for_nothing(struct workspace *w) {
    (void)w;
}

#define OPERATION_ENTRY(NAME, KIND, ...) .NAME = cpu_##NAME,

/* clang-format off */
static const struct backend cpu_backend = {
    .device = "cpu",
    .memory_is_host = true,
    .memory = cpu_device_memory,
    .destroy = destroy,
    .allocate = cpu_allocate,
    .reserve = cpu_reserve,
    .release = cpu_release,
    .spoil = cpu_spoil,
    .reserve_host = cpu_reserve_host,
    .release_host = cpu_release_host,
    .begin = begin,
    .end = end,
    .fence = fence,
    .after = after,
    .clock_start = clock_start,
    .clock_stop = clock_stop,
    .wait = wait_for_nothing,
    .pack_linear = cpu_pack_linear,
    .pack_conv = cpu_pack_conv,
    .linear_destroy = cpu_linear_destroy,
    .conv_destroy = cpu_conv_destroy,
    .linear_scratch = cpu_linear_scratch,
    .attention_scratch = cpu_attention_scratch,
    .conv_scratch = cpu_conv_scratch,
    .rows_scratch = cpu_rows_scratch,
    OPERATIONS(OPERATION_ENTRY)
};
/* clang-format on */

enum status cpu_probe(int index, struct error *what) {
    if (index > 0)
        return fail(what, STATUS_INVALID, "there is one device cpu, not %d; use cpu", index + 1);
    *what = (struct error){"this machine's processor"};
    return STATUS_OK;
}

/* The kernels that were asked for by name, here or in the environment, else the best ones. */
static const struct kernels *find_kernels(const struct compute_options *options,
                                          struct error *err) {
    const char *name = options->kernels ? options->kernels : getenv("FIRERED_KERNELS");
    if (name && !*name) name = NULL;
    const struct kernels *kernels = kernels_choose(name, options->precisions);
    if (!kernels) fail(err, STATUS_INVALID, "this CPU has no \"%s\" kernels", name);
    return kernels;
}

static bool is_guarded(const struct compute_options *options) {
    const char *guard = getenv("FIRERED_GUARD");
    return options->guard || (guard && strcmp(guard, "1") == 0);
}

enum status cpu_create(struct compute **out, int index, const struct compute_options *options,
                       struct error *err) {
    (void)index;
    *out = NULL;
    const struct kernels *kernels = find_kernels(options, err);
    if (!kernels) return STATUS_INVALID;
    struct cpu *cpu = calloc(1, sizeof *cpu);
    if (!cpu) return fail(err, STATUS_NO_MEMORY, "no memory to start");
    enum status s = pool_create(&cpu->pool, options->threads, err);
    if (s == STATUS_OK && is_guarded(options)) s = guard_create(&cpu->guard, err);
    if (s != STATUS_OK) {
        pool_destroy(cpu->pool);
        free(cpu);
        return s;
    }
    pthread_mutex_init(&cpu->reserving, NULL);
    weight_memory_init(&cpu->base.weights, options->weight_bytes);
    cpu->kernels = kernels;
    cpu->base.backend = &cpu_backend;
    cpu->base.kernels = kernels->name;
    cpu->base.threads = pool_threads(cpu->pool);
    cpu->base.precisions = options->precisions | PRECISION_FLOAT32;
    cpu->base.conv_tile = CONV_TILE;
    cpu->base.plan_only = options->plan_only;
    cpu->base.alignment = (struct alignment){.piece = 64, .row = sizeof(float)};
    if (cpu->guard) { /* as on a GPU */
        cpu->base.guarded = true;
        cpu->base.entry = guard_entry(cpu->guard);
        cpu->base.alignment = (struct alignment){.piece = 256, .row = 16};
    }
    cpu->base.memory_limit = options->memory_limit ? options->memory_limit : UINT64_MAX;
    *out = &cpu->base;
    return STATUS_OK;
}
