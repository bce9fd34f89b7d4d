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

/* A model that is to be fetched has no folder yet: the server fetches it. */
static enum status serve_fetched(const struct config *config, struct model_pull *pull,
                                 const struct log *log, struct error *err) {
    struct model_fetch fetch;
    model_pull_as_fetch(pull, log, &fetch);
    return server_run(config, NULL, config->model_id, &fetch, log, err);
}

static enum status serve_found(const struct config *config, const struct log *log,
                               struct error *err) {
    struct model_place model;
    enum status s = model_place_find(&model, config, err);
    if (s != STATUS_OK) return s;
    if (model.stands_in)
        log_event(log, LOG_WARN, model_place_stand_in, LOG_STR("model", model.name));
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
    if (s == STATUS_OK && wanted && !pull.model) s = model_pull_run(&pull, "serve", &log, err);
    if (s == STATUS_OK)
        s = wanted && pull.model ? serve_fetched(config, &pull, &log, err)
                                 : serve_found(config, &log, err);
    model_pull_close(&pull);
    log_sink_close(&sink);
    return s == STATUS_OK ? EXIT_OK : EXIT_FAILED;
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
