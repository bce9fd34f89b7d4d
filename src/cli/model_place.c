/*
 * The hub's cache knows where an id lies.  Without a MODEL_ID the published model is looked for
 * first, and the demo model stands in for it.
 */
#include "cli/model_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/hub_settings.h"
#include "hub/find.h"
#include "hub/id.h"

#define DEFAULT_MODEL "FireRedTeam/FireRed-Image-Edit-1.0"

const char model_place_stand_in[] =
    "running the small demo model, which knows simple changes of colour and light: MODEL_ID is not "
    "set "
    "and " DEFAULT_MODEL " is not in the local cache; `firered pull " DEFAULT_MODEL
    "` fetches it, or set MODEL_ID to its folder";

/* An id is shown as it is; of a folder only its last part: where it lies is nobody's business. */
static char *shown_name(const char *model_id) {
    size_t length = strlen(model_id);
    while (length > 1 && model_id[length - 1] == '/') length--;
    bool id = model_id[0] != '/' && model_id[0] != '.' && model_id[0] != '~';
    size_t slashes = 0, last = 0;
    for (size_t i = 0; i < length; i++)
        if (model_id[i] == '/') {
            slashes++;
            last = i + 1;
        }
    if (id && slashes <= 1) last = 0;
    return strndup(model_id + last, length - last);
}

static enum status find_loras(const struct config *config, const struct hub_options *hub,
                              struct error *err) {
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < config->lora_count; i++) {
        struct firered_lora *lora = &config->loras[i];
        char *path;
        s = hub_find_file(&path, lora->path, hub, err);
        if (s != STATUS_OK) break;
        free((char *)lora->path);
        lora->path = path;
    }
    return s;
}

static enum status find(struct model_place *out, const struct config *config, bool loras,
                        struct error *err) {
    *out = (struct model_place){0};
    struct hub_environment environment;
    struct hub_options hub;
    enum status s = hub_settings_read(&environment, &hub, config, err);
    const char *id = config->model_id ? config->model_id : DEFAULT_MODEL;
    if (s == STATUS_OK) s = hub_find_model(&out->folder, id, &hub, err);
    if (s == STATUS_INVALID && !config->model_id) {
        id = "demo";
        out->stands_in = true;
        s = hub_find_model(&out->folder, id, &hub, err);
    }
    if (s == STATUS_OK && loras) s = find_loras(config, &hub, err);
    if (s == STATUS_OK && !(out->name = shown_name(id)))
        s = fail(err, STATUS_NO_MEMORY, "no memory for the model's name");
    hub_environment_free(&environment);
    if (s != STATUS_OK) model_place_free(out);
    return s;
}

enum status model_place_find(struct model_place *out, const struct config *config,
                             struct error *err) {
    return find(out, config, true, err);
}

enum status model_place_find_model(struct model_place *out, const struct config *config,
                                   struct error *err) {
    return find(out, config, false, err);
}

enum status model_place_doubt(const struct config *config, enum status s, struct error *err) {
    struct hub_id id;
    struct stat st;
    const char *name = config->model_id;
    struct error why = *err;
    if (s != STATUS_INVALID || config->lora_count || !name || stat(name, &st) == 0 ||
        !hub_id_parse(&id, name))
        return s;
    return fail(err, s, "%.330s (`firered verify %.100s` tells whether its files are damaged)",
                why.text, name);
}

enum status model_open(struct firered **out, struct model_place *place, const char *command,
                       const struct config *config, size_t pictures, const struct log *log,
                       struct progress *progress, struct error *err) {
    enum status s = model_place_find(place, config, err);
    if (s != STATUS_OK) return s;
    if (place->stands_in) fprintf(stderr, "firered %s: %s\n", command, model_place_stand_in);
    const struct firered_options options = {
        .model = place->folder,
        .device = config->device,
        .dtype = config->dtype,
        .generator = config->seed_generator,
        .threads = config->threads,
        .memory_limit = config->memory_limit,
        .device_memory = config->device_memory,
        .loras = config->loras,
        .lora_count = config->lora_count,
        .pictures = pictures,
        .log = log,
        .loading = progress_loading,
        .loading_arg = progress,
    };
    s = model_place_doubt(config, firered_open(out, &options, err), err);
    progress_end(progress);
    return s;
}

void model_place_free(struct model_place *p) {
    free(p->folder);
    free(p->name);
    *p = (struct model_place){0};
}
