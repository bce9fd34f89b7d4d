/*
 * The CPU backend: host memory, a thread pool, and one kernel table.
 */
#include "compute/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "compute/cpu/conv.h"
#include "compute/device.h"

/* Large blocks come straight from the kernel and go straight back, so that a finished edit's memory
 * is free at once. */
enum { MAP_FROM = 1 << 20 };

uint64_t cpu_allocate(struct compute *c, size_t bytes) {
    (void)c;
    if (bytes < MAP_FROM) {
        void *memory = NULL;
        return posix_memalign(&memory, 64, bytes ? bytes : 64) == 0 ? (uintptr_t)memory : 0;
    }
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 0;
    madvise(memory, bytes, MADV_HUGEPAGE);
    return (uintptr_t)memory;
}

/* What is left for everything else when a workspace takes all that it may. */
static const uint64_t SPARE_BYTES = 64 << 20;
enum { PAGE = 4096, TOUCH = 8 << 20 };

struct touching {
    char *memory;
    size_t bytes;
};

static void touch(void *arg, size_t i, int worker) {
    (void)worker;
    const struct touching *t = arg;
    size_t end = (i + 1) * TOUCH < t->bytes ? (i + 1) * TOUCH : t->bytes;
    for (size_t at = i * TOUCH; at < end; at += PAGE) t->memory[at] = 0;
}

/* The kernel grants memory that it does not have and kills who then touches it.  So: ask what
 * there is, take it, and touch it at once, before another edit asks.  The pages would be touched
 * anyway, only later. */
static uint64_t reserve(struct compute *c, size_t bytes) {
    struct cpu *cpu = cpu_of(c);
    if (bytes < MAP_FROM) return cpu_allocate(c, bytes);
    pthread_mutex_lock(&cpu->reserving);
    uint64_t available = memory_available();
    bool fits = available > SPARE_BYTES && bytes < available - SPARE_BYTES;
    uint64_t address = fits ? cpu_allocate(c, bytes) : 0;
    struct touching t = {cpu_pointer(address), bytes};
    if (address) pool_run(cpu->pool, (bytes + TOUCH - 1) / TOUCH, touch, &t);
    pthread_mutex_unlock(&cpu->reserving);
    return address;
}

void cpu_release(struct compute *c, uint64_t memory, size_t bytes) {
    (void)c;
    if (!memory) return;
    if (bytes < MAP_FROM)
        free(cpu_pointer(memory));
    else
        munmap(cpu_pointer(memory), bytes);
}

static void *reserve_host(struct compute *c, size_t bytes) {
    return cpu_pointer(reserve(c, bytes));
}

static void release_host(struct compute *c, void *memory, size_t bytes) {
    cpu_release(c, (uintptr_t)memory, bytes);
}

static void memory(const struct compute *c, struct device_memory *out) {
    (void)c;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
    out->free = memory_available();
    out->total = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
    out->spare = SPARE_BYTES;
}

static void destroy(struct compute *c) {
    pool_destroy(cpu_of(c)->pool);
    pthread_mutex_destroy(&cpu_of(c)->reserving);
    weight_memory_destroy(&c->weights);
    free(c);
}

static uint64_t fence(struct workspace *w) {
    (void)w;
    return 0; /* whatever was asked for is done */
}

static void after(struct workspace *w, uint64_t number) {
    (void)w;
    (void)number;
}

static void upload(struct workspace *w, struct tensor out, const float *in) {
    (void)w;
    for (int64_t r = 0; r < out.rows; r++)
        memcpy(cpu_row(out, r), in + r * out.cols, (size_t)out.cols * sizeof *in);
}

static void upload_rows(struct workspace *w, struct tensor out, const struct matrix *table,
                        const int32_t *rows) {
    (void)w;
    size_t bytes = dtype_bytes(table->dtype, (size_t)table->cols);
    for (int64_t r = 0; r < out.rows; r++)
        floats_from(cpu_row(out, r), (const char *)table->data + (size_t)rows[r] * bytes,
                    table->dtype, (size_t)out.cols);
}

static void download(struct workspace *w, float *out, struct tensor in) {
    (void)w;
    for (int64_t r = 0; r < in.rows; r++)
        memcpy(out + r * in.cols, cpu_row(in, r), (size_t)in.cols * sizeof *out);
}

/* What is asked for is done when its function returns, so the host's clock is the device's, too. */
static void clock_start(struct workspace *w, enum operation kind) {
    w->timed = kind;
    w->started = clock_now_seconds();
}

static void clock_stop(struct workspace *w) {
    if (workspace_is_live(w)) w->costs[w->timed].seconds += clock_now_seconds() - w->started;
}

static void wait_for_nothing(struct workspace *w) {
    (void)w;
}

static const struct backend cpu_backend = {
    .device = "cpu",
    .memory_is_host = true,
    .memory = memory,
    .destroy = destroy,
    .allocate = cpu_allocate,
    .reserve = reserve,
    .release = cpu_release,
    .reserve_host = reserve_host,
    .release_host = release_host,
    .fence = fence,
    .after = after,
    .upload = upload,
    .upload_rows = upload_rows,
    .download = download,
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
    .linear = cpu_linear,
    .rms_norm = cpu_rms_norm,
    .layer_norm_modulate = cpu_layer_norm_modulate,
    .channel_norm = cpu_channel_norm,
    .copy = cpu_copy,
    .rows_scratch = cpu_rows_scratch,
    .rows = cpu_rows,
    .silu = cpu_silu,
    .silu_mul = cpu_silu_mul,
    .norm_rotary = cpu_norm_rotary,
    .attention = cpu_attention,
    .conv = cpu_conv,
};

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

enum status cpu_create(struct compute **out, int index, const struct compute_options *options,
                       struct error *err) {
    (void)index;
    *out = NULL;
    const struct kernels *kernels = find_kernels(options, err);
    if (!kernels) return STATUS_INVALID;
    struct cpu *cpu = calloc(1, sizeof *cpu);
    if (!cpu) return fail(err, STATUS_NO_MEMORY, "no memory to start");
    enum status s = pool_create(&cpu->pool, options->threads, err);
    if (s != STATUS_OK) {
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
    cpu->base.memory_limit = options->memory_limit ? options->memory_limit : UINT64_MAX;
    *out = &cpu->base;
    return STATUS_OK;
}
