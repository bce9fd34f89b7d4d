/*
 * Each bench opens the engine, runs whole edits of a picture that it makes itself, and prints what
 * the library counted; nothing is timed here but loading.
 */
#include "cli/bench_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "image/quality.h"

static double peak_resident_mb(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss * 1024 / 1e6;
}

/* Smooth colours with a few edges: something for every layer to look at, the same everywhere. */
static enum status make_picture(struct picture *p, int side, struct error *err) {
    *p = (struct picture){side, side, malloc((size_t)side * (size_t)side * 3)};
    if (!p->rgb) return fail(err, STATUS_NO_MEMORY, "no memory for a picture");
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            uint8_t *pixel = p->rgb + ((size_t)y * (size_t)side + (size_t)x) * 3;
            pixel[0] = (uint8_t)(x * 255 / side);
            pixel[1] = (uint8_t)(y * 255 / side);
            pixel[2] = (uint8_t)((x / 32 + y / 32) % 2 * 128 + 64);
        }
    return STATUS_OK;
}

/* ---- running ---- */

struct bench_run {
    struct firered *engine;
    struct firered_info info;
    double load_seconds;
    uint64_t planned; /* bytes of working memory */
    struct firered_result result;
};

/* kernels: NULL for the ones that fit. */
static enum status run_open(struct bench_run *run, const struct bench_request *r,
                            enum firered_dtype dtype, const char *kernels, struct error *err) {
    *run = (struct bench_run){0};
    struct firered_options options = {.model = r->folder,
                                      .device = r->config->device,
                                      .dtype = dtype,
                                      .threads = r->config->threads,
                                      .kernels = kernels,
                                      .memory_limit = r->config->memory_limit,
                                      .device_memory = r->config->device_memory};
    double start = clock_now_seconds();
    enum status s = firered_open(&run->engine, &options, err);
    run->load_seconds = clock_now_seconds() - start;
    if (s == STATUS_OK) firered_describe(run->engine, &run->info);
    return s;
}

static enum status run_edit(struct bench_run *run, const struct bench_request *r,
                            struct error *err) {
    struct picture picture = {0};
    struct firered_edit edit = {.pictures = &picture,
                                .picture_count = 1,
                                .prompt = "make it night",
                                .steps = r->steps,
                                .guidance_scale = r->guidance_scale,
                                .width = r->side,
                                .height = r->side};
    int width, height;
    picture_free(&run->result.picture);
    enum status s = make_picture(&picture, r->side, err);
    if (s == STATUS_OK)
        s = firered_edit_plan(run->engine, &edit, &width, &height, &run->planned, err);
    if (s == STATUS_OK) s = firered_edit_run(run->engine, &edit, &run->result, err);
    picture_free(&picture);
    return s;
}

static void run_close(struct bench_run *run) {
    picture_free(&run->result.picture);
    firered_close(run->engine);
    *run = (struct bench_run){0};
}

/* ---- one edit ---- */

static void print_cost(const char *name, const struct firered_cost *c) {
    printf("%-17s %9.3f %10.1f %9.1f %9.2f", name, c->seconds, c->flops / 1e9,
           c->flops / c->seconds / 1e9, c->bytes / 1e9);
    if (c->memory) printf(" %10.1f", (double)c->memory / 1e6);
    printf("\n");
}

/* What an operation's line leaves out: what a phase does between its operations. */
static void print_operations(const struct firered_cost *phase,
                             const struct firered_cost operations[FIRERED_OPERATIONS]) {
    static const char *const names[] = {"  linear", "  attention",   "  convolution", "  norm",
                                        "  rotary", "  elementwise", "  transfer"};
    double rest = phase->seconds;
    for (int i = 0; i < FIRERED_OPERATIONS; i++) {
        if (operations[i].seconds > 0) print_cost(names[i], &operations[i]);
        rest -= operations[i].seconds;
    }
    printf("%-17s %9.3f\n", "  outside of them", rest);
}

static void report(const struct bench_run *run, bool profile) {
    static const char *const names[] = {"vision tower", "language model", "VAE encode", "denoise",
                                        "VAE decode"};
    const struct firered_info *info = &run->info;
    const struct firered_result *r = &run->result;
    struct firered_cost all = {0};
    printf("%s, %s, %s kernels, %d threads; %dx%d, %d steps, guidance %g\n", info->model,
           info->dtype, info->kernels, info->threads, r->picture.width, r->picture.height, r->steps,
           r->guidance_scale);
    printf("%-17s %9s %10s %9s %9s %10s\n", "phase", "seconds", "GFLOP", "GFLOP/s", "GB moved",
           "MB in use");
    printf("%-17s %9.3f\n", "load", run->load_seconds);
    for (int i = 0; i < FIRERED_PHASES; i++) {
        const struct firered_cost *c = &r->phases[i];
        print_cost(names[i], c);
        if (profile) print_operations(c, r->operations[i]);
        all.seconds += c->seconds;
        all.flops += c->flops;
        all.bytes += c->bytes;
        if (c->memory > all.memory) all.memory = c->memory;
    }
    print_cost("edit", &all);
    printf("%-17s %9.3f\n", "... of a step", r->phases[FIRERED_PHASE_DENOISE].seconds / r->steps);
    printf("weights %.1f MB, working memory %.1f MB, peak resident %.1f MB\n",
           (double)info->weight_bytes / 1e6, (double)run->planned / 1e6, peak_resident_mb());
}

enum status bench_phases(const struct bench_request *r, bool profile, struct error *err) {
    struct bench_run run;
    enum status s = run_open(&run, r, r->config->dtype, NULL, err);
    if (s == STATUS_OK) s = run_edit(&run, r, err);
    if (s == STATUS_OK) report(&run, profile);
    run_close(&run);
    return s;
}

/* ---- growth ---- */

enum status bench_growth(const struct bench_request *r, struct error *err) {
    struct bench_run run;
    struct firered_cost cost[2];
    struct bench_request at = *r;
    enum status s = run_open(&run, r, r->config->dtype, NULL, err);
    for (int i = 0; i < 2 && s == STATUS_OK; i++, at.side *= 2) {
        s = run_edit(&run, &at, err);
        if (s != STATUS_OK) break;
        cost[i] = run.result.phases[FIRERED_PHASE_DENOISE];
        if (i == 0)
            printf("%s, %s, %s kernels, %d threads\n%-12s %12s %14s %9s\n", run.info.model,
                   run.info.dtype, run.info.kernels, run.info.threads, "side", "s per step",
                   "GFLOP per step", "GFLOP/s");
        printf("%-12d %12.3f %14.1f %9.1f\n", at.side, cost[i].seconds / r->steps,
               cost[i].flops / r->steps / 1e9, cost[i].flops / cost[i].seconds / 1e9);
    }
    if (s == STATUS_OK) {
        double time = cost[1].seconds / cost[0].seconds, flops = cost[1].flops / cost[0].flops;
        printf("time grows %.2f times, operations %.2f times: %.2f of them\n", time, flops,
               time / flops);
    }
    run_close(&run);
    return s;
}

/* ---- dtypes ---- */

/* Float32 products with bfloat16's noise: what dtype bfloat16 is on the kernels that float32
 * chooses.  Weights stored in 16 bits lose nothing by it. */
static enum status find_float32_kernels(char **name, const struct bench_request *r,
                                        struct error *err) {
    struct bench_run run;
    *name = NULL;
    enum status s = run_open(&run, r, FIRERED_DTYPE_FLOAT32, NULL, err);
    if (s == STATUS_OK && !(*name = strdup(run.info.kernels)))
        s = fail(err, STATUS_NO_MEMORY, "no memory to choose kernels");
    run_close(&run);
    return s;
}

enum status bench_dtypes(const struct bench_request *r, struct error *err) {
    static const struct {
        const char *name;
        enum firered_dtype dtype;
    } tiers[] = {{"float32", FIRERED_DTYPE_BFLOAT16},
                 {"bfloat16", FIRERED_DTYPE_BFLOAT16},
                 {"int8", FIRERED_DTYPE_INT8}};
    struct picture first = {0};
    char *float32_kernels;
    enum status s = find_float32_kernels(&float32_kernels, r, err);
    for (int i = 0; i < 3 && s == STATUS_OK; i++) {
        struct bench_run run;
        s = run_open(&run, r, tiers[i].dtype, i == 0 ? float32_kernels : NULL, err);
        if (s == STATUS_OK) s = run_edit(&run, r, err);
        if (s == STATUS_OK && i == 0)
            printf("%s, %d threads; %dx%d, %d steps, guidance %g\n%-10s %-12s %12s %11s %14s\n",
                   run.info.model, run.info.threads, run.result.picture.width,
                   run.result.picture.height, run.result.steps, run.result.guidance_scale,
                   "products", "kernels", "s per step", "weights MB", "PSNR, float32");
        if (s == STATUS_OK)
            printf("%-10s %-12s %12.3f %11.1f", tiers[i].name, run.info.kernels,
                   run.result.phases[FIRERED_PHASE_DENOISE].seconds / run.result.steps,
                   (double)run.info.weight_bytes / 1e6);
        if (s == STATUS_OK && i > 0)
            printf(" %11.1f dB", picture_psnr(&run.result.picture, &first));
        if (s == STATUS_OK) printf("\n");
        if (i == 0) {
            first = run.result.picture;
            run.result.picture = (struct picture){0};
        }
        run_close(&run);
    }
    picture_free(&first);
    free(float32_kernels);
    return s;
}
