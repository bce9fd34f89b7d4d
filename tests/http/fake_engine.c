/*
 * A stand-in for the engine, behind the same header: an "edit" takes as long, ends as, and gives
 * what the test says.
 *
 * Words in the prompt steer one edit:
 *     step-ms=N        every step takes N milliseconds (it asks `cancelled` about once in each)
 *     hold=NAME        the first step ends when the file $FAKE_DIR/NAME exists, or the edit is
 *                      cancelled
 *     hold-encode=NAME, hold-decode=NAME   the same for these stages
 *     ignore-cancel=N  asks `cancelled` only after N milliseconds, as an engine in a long step does
 *     change=SHARE     what the result says that it changed; else 0.5; change=seed: ten thousandths of
 *                      the seed
 *     fail=KIND        invalid, no-memory, not-finite, internal, io, path (a message with a path)
 *
 * The environment steers the model: FAKE_LOAD_MS, FAKE_LOAD_HOLD=NAME, FAKE_LOAD_FAIL,
 * FAKE_WARM_FAIL (a KIND), FAKE_NO_ROOM=NAME (until the file $FAKE_DIR/NAME is there),
 * FAKE_DISTILLED, FAKE_STEPS, FAKE_GUIDANCE, FAKE_NOTE, FAKE_MAX_PICTURES (what its edit_config.json
 * says).  Its files have changed once the file $FAKE_DIR/changed exists, and its device is lost once
 * $FAKE_DIR/lost does.
 *
 * The edited picture has the last one's size (or what was asked for) in multiples of 16, or exactly
 * the last one's where that is asked for, and every byte of it is made from the seed, the steps, the prompt and the pictures: the same request gives the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "firered.h"

struct firered {
    struct firered_info info;
    void (*loading)(void *arg, double share);
    void *loading_arg;
};

static void sleep_ms(int ms) {
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static int environment_int(const char *name, int otherwise) {
    const char *value = getenv(name);
    return value ? atoi(value) : otherwise;
}

static bool is_released(const char *name) {
    char path[512];
    const char *dir = getenv("FAKE_DIR");
    snprintf(path, sizeof path, "%s/%s", dir ? dir : ".", name);
    return access(path, F_OK) == 0;
}

static enum status fail_as(const char *kind, struct error *err) {
    if (strcmp(kind, "invalid") == 0)
        return fail(err, STATUS_INVALID, "the prompt has 2000 tokens; at most 1024 are allowed");
    if (strcmp(kind, "no-memory") == 0)
        return fail(err, STATUS_NO_MEMORY, "this edit needs 99 GB at 0x7ffe1234");
    if (strcmp(kind, "not-finite") == 0)
        return fail(err, STATUS_NOT_FINITE, "the latents have NaN at step 3");
    if (strcmp(kind, "io") == 0)
        return fail(err, STATUS_IO, "cannot read /secret/weights.safetensors");
    if (strcmp(kind, "path") == 0)
        return fail(err, STATUS_INVALID, "cannot use /secret/weights.safetensors at 0xdeadbeef");
    return fail(err, STATUS_INTERNAL, "assertion failed in /secret/source.c");
}

static void report(struct firered *engine, double share) {
    if (engine->loading) engine->loading(engine->loading_arg, share);
}

enum status firered_open(struct firered **out, const struct firered_options *options,
                         struct error *err) {
    *out = NULL;
    struct firered *engine = calloc(1, sizeof *engine);
    if (!engine) return fail(err, STATUS_NO_MEMORY, "no memory");
    engine->loading = options->loading;
    engine->loading_arg = options->loading_arg;
    int ms = environment_int("FAKE_LOAD_MS", 0);
    for (int i = 0; i < 10; i++) {
        const char *hold = i == 5 ? getenv("FAKE_LOAD_HOLD") : NULL;
        report(engine, i / 10.0);
        sleep_ms(ms / 10);
        while (hold && !is_released(hold)) sleep_ms(2);
    }
    if (getenv("FAKE_LOAD_FAIL")) {
        free(engine);
        return fail(err, STATUS_INVALID, "the model is no model: it has no transformer");
    }
    bool distilled = getenv("FAKE_DISTILLED") != NULL;
    const char *guidance = getenv("FAKE_GUIDANCE");
    engine->info = (struct firered_info){
        .model = "fake",
        .device = "cpu",
        .dtype = "float32",
        .kernels = "none",
        .threads = 1,
        .default_steps = environment_int("FAKE_STEPS", 28),
        .has_default_steps = getenv("FAKE_STEPS") != NULL,
        .default_guidance_scale = distilled  ? 1.0
                                  : guidance ? atof(guidance)
                                             : 7.0,
        .has_default_guidance = guidance != NULL,
        .distilled = distilled,
        .output_area = 1024 * 1024,
        .weight_bytes = 12345678,
        .parameters = 4242,
        .example_count = 2,
        .examples = {"make it a \"stand-in\"", "f\xc3\xa4rbe es blau"},
        .note = getenv("FAKE_NOTE"),
        .max_pictures = environment_int("FAKE_MAX_PICTURES", FIRERED_MAX_PICTURES),
    };
    *out = engine;
    return STATUS_OK;
}

void firered_close(struct firered *engine) {
    free(engine);
}

void firered_describe(const struct firered *engine, struct firered_info *out) {
    *out = engine->info;
}

void firered_edit_defaults(const struct firered *engine, struct firered_edit *edit) {
    edit->steps = engine->info.default_steps;
    edit->guidance_scale = engine->info.default_guidance_scale;
    edit->negative_prompt = " ";
}

static void edit_size(const struct firered_edit *edit, int *width, int *height) {
    const struct picture *last = &edit->pictures[edit->picture_count - 1];
    *width = edit->width ? edit->width : last->width;
    *height = edit->height ? edit->height : last->height;
    if (edit->input_size) return;
    *width = *width < 16 ? 16 : *width / 16 * 16;
    *height = *height < 16 ? 16 : *height / 16 * 16;
}

enum status firered_edit_plan(const struct firered *engine, const struct firered_edit *edit,
                              int *width, int *height, uint64_t *bytes, struct error *err) {
    (void)engine;
    (void)err;
    edit_size(edit, width, height);
    *bytes = 1;
    return STATUS_OK;
}

enum status firered_check_files(const struct firered *engine, struct error *err) {
    (void)engine;
    return is_released("changed")
               ? fail(err, STATUS_IO, "/secret/weights.safetensors was written to")
               : STATUS_OK;
}

enum status firered_check_device(const struct firered *engine, struct error *err) {
    (void)engine;
    return is_released("lost") ? fail(err, STATUS_DEVICE, "card 0 is gone") : STATUS_OK;
}

/* The word behind `name` in the prompt. */
static bool word(const char *prompt, const char *name, char *out, size_t size) {
    const char *at = strstr(prompt, name);
    if (!at) return false;
    at += strlen(name);
    size_t n = strcspn(at, " ");
    if (n >= size) n = size - 1;
    memcpy(out, at, n);
    out[n] = '\0';
    return true;
}

static bool cancelled(const struct firered_edit *edit) {
    return edit->cancelled && edit->cancelled(edit->arg);
}

static void tell(const struct firered_edit *edit, enum firered_stage stage, int step) {
    struct firered_progress progress = {stage, step, edit->steps};
    if (edit->progress) edit->progress(edit->arg, &progress);
}

/* Until the file is there that the word behind `name` in the prompt names. */
static void hold(const struct firered_edit *edit, const char *name) {
    char value[64];
    if (!word(edit->prompt, name, value, sizeof value)) return;
    while (!is_released(value) && !cancelled(edit)) sleep_ms(1);
}

static enum status steps(const struct firered_edit *edit, struct error *err) {
    char value[64];
    int ms = word(edit->prompt, "step-ms=", value, sizeof value) ? atoi(value) : 0;
    tell(edit, FIRERED_STAGE_ENCODE, 0);
    hold(edit, "hold-encode=");
    tell(edit, FIRERED_STAGE_DENOISE, 0);
    if (word(edit->prompt, "ignore-cancel=", value, sizeof value)) sleep_ms(atoi(value));
    for (int step = 0; step < edit->steps; step++) {
        if (step == 0) hold(edit, "hold=");
        for (int i = 0; i < ms && !cancelled(edit); i++) sleep_ms(1);
        if (cancelled(edit)) return fail(err, STATUS_CANCELLED, "the edit was cancelled");
        tell(edit, FIRERED_STAGE_DENOISE, step + 1);
    }
    tell(edit, FIRERED_STAGE_DECODE, edit->steps);
    hold(edit, "hold-decode=");
    return STATUS_OK;
}

/* One after the other, as the engine does: a number that is made from all of them. */
static enum status read_pictures(const struct firered_edit *edit, uint64_t *h, struct error *err) {
    *h = 1;
    for (size_t i = 0; i < edit->picture_count; i++) {
        struct picture p = edit->pictures[i], own = {0};
        enum status s = p.rgb ? STATUS_OK : edit->read(edit->arg, i, &own, err);
        if (s != STATUS_OK) return s;
        if (!p.rgb) p = own;
        for (size_t k = 0; k < (size_t)p.width * (size_t)p.height * 3; k += 97)
            *h = *h * 1099511628211u + p.rgb[k];
        picture_free(&own);
    }
    return STATUS_OK;
}

static enum status paint(struct picture *out, const struct firered_edit *edit, uint64_t pictures,
                         struct error *err) {
    edit_size(edit, &out->width, &out->height);
    size_t n = (size_t)out->width * (size_t)out->height * 3;
    out->rgb = malloc(n);
    if (!out->rgb) return fail(err, STATUS_NO_MEMORY, "no memory");
    uint64_t h = edit->seed * 31 + (uint64_t)edit->steps + (uint64_t)(edit->guidance_scale * 1000);
    for (const char *p = edit->prompt; *p; p++) h = h * 1099511628211u + (unsigned char)*p;
    for (const char *p = edit->negative_prompt; p && *p; p++)
        h = h * 1099511628211u + (unsigned char)*p;
    h = h * 1099511628211u + pictures;
    for (size_t i = 0; i < n; i++) {
        h = h * 6364136223846793005u + 1442695040888963407u;
        out->rgb[i] = (uint8_t)(h >> 56);
    }
    return STATUS_OK;
}

enum status firered_edit_run(struct firered *engine, const struct firered_edit *edit,
                             struct firered_result *result, struct error *err) {
    char kind[64] = "";
    *result = (struct firered_result){0};
    (void)engine;
    uint64_t pictures;
    enum status s = read_pictures(edit, &pictures, err);
    double from = clock_now_seconds();
    if (s == STATUS_OK) s = steps(edit, err);
    double denoised = clock_now_seconds();
    if (s == STATUS_OK && word(edit->prompt, "fail=", kind, sizeof kind)) s = fail_as(kind, err);
    if (s == STATUS_OK) s = paint(&result->picture, edit, pictures, err);
    if (s != STATUS_OK) return s;
    result->steps = edit->steps;
    result->guidance_scale = edit->guidance_scale;
    result->change = word(edit->prompt, "change=", kind, sizeof kind) ? atof(kind) : 0.5;
    if (strcmp(kind, "seed") == 0) result->change = (double)edit->seed / 1e4;
    result->encode_seconds = 0.001;
    result->denoise_seconds = denoised - from;
    result->decode_seconds = clock_now_seconds() - denoised;
    return STATUS_OK;
}

enum status firered_warm_up(struct firered *engine, struct error *err) {
    (void)engine;
    const char *kind = getenv("FAKE_WARM_FAIL");
    return kind ? fail_as(kind, err) : STATUS_OK;
}

enum status firered_check_room(const struct firered *engine, int steps_asked, double guidance_scale,
                               struct error *err) {
    (void)engine;
    (void)steps_asked;
    (void)guidance_scale;
    const char *until = getenv("FAKE_NO_ROOM");
    if (!until || is_released(until)) return STATUS_OK;
    return fail(err, STATUS_NO_MEMORY, "an edit takes 99.0 MB, but there are 7.5 MB more");
}

/* A quarter of a second a step, and twice that with guidance. */
enum status firered_estimate(const struct firered *engine, int steps_asked, double guidance_scale,
                             struct firered_estimate *out, struct error *err) {
    (void)engine;
    (void)err;
    *out = (struct firered_estimate){
        .width = 1024, .height = 1024, .seconds = (guidance_scale > 1 ? 0.5 : 0.25) * steps_asked};
    return STATUS_OK;
}

enum status firered_inspect(const struct firered_options *options, char **report_text,
                            struct error *err) {
    (void)options;
    *report_text = NULL;
    return fail(err, STATUS_INVALID, "a stand-in has nothing to inspect");
}
