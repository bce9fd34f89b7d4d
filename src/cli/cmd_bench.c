/*
 * firered bench: edits of a made picture, and where their time and memory went.
 * docs/performance.md is made of these figures.
 */
#include "cli/bench_run.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/model_place.h"
#include "config/options.h"

enum { DEFAULT_SIDE = 512, DEFAULT_STEPS = 4 };

static enum status measure(const struct config *config, const struct args *args,
                           struct error *err) {
    struct model_place model = {0};
    bool growth = args_last(args, "growth"), dtypes = args_last(args, "dtypes");
    struct bench_request r = {
        .config = config, .side = DEFAULT_SIDE, .steps = DEFAULT_STEPS, .guidance_scale = 1};
    enum status s = flag_int(args, "size", FIRERED_MIN_SIDE,
                             growth ? FIRERED_MAX_SIDE / 2 : FIRERED_MAX_SIDE, &r.side, err);
    if (s == STATUS_OK) s = flag_steps(args, &r.steps, err);
    if (s == STATUS_OK) s = flag_guidance(args, &r.guidance_scale, err);
    if (s == STATUS_OK) s = model_place_find(&model, config, err);
    r.folder = model.folder;
    if (s == STATUS_OK)
        s = growth   ? bench_growth(&r, err)
            : dtypes ? bench_dtypes(&r, err)
                     : bench_phases(&r, args_last(args, "profile"), err);
    model_place_free(&model);
    return s;
}

static int bench(const struct config *config, const struct args *args, struct error *err) {
    return measure(config, args, err) == STATUS_OK ? EXIT_OK : EXIT_FAILED;
}

static const struct arg_spec own[] = {{"size", "N"},     {"steps", "N"},   {"guidance-scale", "G"},
                                      {"profile", NULL}, {"growth", NULL}, {"dtypes", NULL},
                                      {NULL, NULL}};

const struct command command_bench = {
    .name = "bench",
    .summary = "measure an edit, phase by phase",
    .help = "usage: firered bench [FLAGS]\n\n"
            "Edits a made picture once and tells what each phase took.\n\n"
            "  --size N              side of the picture, in and out [512]\n"
            "  --steps N             [4]\n"
            "  --guidance-scale G    up to 1: no guidance [1]\n"
            "  --profile             within a phase, each kind of operation\n"
            "  --growth              instead: a step at that size and at twice that\n"
            "  --dtypes              instead: float32, bfloat16 and int8, time and picture\n",
    .options = OPTION_MEASURE,
    .own = own,
    .work = bench,
};
