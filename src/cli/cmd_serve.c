/*
 * firered serve: settings, model, service.
 */
#include <unistd.h>

#include "base/log.h"
#include "base/log_sink.h"
#include "cli/commands.h"
#include "cli/model_place.h"
#include "cli/model_pull.h"
#include "config/options.h"
#include "http/server.h"

static void tell_stand_in(const struct model_place *model, const struct log *log) {
    if (model->stands_in)
        log_event(log, LOG_WARN, model_place_stand_in, LOG_STR("model", model->name));
}

/* What is to be fetched has no path yet: the server fetches it once it listens, so that /ready tells
 * how far that is.  Where only LoRAs are, the model is looked for now. */
static enum status serve_fetched(const struct config *config, struct model_pull *pull,
                                 const struct log *log, struct error *err) {
    struct model_fetch fetch;
    struct model_place model = {0};
    enum status s = pull->model ? STATUS_OK : model_place_find_model(&model, config, err);
    if (s != STATUS_OK) return s;
    tell_stand_in(&model, log);
    model_pull_as_fetch(pull, log, &fetch);
    s = server_run(config, NULL, model.name ? model.name : config->model_id, &fetch, log, err);
    model_place_free(&model);
    return s;
}

static enum status serve_found(const struct config *config, const struct log *log,
                               struct error *err) {
    struct model_place model;
    enum status s = model_place_find(&model, config, err);
    if (s != STATUS_OK) return s;
    tell_stand_in(&model, log);
    s = model_place_doubt(config, server_run(config, model.folder, model.name, NULL, log, err),
                          err);
    model_place_free(&model);
    return s;
}

static int serve(const struct config *config, const struct args *args, struct error *err) {
    (void)args;
    struct log_sink sink;
    struct log log = {.min_level = config->log_level,
                      .json = config->log_format == LOG_FORMAT_JSON,
                      .fd = STDERR_FILENO,
                      .sink = &sink};
    struct model_pull pull;
    bool wanted;
    log_sink_open(&sink, STDERR_FILENO);
    config_log(config, &log);
    enum status s = model_pull_look(&pull, config, &wanted, err);
    wanted = wanted && config->pull == PULL_AUTO;
    if (s == STATUS_OK)
        s = wanted ? serve_fetched(config, &pull, &log, err) : serve_found(config, &log, err);
    model_pull_close(&pull);
    log_sink_close(&sink);
    return command_exit_status(s);
}

const struct command command_serve = {
    .name = "serve",
    .summary = "the HTTP service",
    .help = "usage: firered serve [FLAGS]\n\n"
            "Serves POST /edit and its companions until SIGTERM or Ctrl-C.  Settings may also\n"
            "stand in a file .env in the working directory.\n",
    .options = OPTION_SERVE,
    .work = serve,
};
