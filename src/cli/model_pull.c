/*
 * What counts as whole is what the engine will open: hub/snapshot.h.
 */
#include "cli/model_pull.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/interrupt.h"
#include "hub/pull.h"
#include "hub/snapshot.h"

static bool interrupted(void *arg) {
    (void)arg;
    return interrupt_requested();
}

enum status model_pull_look(struct model_pull *out, const struct config *config, bool *wanted,
                            struct error *err) {
    struct stat st;
    *out = (struct model_pull){.name = config->model_id};
    *wanted = false;
    if (!out->name || strcmp(out->name, "demo") == 0 || stat(out->name, &st) == 0 ||
        !hub_id_parse(&out->id, out->name))
        return STATUS_OK;
    struct hub_cache cache = {0};
    struct buffer missing = {0};
    char *folder = NULL;
    enum status s = hub_settings_read(&out->environment, &out->options, config, err);
    if (s == STATUS_OK) s = hub_cache_open(&cache, &out->options, &out->id, err);
    if (s == STATUS_OK) s = hub_snapshot_look(&cache, out->id.revision, &folder, &missing, err);
    *wanted = s == STATUS_OK && (!folder || missing.size > 0);
    free(folder);
    buffer_free(&missing);
    hub_cache_close(&cache);
    return s;
}

void model_pull_close(struct model_pull *p) {
    hub_environment_free(&p->environment);
}

static enum status run(struct model_pull *p, char **folder, struct error *err) {
    struct hub_pull_result result;
    p->options.tell = pull_teller_tell;
    p->options.cancelled = interrupted;
    p->options.arg = &p->teller;
    enum status s = hub_pull(&p->options, &p->id, &(struct hub_pull_wish){0}, &result, err);
    pull_teller_end(&p->teller);
    if (folder) *folder = result.folder;
    if (!folder || s != STATUS_OK) hub_pull_result_free(&result);
    return s;
}

enum status model_pull_run(struct model_pull *p, const char *command, const struct log *log,
                           struct error *err) {
    pull_teller_start(&p->teller, command, log);
    return run(p, NULL, err);
}

static enum status run_fetch(void *arg, char **folder, struct error *err) {
    return run(arg, folder, err);
}

static double share(void *arg) {
    return atomic_load(&((struct model_pull *)arg)->teller.share);
}

void model_pull_as_fetch(struct model_pull *p, const struct log *log, struct model_fetch *out) {
    pull_teller_start(&p->teller, "serve", log);
    p->teller.how = PULL_TELL_LOG;
    *out = (struct model_fetch){run_fetch, share, p};
}
