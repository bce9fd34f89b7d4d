/*
 * firered bench: one edit of a made picture, and where its time and memory went.
 * docs/performance.md is made of these numbers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/model_place.h"
#include "cli/progress.h"
#include "config/options.h"
#include "firered.h"

enum { DEFAULT_SIDE = 512, DEFAULT_STEPS = 4 };

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

static void report(const struct firered *engine, const struct firered_result *r,
                   double load_seconds, uint64_t planned) {
    static const char *const names[] = {"vision tower", "language model", "VAE encode", "denoise",
                                        "VAE decode"};
    struct firered_info info;
    firered_describe(engine, &info);
    double seconds = 0, flops = 0;
    printf("%s, %s, %s kernels, %d threads; %dx%d, %d steps, guidance %g\n", info.model, info.dtype,
           info.kernels, info.threads, r->picture.width, r->picture.height, r->steps,
           r->guidance_scale);
    printf("%-15s %9s %10s %9s\n", "phase", "seconds", "GFLOP", "GFLOP/s");
    printf("%-15s %9.3f\n", "load", load_seconds);
    for (int i = 0; i < FIRERED_PHASES; i++) {
        const struct firered_cost *c = &r->phases[i];
        printf("%-15s %9.3f %10.1f %9.1f\n", names[i], c->seconds, c->flops / 1e9,
               c->flops / c->seconds / 1e9);
        seconds += c->seconds;
        flops += c->flops;
    }
    printf("%-15s %9.3f %10.1f %9.1f\n", "edit", seconds, flops / 1e9, flops / seconds / 1e9);
    printf("%-15s %9.3f\n", "... of a step", r->phases[FIRERED_PHASE_DENOISE].seconds / r->steps);
    printf("weights %.1f MB, working memory %.1f MB, peak resident %.1f MB\n",
           (double)info.weight_bytes / 1e6, (double)planned / 1e6, peak_resident_mb());
}

static enum status measure(const struct config *config, const struct args *args,
                           struct error *err) {
    int side = DEFAULT_SIDE, steps = DEFAULT_STEPS;
    double guidance = 1;
    struct model_place model = {0};
    struct firered *engine = NULL;
    struct picture picture = {0};
    struct firered_result result = {0};
    uint64_t planned = 0;
    enum status s = flag_int(args, "size", SIDE_MIN, SIDE_MAX, &side, err);
    if (s == STATUS_OK) s = flag_steps(args, &steps, err);
    if (s == STATUS_OK) s = flag_guidance(args, &guidance, err);
    if (s == STATUS_OK) s = model_place_find(&model, config, err);
    if (s == STATUS_OK) s = make_picture(&picture, side, err);
    double start = seconds_now();
    struct firered_options options = {.model = model.folder,
                                      .device = config->device,
                                      .dtype = config->dtype,
                                      .threads = config->threads,
                                      .memory_limit = config->memory_limit};
    if (s == STATUS_OK) s = firered_open(&engine, &options, err);
    double load_seconds = seconds_now() - start;
    struct firered_edit edit = {.pictures = &picture,
                                .picture_count = 1,
                                .prompt = "make it night",
                                .steps = steps,
                                .guidance_scale = guidance,
                                .width = side,
                                .height = side};
    int width, height;
    if (s == STATUS_OK) s = firered_edit_plan(engine, &edit, &width, &height, &planned, err);
    if (s == STATUS_OK) s = firered_edit_run(engine, &edit, &result, err);
    if (s == STATUS_OK) report(engine, &result, load_seconds, planned);
    picture_free(&result.picture);
    picture_free(&picture);
    firered_close(engine);
    model_place_free(&model);
    return s;
}

static int bench(const struct config *config, const struct args *args, struct error *err) {
    return measure(config, args, err) == STATUS_OK ? EXIT_OK : EXIT_FAILED;
}

static const struct arg_spec own[] = {
    {"size", "N"}, {"steps", "N"}, {"guidance-scale", "G"}, {NULL, NULL}};

const struct command command_bench = {
    .name = "bench",
    .summary = "measure an edit, phase by phase",
    .help = "usage: firered bench [FLAGS]\n\n"
            "Edits a made picture once and tells what each phase took.\n\n"
            "  --size N              side of the picture, in and out [512]\n"
            "  --steps N             [4]\n"
            "  --guidance-scale G    up to 1: no guidance [1]\n",
    .options = OPTION_MEASURE,
    .own = own,
    .work = bench,
};
