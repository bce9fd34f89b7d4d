/*
 * firered eval: runs a list of edits and tells how near each comes to the picture it should have
 * been, so that a model's quality is measured with the program that serves it.
 *
 * The list is first read and checked whole, pictures included: an evaluation takes hours, and a
 * wrong path on its last line should not.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/eval_list.h"
#include "cli/eval_report.h"
#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/model_place.h"
#include "cli/picture_file.h"
#include "cli/progress.h"
#include "config/options.h"
#include "image/quality.h"

struct evaluation {
    const struct config *config;
    const char *list_path;
    int steps;       /* for items that say nothing; 0: the settings' or the model's */
    double guidance; /* likewise; negative */
    bool json;
    struct model_place model;
    struct firered *engine;
    struct eval_list list;
    struct eval_score *scores;
    struct progress progress;
};

static enum status check_item(struct evaluation *e, struct eval_item *item, struct error *err) {
    struct picture p;
    enum status s = picture_file_read(&p, NULL, item->picture, e->config, err);
    if (s != STATUS_OK) return s;
    picture_free(&p);
    s = picture_file_read(&p, NULL, item->expected, e->config, err);
    if (s != STATUS_OK) return s;
    item->width = p.width;
    item->height = p.height;
    picture_free(&p);
    if (item->width % 16 != 0 || item->height % 16 != 0 || item->width < FIRERED_MIN_SIDE ||
        item->height < FIRERED_MIN_SIDE || item->width > FIRERED_MAX_SIDE ||
        item->height > FIRERED_MAX_SIDE)
        return fail(err, STATUS_INVALID,
                    "%.300s has %dx%d pixels: an edit's sides are multiples of 16 from %d to %d",
                    item->expected, item->width, item->height, FIRERED_MIN_SIDE, FIRERED_MAX_SIDE);
    return STATUS_OK;
}

/* Whether the other item's expected picture could have been the result of this one. */
static bool is_rival(const struct eval_item *item, const struct eval_item *other) {
    return strcmp(other->class, item->class) != 0 && strcmp(other->picture, item->picture) == 0 &&
           other->width == item->width && other->height == item->height;
}

/* Finds the class whose expected picture of the item's input is nearest; of equally near ones, the
 * item's own. */
static enum status find_nearest(struct evaluation *e, size_t index, const struct picture *result,
                                struct error *err) {
    const struct eval_item *item = &e->list.items[index];
    double best = e->scores[index].psnr;
    const char *nearest = NULL;
    for (size_t i = 0; i < e->list.count; i++) {
        const struct eval_item *other = &e->list.items[i];
        struct picture expected;
        if (!is_rival(item, other)) continue;
        if (!nearest) nearest = item->class;
        enum status s = picture_file_read(&expected, NULL, other->expected, e->config, err);
        if (s != STATUS_OK) return s;
        double psnr = picture_psnr(result, &expected);
        picture_free(&expected);
        if (psnr <= best) continue;
        best = psnr;
        nearest = other->class;
    }
    e->scores[index].nearest = nearest;
    return STATUS_OK;
}

static enum status judge(struct evaluation *e, size_t index, const struct picture *result,
                         struct error *err) {
    struct eval_score *score = &e->scores[index];
    struct picture expected;
    enum status s =
        picture_file_read(&expected, NULL, e->list.items[index].expected, e->config, err);
    if (s != STATUS_OK) return s;
    score->psnr = fmin(picture_psnr(result, &expected), EVAL_PSNR_MAX);
    s = picture_ssim(&score->ssim, result, &expected, err);
    picture_free(&expected);
    return s == STATUS_OK ? find_nearest(e, index, result, err) : s;
}

static enum status run_item(struct evaluation *e, size_t index, struct error *err) {
    const struct eval_item *item = &e->list.items[index];
    struct picture input;
    struct firered_result result = {0};
    enum status s = picture_file_read(&input, NULL, item->picture, e->config, err);
    if (s != STATUS_OK) return s;
    struct firered_edit edit = {.pictures = &input,
                                .picture_count = 1,
                                .prompt = item->prompt,
                                .seed = item->seed,
                                .width = item->width,
                                .height = item->height,
                                .cancelled = interrupt_cancelled};
    firered_edit_defaults(e->engine, &edit);
    edit.negative_prompt = e->config->negative_prompt;
    if (e->steps > 0) edit.steps = e->steps;
    if (e->guidance >= 0) edit.guidance_scale = e->guidance;
    if (item->steps > 0) edit.steps = item->steps;
    if (item->guidance >= 0) edit.guidance_scale = item->guidance;
    s = firered_edit_run(e->engine, &edit, &result, err);
    if (s == STATUS_OK) s = judge(e, index, &result.picture, err);
    picture_free(&result.picture);
    picture_free(&input);
    return s;
}

static enum status run_list(struct evaluation *e, struct error *err) {
    enum status s = STATUS_OK;
    e->scores = calloc(e->list.count, sizeof *e->scores);
    if (!e->scores) return fail(err, STATUS_NO_MEMORY, "no memory for the scores");
    interrupt_defer();
    progress_start(&e->progress, true);
    for (size_t i = 0; i < e->list.count && s == STATUS_OK; i++) {
        progress_items(&e->progress, "eval", i, e->list.count);
        s = run_item(e, i, err);
    }
    progress_end(&e->progress);
    return s;
}

static enum status evaluate(struct evaluation *e, struct error *err) {
    const struct log log = {.min_level = LOG_WARN, .fd = STDERR_FILENO};
    enum status s = eval_list_read(&e->list, e->list_path, err);
    for (size_t i = 0; i < e->list.count && s == STATUS_OK; i++)
        s = check_item(e, &e->list.items[i], err);
    progress_start(&e->progress, true);
    if (s == STATUS_OK)
        s = model_open(&e->engine, &e->model, "eval", e->config, 1, &log, &e->progress, err);
    if (s == STATUS_OK) s = run_list(e, err);
    if (s == STATUS_CANCELLED) fail(err, s, "interrupted");
    if (s != STATUS_OK) return s;
    return e->json ? eval_report_json(&e->list, e->scores, e->model.name, err)
                   : eval_report_text(&e->list, e->scores, err);
}

static int eval_command(const struct config *config, const struct args *args, struct error *err) {
    struct evaluation e = {
        .config = config, .steps = config->default_steps, .guidance = config->default_guidance};
    e.list_path = args_last(args, "list");
    e.json = args_last(args, "json") != NULL;
    if (!e.list_path || !*e.list_path) {
        fail(err, STATUS_INVALID, "no list of edits: name its file with --list");
        return EXIT_USAGE;
    }
    if (flag_steps(args, &e.steps, err) != STATUS_OK ||
        flag_guidance(args, &e.guidance, err) != STATUS_OK)
        return EXIT_USAGE;
    interrupt_install();
    enum status s = evaluate(&e, err);
    free(e.scores);
    eval_list_free(&e.list);
    firered_close(e.engine);
    model_place_free(&e.model);
    return command_exit_status(s);
}

static const char help[] =
    "usage: firered eval --list FILE [--json] [FLAGS]\n\n"
    "Runs the edits of a list and compares each result with an expected picture, per\n"
    "class: PSNR in dB over all bytes (equal pictures: 100), SSIM of the luma.  Where\n"
    "the list has several classes for one picture it also tells which one's expected\n"
    "picture each result is nearest to: whether the instruction decides.\n\n"
    "  --list FILE          lines of fields parted by tabs, files from its folder:\n"
    "                       PICTURE PROMPT EXPECTED CLASS\n"
    "                       and any of steps=N seed=N guidance=G\n"
    "                       Edits have EXPECTED's size (multiples of 16) and seed 0.\n"
    "                       Lines that start with # are skipped.\n"
    "  --steps N, --guidance-scale G   for edits that say nothing\n"
    "  --json               scores of the classes and of each edit, for machines\n";

static const struct arg_spec own[] = {
    {"list", "FILE"}, {"steps", "N"}, {"guidance-scale", "G"}, {"json", NULL}, {NULL, NULL}};

const struct command command_eval = {
    .name = "eval",
    .summary = "score a list of edits against expected pictures",
    .help = help,
    .options = OPTION_MEASURE,
    .variables = OPTION_EDIT_DEFAULTS,
    .own = own,
    .work = eval_command,
};
