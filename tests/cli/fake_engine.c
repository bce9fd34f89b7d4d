/*
 * An engine without networks, so that the commands can be tested by themselves: it writes what it
 * was asked to do to the file that FAKE_REPORT names, and does what the prompt or the model's name
 * says.
 *
 *     model "broken"     does not load
 *     model "slow"       takes a minute to load
 *     prompt "oom", "nan"  fails so
 *     prompt "copy"      gives the last picture back, and says that 0.0042 of it changed
 *     prompt "slow"      0.1 s a step, stops when asked to
 *     prompt "stubborn"  the same, but never stops
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "firered.h"
#include "http/server.h"

struct firered {
    char *model;
};

__attribute__((format(printf, 1, 2))) static void report(const char *format, ...) {
    const char *path = getenv("FAKE_REPORT");
    FILE *f = path ? fopen(path, "a") : NULL;
    if (!f) return;
    va_list args;
    va_start(args, format);
    vfprintf(f, format, args);
    va_end(args);
    fclose(f);
}

static void wait_seconds(double seconds) {
    struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)(fmod(seconds, 1.0) * 1e9)};
    nanosleep(&t, NULL);
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

enum status firered_open(struct firered **out, const struct firered_options *o, struct error *err) {
    report("open model=%s device=%s dtype=%d generator=%d threads=%d\n", o->model, o->device,
           (int)o->dtype, (int)o->generator, o->threads);
    for (size_t i = 0; i < o->lora_count; i++)
        report("lora %s %g\n", o->loras[i].path, o->loras[i].scale);
    if (ends_with(o->model, "/broken"))
        return fail(err, STATUS_INVALID,
                    "transformer/config.json is missing from the model folder");
    if (ends_with(o->model, "/slow")) wait_seconds(60);
    if (o->loading) o->loading(o->loading_arg, 0.5);
    *out = calloc(1, sizeof **out);
    return *out ? STATUS_OK : fail(err, STATUS_NO_MEMORY, "no memory");
}

void firered_close(struct firered *engine) {
    if (engine) report("close\n");
    free(engine);
}

void firered_edit_defaults(const struct firered *engine, struct firered_edit *edit) {
    (void)engine;
    edit->steps = 3;
    edit->guidance_scale = 2.5;
    edit->negative_prompt = "model's";
}

static void tell(const struct firered_edit *edit, enum firered_stage stage, int step) {
    struct firered_progress now = {.stage = stage, .step = step, .steps = edit->steps};
    if (edit->progress) edit->progress(edit->arg, &now);
}

static enum status take_steps(const struct firered_edit *edit, struct error *err) {
    bool stubborn = strcmp(edit->prompt, "stubborn") == 0;
    bool slow = stubborn || strcmp(edit->prompt, "slow") == 0;
    tell(edit, FIRERED_STAGE_ENCODE, 0);
    for (int step = 0; step <= edit->steps; step++) {
        tell(edit, FIRERED_STAGE_DENOISE, step);
        if (slow && step == 1) report("running\n");
        if (slow) wait_seconds(0.1);
        if (!stubborn && edit->cancelled && edit->cancelled(edit->arg))
            return fail(err, STATUS_CANCELLED, "cancelled");
    }
    tell(edit, FIRERED_STAGE_DECODE, edit->steps);
    return STATUS_OK;
}

void firered_describe(const struct firered *engine, struct firered_info *out) {
    (void)engine;
    *out = (struct firered_info){.model = "fake",
                                 .device = "cpu",
                                 .dtype = "float32",
                                 .kernels = "none",
                                 .note = getenv("FAKE_NOTE")};
}

enum status firered_edit_plan(const struct firered *engine, const struct firered_edit *edit,
                              int *width, int *height, uint64_t *bytes, struct error *err) {
    (void)engine;
    (void)err;
    *width = edit->width;
    *height = edit->height;
    *bytes = 0;
    return STATUS_OK;
}

static enum status make_picture(struct picture *out, const struct firered_edit *edit,
                                struct error *err) {
    const struct picture *last = &edit->pictures[edit->picture_count - 1];
    bool copy = strcmp(edit->prompt, "copy") == 0;
    int width = copy ? last->width : edit->width ? edit->width : 64;
    int height = copy ? last->height : edit->height ? edit->height : 64;
    size_t size = (size_t)width * (size_t)height * 3;
    uint8_t *rgb = malloc(size);
    if (!rgb) return fail(err, STATUS_NO_MEMORY, "no memory");
    /* Nothing that compresses: a test wants a file of a certain size. */
    uint32_t noise = (uint32_t)edit->seed | 1;
    for (size_t i = 0; i < size; i++) {
        noise = noise * 1664525u + 1013904223u;
        rgb[i] = copy ? last->rgb[i] : (uint8_t)(noise >> 24);
    }
    *out = (struct picture){width, height, rgb};
    return STATUS_OK;
}

enum status firered_edit_run(struct firered *engine, const struct firered_edit *edit,
                             struct firered_result *result, struct error *err) {
    (void)engine;
    *result = (struct firered_result){.steps = edit->steps, .guidance_scale = edit->guidance_scale};
    char size[32] = "input";
    if (!edit->input_size) snprintf(size, sizeof size, "%dx%d", edit->width, edit->height);
    report("edit prompt=%s negative=%s steps=%d guidance=%g seed=%llu size=%s\n", edit->prompt,
           edit->negative_prompt, edit->steps, edit->guidance_scale, (unsigned long long)edit->seed,
           size);
    for (size_t i = 0; i < edit->picture_count; i++)
        report("picture %dx%d\n", edit->pictures[i].width, edit->pictures[i].height);
    if (strcmp(edit->prompt, "oom") == 0)
        return fail(err, STATUS_NO_MEMORY, "the edit needs 9 GB of memory and 1 GB is free");
    if (strcmp(edit->prompt, "nan") == 0)
        return fail(err, STATUS_NOT_FINITE, "the result is not finite");
    enum status s = take_steps(edit, err);
    if (s != STATUS_OK) return s;
    result->change = strcmp(edit->prompt, "copy") == 0 ? 0.0042 : 0.5;
    return make_picture(&result->picture, edit, err);
}

enum status firered_inspect(const struct firered_options *options, char **out, struct error *err) {
    *out = NULL;
    if (ends_with(options->model, "/broken"))
        return fail(err, STATUS_INVALID,
                    "transformer/config.json is missing from the model folder");
    *out = strdup("a fake report\n");
    return *out ? STATUS_OK : fail(err, STATUS_NO_MEMORY, "no memory");
}

enum status server_run(const struct config *config, const char *model, const char *model_name,
                       const struct model_fetch *fetch, const struct log *log, struct error *err) {
    (void)log;
    report("serve model=%s name=%s host=%s port=%d key=%s\n", fetch ? "fetched" : model, model_name,
           config->host, config->port, config->api_key ? config->api_key : "");
    if (config->port == 1) return fail(err, STATUS_IO, "port 1 is taken");
    return STATUS_OK;
}
