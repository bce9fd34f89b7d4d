/*
 * firered serve: settings, model, service.
 */
#include <unistd.h>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/model_place.h"
#include "config/options.h"
#include "http/server.h"

static int serve(const struct config *config, const struct args *args, struct error *err) {
    (void)args;
    struct log log = {.min_level = config->log_level,
                      .json = config->log_format == LOG_FORMAT_JSON,
                      .fd = STDERR_FILENO};
    struct model_place model;
    config_log(config, &log);
    enum status s = model_place_find(&model, config, err);
    if (s != STATUS_OK) return EXIT_FAILED;
    if (model.stands_in)
        log_event(&log, LOG_WARN, model_place_stand_in, LOG_STR("model", model.name));
    s = server_run(config, model.folder, model.name, &log, err);
    model_place_free(&model);
    return s == STATUS_OK ? EXIT_OK : EXIT_FAILED;
}

const struct command command_serve = {
    .name = "serve",
    .summary = "the HTTP service",
    .help = "usage: firered serve [FLAGS]\n\n"
            "Serves POST /edit and its companions until SIGTERM or Ctrl-C.\n",
    .options = OPTION_SERVE,
    .work = serve,
};
