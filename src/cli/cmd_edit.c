/*
 * firered edit: pictures and a sentence in, the edited picture in a file.
 *
 * Everything that can be wrong with the request is looked at before the model is loaded, the
 * output's folder included: nobody wants to wait for a picture that cannot be written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/model_place.h"
#include "cli/output.h"
#include "cli/picture_file.h"
#include "cli/progress.h"
#include "config/options.h"
#include "config/values.h"
#include "firered.h"
#include "image/encode.h"

/* What was asked for; strings are in argv. */
struct request {
    const char *inputs[FIRERED_MAX_PICTURES];
    size_t input_count;
    const char *prompt, *output;
    const char *negative_prompt; /* NULL: not said; an empty one is a prompt too */
    enum picture_format format;
    int steps;             /* 0: not said */
    double guidance_scale; /* negative: not said */
    uint64_t seed;
    int width, height;
    bool verbose;
};

/* What the work holds; a zeroed one is empty. */
struct session {
    struct model_place model;
    struct firered *engine;
    struct picture pictures[FIRERED_MAX_PICTURES];
    struct firered_result result;
    struct progress progress;
    double started;
};

/* A random seed has 32 bits only: short enough to be copied by hand. */
static enum status read_seed(const struct args *args, uint64_t *out, struct error *err) {
    const char *text = args_last(args, "seed");
    struct shown_value shown;
    if (!text || !*text || strcmp(text, "-1") == 0) {
        uint32_t random;
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            return fail(err, STATUS_INTERNAL,
                        "the system gives no random seed: name one with --seed");
        *out = random;
        return STATUS_OK;
    }
    value_show(&shown, text);
    if (!value_uint64(text, out))
        return fail(err, STATUS_INVALID,
                    "--seed %s: must be a whole number from 0 to 18446744073709551615, or -1 for a "
                    "random one",
                    shown.text);
    return STATUS_OK;
}

static enum status read_inputs(const struct args *args, struct request *r, struct error *err) {
    for (size_t i = 0; i < args->count; i++) {
        if (strcmp(args->list[i].flag, "image") != 0) continue;
        if (!*args->list[i].value)
            return fail(err, STATUS_INVALID, "--image needs the name of a file");
        if (r->input_count == FIRERED_MAX_PICTURES)
            return fail(err, STATUS_INVALID, "--image was given more than %d times",
                        FIRERED_MAX_PICTURES);
        r->inputs[r->input_count++] = args->list[i].value;
    }
    if (r->input_count == 0)
        return fail(err, STATUS_INVALID, "no picture to edit: name one with --image");
    return STATUS_OK;
}

static enum status read_request(struct request *r, const struct args *args, struct error *err) {
    *r = (struct request){.guidance_scale = -1.0};
    enum status s = read_inputs(args, r, err);
    if (s != STATUS_OK) return s;
    r->prompt = args_last(args, "prompt");
    if (!r->prompt || r->prompt[strspn(r->prompt, " \t\r\n")] == '\0')
        return fail(err, STATUS_INVALID, "no prompt: say with --prompt what to change");
    r->output = args_last(args, "output");
    if (!r->output || !*r->output)
        return fail(err, STATUS_INVALID, "no output: name the edited picture's file with --output");
    r->verbose = args_last(args, "verbose") != NULL;
    r->negative_prompt = args_last(args, "negative-prompt");
    s = output_format(&r->format, r->output, err);
    if (s == STATUS_OK) s = flag_steps(args, &r->steps, err);
    if (s == STATUS_OK) s = flag_int(args, "width", SIDE_MIN, SIDE_MAX, &r->width, err);
    if (s == STATUS_OK) s = flag_int(args, "height", SIDE_MIN, SIDE_MAX, &r->height, err);
    if (s == STATUS_OK && !r->width != !r->height)
        s = fail(err, STATUS_INVALID, "--width and --height go together: give both or none");
    if (s == STATUS_OK) s = flag_guidance(args, &r->guidance_scale, err);
    if (s == STATUS_OK) s = read_seed(args, &r->seed, err);
    return s;
}

static enum status load_model(struct session *w, const struct config *config, const struct log *log,
                              struct error *err) {
    enum status s = model_place_find(&w->model, config, err);
    if (s != STATUS_OK) return s;
    if (w->model.stands_in) fprintf(stderr, "firered edit: %s\n", model_place_stand_in);
    struct firered_options options = {
        .model = w->model.folder,
        .device = config->device,
        .dtype = config->dtype,
        .generator = config->seed_generator,
        .threads = config->threads,
        .loras = config->loras,
        .lora_count = config->lora_count,
        .log = log,
        .loading = progress_loading,
        .loading_arg = &w->progress,
    };
    s = firered_open(&w->engine, &options, err);
    progress_end(&w->progress);
    return s;
}

static void on_progress(void *session, const struct firered_progress *now) {
    progress_edit(&((struct session *)session)->progress, now);
}

static bool on_cancelled(void *session) {
    (void)session;
    return interrupt_requested();
}

static enum status edit_pictures(struct session *w, const struct request *r,
                                 const struct config *config, struct error *err) {
    struct firered_edit edit = {
        .pictures = w->pictures,
        .picture_count = r->input_count,
        .prompt = r->prompt,
        .seed = r->seed,
        .width = r->width,
        .height = r->height,
        .progress = on_progress,
        .cancelled = on_cancelled,
        .arg = w,
    };
    firered_edit_defaults(w->engine, &edit);
    edit.negative_prompt = r->negative_prompt ? r->negative_prompt : config->negative_prompt;
    if (config->default_steps > 0) edit.steps = config->default_steps;
    if (config->default_guidance >= 0) edit.guidance_scale = config->default_guidance;
    if (r->steps > 0) edit.steps = r->steps;
    if (r->guidance_scale >= 0) edit.guidance_scale = r->guidance_scale;
    interrupt_defer();
    progress_start(&w->progress, !r->verbose);
    enum status s = firered_edit_run(w->engine, &edit, &w->result, err);
    progress_end(&w->progress);
    return s;
}

static enum status write_picture(const struct session *w, const struct request *r,
                                 struct error *err) {
    struct buffer file = {0};
    enum status s = picture_encode(&file, &w->result.picture, r->format, err);
    if (s == STATUS_OK && interrupt_requested())
        s = fail(err, STATUS_CANCELLED, "interrupted; nothing was written");
    if (s == STATUS_OK) s = output_write(r->output, file.data, file.size, err);
    buffer_free(&file);
    return s;
}

static enum status run(struct session *w, const struct request *r, const struct config *config,
                       struct error *err) {
    struct log log = {.least = r->verbose ? LOG_DEBUG : LOG_WARN, .fd = STDERR_FILENO};
    w->started = seconds_now();
    enum status s = output_check(r->output, err);
    for (size_t i = 0; i < r->input_count && s == STATUS_OK; i++)
        s = picture_file_read(&w->pictures[i], r->inputs[i], config->max_image_pixels, err);
    progress_start(&w->progress, !r->verbose);
    if (s == STATUS_OK) s = load_model(w, config, &log, err);
    if (s == STATUS_OK) s = edit_pictures(w, r, config, err);
    if (s == STATUS_OK) s = write_picture(w, r, err);
    if (s == STATUS_CANCELLED) fail(err, s, "interrupted; nothing was written");
    if (s == STATUS_OK)
        printf("%s: %dx%d, seed %llu, steps %d, guidance %g, %.2f s\n", r->output,
               w->result.picture.width, w->result.picture.height, (unsigned long long)r->seed,
               w->result.steps, w->result.guidance_scale, seconds_now() - w->started);
    return s;
}

static void session_end(struct session *w) {
    picture_free(&w->result.picture);
    for (size_t i = 0; i < FIRERED_MAX_PICTURES; i++) picture_free(&w->pictures[i]);
    firered_close(w->engine);
    model_place_free(&w->model);
}

static int edit_command(const struct config *config, const struct args *args, struct error *err) {
    struct request request;
    struct session session = {0};
    if (read_request(&request, args, err) != STATUS_OK) return EXIT_USAGE;
    interrupt_install();
    enum status s = run(&session, &request, config, err);
    session_end(&session);
    if (s == STATUS_CANCELLED) return EXIT_INTERRUPTED;
    return s == STATUS_OK ? EXIT_OK : EXIT_FAILED;
}

static const char help[] =
    "usage: firered edit --image FILE [--image FILE ...] --prompt TEXT --output FILE [FLAGS]\n\n"
    "  --image FILE           the picture to edit, PNG, JPEG or WebP; up to three, Picture 1 to 3 "
    "in the prompt,\n"
    "                         of which the last gives the aspect ratio\n"
    "  --prompt TEXT          what to change\n"
    "  --output FILE          where the edited picture goes: .png, .jpg, .jpeg or .webp\n"
    "  --steps N              1 to 1000 [else DEFAULT_STEPS, else the model's default]\n"
    "  --guidance-scale G     0 to 30; up to 1: no guidance [else DEFAULT_GUIDANCE, else the "
    "model's default]\n"
    "  --seed N               the same seed gives the same picture; absent or -1: a random one, "
    "which is told\n"
    "  --width W --height H   64 to 2048, rounded down to a multiple of 16; absent: the model's "
    "area\n"
    "  --verbose              log what happens, instead of the progress bar\n";

int cmd_edit(int argc, char **argv) {
    static const struct arg_spec own[] = {{"image", "a picture's file"},
                                          {"prompt", "what to change"},
                                          {"output", "the edited picture's file"},
                                          {"steps", "a whole number"},
                                          {"guidance-scale", "a number"},
                                          {"seed", "a whole number"},
                                          {"width", "pixels"},
                                          {"height", "pixels"},
                                          {"verbose", NULL},
                                          {NULL, NULL}};
    static const struct command command = {
        .name = "edit",
        .help = help,
        .options = OPTION_EDIT,
        .variables = OPTION_EDIT_DEFAULTS,
        .own = own,
        .work = edit_command,
    };
    return command_run(&command, argc, argv);
}
