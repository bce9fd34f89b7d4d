/*
 * firered info: checks a model's folder without loading it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/model_place.h"
#include "config/options.h"
#include "firered.h"

static int info(const struct config *config, const struct args *args, struct error *err) {
    (void)args;
    struct model_place model;
    enum status s = model_place_find(&model, config, err);
    if (s != STATUS_OK) return EXIT_FAILED;
    if (model.stands_in) fprintf(stderr, "firered info: %s\n", model_place_stand_in);
    char *report = NULL;
    const struct firered_options options = {.model = model.folder,
                                            .device = config->device,
                                            .dtype = config->dtype,
                                            .threads = config->threads,
                                            .memory_limit = config->memory_limit};
    s = firered_inspect(&options, &report, err);
    if (s == STATUS_OK && (fputs(report, stdout) < 0 || fflush(stdout) != 0))
        s = fail(err, STATUS_IO, "cannot write the report");
    free(report);
    model_place_free(&model);
    return s == STATUS_OK ? EXIT_OK : EXIT_FAILED;
}

int cmd_info(int argc, char **argv) {
    static const struct command command = {
        .name = "info",
        .help = "usage: firered info [FLAGS]\n\n"
                "Checks every tensor of a model's folder by name and shape, and tells sizes, "
                "memory, device and defaults.\n",
        .options = OPTION_INFO,
        .work = info,
    };
    return command_run(&command, argc, argv);
}
