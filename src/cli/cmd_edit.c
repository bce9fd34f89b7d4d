/*
 * firered edit: pictures and a sentence in, the edited picture in a file.
 *
 * Everything that can be wrong with the request is looked at before the model is loaded, the
 * output's folder included: nobody wants to wait for a picture that cannot be written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/edit_remote.h"
#include "cli/interrupt.h"
#include "cli/json_out.h"
#include "cli/model_place.h"
#include "cli/model_pull.h"
#include "cli/output.h"
#include "cli/picture_file.h"
#include "cli/progress.h"
#include "config/options.h"
#include "pipeline/edited_file.h"

/* What the work holds; a zeroed one is empty. */
struct session {
    const struct config *config;
    struct edit_request request;
    struct model_place model;
    struct firered *engine;
    struct picture pictures[FIRERED_MAX_PICTURES];
    struct picture_origin origins[FIRERED_MAX_PICTURES];
    struct progress progress;
    struct http_client client; /* of a server; then there is no engine, and the pictures are files */
    struct buffer files[FIRERED_MAX_PICTURES];
};

static void on_progress(void *session, const struct firered_progress *now) {
    progress_edit(&((struct session *)session)->progress, now);
}

static void fill_edit(struct firered_edit *edit, struct session *w) {
    const struct edit_request *r = &w->request;
    const struct config *config = w->config;
    *edit = (struct firered_edit){
        .pictures = w->pictures,
        .picture_count = r->input_count,
        .prompt = r->prompt,
        .width = r->width,
        .height = r->height,
        .input_size = r->input_size,
        .progress = on_progress,
        .cancelled = interrupt_cancelled,
        .arg = w,
    };
    firered_edit_defaults(w->engine, edit);
    edit->negative_prompt = r->negative_prompt ? r->negative_prompt : config->negative_prompt;
    if (config->default_steps > 0) edit->steps = config->default_steps;
    if (config->default_guidance >= 0) edit->guidance_scale = config->default_guidance;
    if (r->steps > 0) edit->steps = r->steps;
    if (r->guidance_scale >= 0) edit->guidance_scale = r->guidance_scale;
}

/* What the result says of itself. */
static void note(struct edit_made *out, const struct session *w, uint64_t seed) {
    struct firered_info info;
    bool same_seed = false;
    firered_describe(w->engine, &info);
    for (size_t i = 0; i < w->request.input_count; i++)
        same_seed |= w->origins[i].ours && w->origins[i].seed == seed;
    edit_note(out->note, info.note, out->change, same_seed);
}

/* Runs the edit here and makes its file. */
static enum status edit_here(struct edit_made *out, struct session *w, uint64_t seed,
                             struct error *err) {
    struct firered_edit edit;
    struct firered_result result = {0};
    fill_edit(&edit, w);
    edit.seed = seed;
    enum status s = firered_edit_run(w->engine, &edit, &result, err);
    progress_end(&w->progress);
    if (s != STATUS_OK) return s;
    out->width = result.picture.width;
    out->height = result.picture.height;
    out->steps = result.steps;
    out->guidance_scale = result.guidance_scale;
    out->change = result.change;
    note(out, w, seed);
    out->model = strdup(w->model.name);
    const struct edit_settings settings = {.prompt = edit.prompt,
                                           .negative_prompt = edit.negative_prompt,
                                           .model = w->model.name,
                                           .seed = seed,
                                           .steps = result.steps,
                                           .guidance_scale = result.guidance_scale};
    s = out->model
            ? edited_file_encode(&out->file, &result.picture, w->request.format, 0, &settings, err)
            : fail(err, STATUS_NO_MEMORY, "no memory for the model's name");
    picture_free(&result.picture);
    return s;
}

static json_t *made_json(const struct edit_request *r, size_t index, const struct edit_made *made,
                         double seconds) {
    json_t *json =
        json_pack("{s:s, s:i, s:i, s:o, s:i, s:f, s:s, s:f}", "output", r->outputs[index], "width",
                  made->width, "height", made->height, "seed", json_seed(r->seeds[index]), "steps",
                  made->steps, "guidance_scale", made->guidance_scale, "model", made->model,
                  "seconds", seconds);
    if (json && made->change >= 0) json_object_set_new(json, "change", json_real(made->change));
    if (json && *made->note) json_object_set_new(json, "note", json_string(made->note));
    return json;
}

/* In words, for who would take an unchanged picture for a fault of the program. */
static void warn(const char *output, const struct edit_made *made) {
    struct error said = {0};
    bool hardly = made->change >= 0 && edit_hardly_changed(made->change);
    if (hardly)
        fail(&said, STATUS_OK, "%.100s: hardly anything changed (%.2g %% of the pixels)%s%.380s",
             output, made->change * 100, *made->note ? ". " : "", made->note);
    else if (*made->note)
        fail(&said, STATUS_OK, "%.100s: %.380s", output, made->note);
    if (*said.text) fprintf(stderr, "firered edit: %s\n", said.text);
}

static enum status tell(const struct edit_request *r, size_t index, const struct edit_made *made,
                        double seconds, struct error *err) {
    if (r->json) return json_out(made_json(r, index, made, seconds), err);
    bool to_stdout = edit_request_to_stdout(r);
    fprintf(to_stdout ? stderr : stdout, "%s: %dx%d, seed %llu, steps %d, guidance %g, %.2f s\n",
            to_stdout ? "standard output" : r->outputs[index], made->width, made->height,
            (unsigned long long)r->seeds[index], made->steps, made->guidance_scale, seconds);
    warn(to_stdout ? "standard output" : r->outputs[index], made);
    return fflush(stdout) == 0 ? STATUS_OK : fail(err, STATUS_IO, "cannot write the report");
}

/* `since`: from when on the seconds count. */
static enum status make_one(struct session *w, size_t index, double since, struct error *err) {
    const struct edit_request *r = &w->request;
    struct edit_made made = {0};
    progress_start(&w->progress, !r->verbose);
    enum status s =
        r->server ? edit_remote(&made, &w->client, r, w->files, r->seeds[index], &w->progress, err)
                  : edit_here(&made, w, r->seeds[index], err);
    if (s == STATUS_OK && interrupt_requested()) s = STATUS_CANCELLED;
    if (s == STATUS_OK)
        s = output_write(r->outputs[index], made.file.data, made.file.size, r->force, err);
    if (s == STATUS_OK) s = tell(r, index, &made, clock_now_seconds() - since, err);
    buffer_free(&made.file);
    free(made.model);
    return s;
}

static enum status prepare_server(struct session *w, struct error *err) {
    const struct edit_request *r = &w->request;
    enum status s = STATUS_OK;
    for (size_t i = 0; i < r->input_count && s == STATUS_OK; i++)
        s = picture_file_load(&w->files[i], r->inputs[i], err);
    return s == STATUS_OK ? http_client_open(&w->client, r->server, w->config->api_key, err) : s;
}

/* A model of the hub's that is not here, or not whole: fetches it, or says how. */
static enum status bring_model(const struct session *w, const struct log *log, struct error *err) {
    struct model_pull pull;
    bool wanted;
    enum status s = model_pull_look(&pull, w->config, &wanted, err);
    if (s == STATUS_OK && wanted && w->request.pull)
        s = model_pull_run(&pull, "edit", log, err);
    else if (s == STATUS_OK && pull.model)
        s = fail(err, STATUS_INVALID,
                 "the model %.150s is not in the cache %.150s, or not whole: `firered pull %.100s` "
                 "fetches it, and so does --pull",
                 w->config->model_id, pull.options.cache, w->config->model_id);
    model_pull_close(&pull);
    return s;
}

static enum status prepare(struct session *w, struct error *err) {
    const struct edit_request *r = &w->request;
    const struct log log = {.min_level = r->verbose ? LOG_DEBUG : LOG_WARN, .fd = STDERR_FILENO};
    enum status s = STATUS_OK;
    for (size_t i = 0; i < r->input_count && s == STATUS_OK; i++)
        s = picture_file_read(&w->pictures[i], &w->origins[i], r->inputs[i], w->config, err);
    if (s != STATUS_OK) return s;
    s = bring_model(w, &log, err);
    if (s != STATUS_OK) return s;
    progress_start(&w->progress, !r->verbose);
    return model_open(&w->engine, &w->model, "edit", w->config, r->input_count, &log, &w->progress,
                      err);
}

static enum status run(struct session *w, struct error *err) {
    const struct edit_request *r = &w->request;
    double since = clock_now_seconds();
    enum status s = STATUS_OK;
    size_t done = 0;
    for (size_t i = 0; i < r->count && s == STATUS_OK; i++)
        s = output_check(r->outputs[i], r->force, err);
    if (s == STATUS_OK) s = r->server ? prepare_server(w, err) : prepare(w, err);
    interrupt_defer();
    for (; done < r->count && s == STATUS_OK; done++) {
        s = make_one(w, done, since, err);
        since = clock_now_seconds();
    }
    if (s == STATUS_CANCELLED)
        fail(err, s, done > 1 ? "interrupted" : "interrupted; nothing was written");
    return s;
}

static void session_end(struct session *w) {
    for (size_t i = 0; i < FIRERED_MAX_PICTURES; i++) {
        picture_free(&w->pictures[i]);
        buffer_free(&w->files[i]);
    }
    http_client_close(&w->client);
    firered_close(w->engine);
    model_place_free(&w->model);
    edit_request_free(&w->request);
}

static int edit_command(const struct config *config, const struct args *args, struct error *err) {
    struct session session = {.config = config};
    enum status s = edit_request_read(&session.request, args, err);
    bool asked_well = s == STATUS_OK;
    if (asked_well) {
        interrupt_install();
        s = run(&session, err);
    }
    session_end(&session);
    if (!asked_well) return s == STATUS_INVALID ? EXIT_USAGE : EXIT_FAILED;
    return command_exit_status(s);
}

static const char help[] =
    "usage: firered edit --image FILE --prompt TEXT [--output FILE] [FLAGS]\n\n"
    "  --image FILE         a picture; - is standard input; up to three times:\n"
    "                       Picture 1 to 3, of which the last gives the shape\n"
    "  --prompt TEXT        what to change\n"
    "  --output FILE|DIR/   .png, .jpg or .webp; - is standard out [NAME-edited.png]\n"
    "  --force              replace files that are there\n"
    "  --seed N             the same seed, the same picture; several times: a picture\n"
    "                       each, numbered NAME-1, NAME-2 [random, and told]\n"
    "  --count N            so many pictures: that seed and the following, or random\n"
    "  --steps N            1 to 1000 [DEFAULT_STEPS, else model's]\n"
    "  --guidance-scale G   0 to 30; up to 1: none [DEFAULT_GUIDANCE, else model's]\n"
    "  --size S             input (as the last picture), model, WIDTHxHEIGHT [model]\n"
    "  --server URL         edit on a server, with API_KEY; Ctrl-C cancels there\n"
    "  --pull               fetch the model first where it is not in the cache\n"
    "  --json, --verbose    tell a line of JSON a picture; log, in place of progress\n";

static const struct arg_spec own[] = {
    {"image", "FILE"}, {"prompt", "TEXT"},      {"output", "FILE"},
    {"force", NULL},   {"seed", "N"},           {"count", "N"},
    {"steps", "N"},    {"guidance-scale", "G"}, {"size", "input|model|WxH"},
    {"width", "N"},    {"height", "N"},         {"server", "URL"},
    {"json", NULL},    {"verbose", NULL},       {"pull", NULL},
    {NULL, NULL}};

const struct command command_edit = {
    .name = "edit",
    .summary = "edit a picture, here or on a server",
    .help = help,
    .options = OPTION_EDIT,
    .variables = OPTION_EDIT_DEFAULTS,
    .own = own,
    .work = edit_command,
};
