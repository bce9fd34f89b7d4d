/*
 * What counts as whole is what the engine will open: hub/snapshot.h.
 */
#include "cli/model_pull.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/interrupt.h"
#include "cli/model_place.h"
#include "hub/find.h"
#include "hub/pull.h"
#include "hub/snapshot.h"

/* Whether the model is one of the hub's that is not here whole. */
static enum status look_for_model(struct model_pull *p, struct error *err) {
    const char *name = p->config->model_id;
    struct hub_cache cache = {0};
    struct buffer missing = {0};
    char *folder = NULL;
    struct stat st;
    if (!name || strcmp(name, "demo") == 0 || stat(name, &st) == 0 || !hub_id_parse(&p->id, name))
        return STATUS_OK;
    enum status s = hub_cache_open(&cache, &p->options, &p->id, err);
    if (s == STATUS_OK) s = hub_snapshot_look(&cache, p->id.revision, &folder, &missing, err);
    p->model = s == STATUS_OK && (!folder || missing.size > 0);
    free(folder);
    buffer_free(&missing);
    hub_cache_close(&cache);
    return s;
}

static bool lora_is_here(const struct model_pull *p, size_t i) {
    char *path;
    bool here = hub_find_file(&path, p->config->loras[i].path, &p->options, NULL) == STATUS_OK;
    free(path);
    return here;
}

enum status model_pull_look(struct model_pull *out, const struct config *config, bool *wanted,
                            struct error *err) {
    *out = (struct model_pull){.config = config};
    enum status s = hub_settings_read(&out->environment, &out->options, config, err);
    if (s == STATUS_OK) s = look_for_model(out, err);
    *wanted = s == STATUS_OK && out->model;
    for (size_t i = 0; s == STATUS_OK && i < config->lora_count; i++)
        *wanted |= !lora_is_here(out, i);
    return s;
}

void model_pull_close(struct model_pull *p) {
    hub_environment_free(&p->environment);
}

static enum status pull_one(struct model_pull *p, const struct hub_id *id, const char *file,
                            struct error *err) {
    struct hub_pull_result result;
    const struct hub_pull_request request = {.file = file};
    enum status s = hub_pull(&p->options, id, &request, &result, err);
    hub_pull_result_free(&result);
    return s;
}

static enum status run(struct model_pull *p, struct error *err) {
    struct hub_file_id lora;
    pull_teller_follow(&p->teller, &p->options);
    enum status s = p->model ? pull_one(p, &p->id, NULL, err) : STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < p->config->lora_count; i++)
        if (!lora_is_here(p, i) && hub_file_id_parse(&lora, p->config->loras[i].path))
            s = pull_one(p, &lora.id, lora.file, err);
    pull_teller_end(&p->teller);
    return s;
}

enum status model_pull_run(struct model_pull *p, const char *command, const struct log *log,
                           struct error *err) {
    pull_teller_start(&p->teller, command, log);
    return run(p, err);
}

static enum status run_fetch(void *arg, char **folder, struct error *err) {
    struct model_pull *p = arg;
    struct model_place place = {0};
    enum status s = run(p, err);
    if (s == STATUS_OK) s = model_place_find(&place, p->config, err);
    *folder = place.folder;
    place.folder = NULL;
    model_place_free(&place);
    return s;
}

static double share(void *arg) {
    return atomic_load(&((struct model_pull *)arg)->teller.share);
}

void model_pull_as_fetch(struct model_pull *p, const struct log *log, struct model_fetch *out) {
    pull_teller_start(&p->teller, "serve", log);
    p->teller.how = PULL_TELL_LOG;
    *out = (struct model_fetch){run_fetch, share, p};
}
