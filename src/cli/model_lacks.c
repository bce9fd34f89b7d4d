/*
 * The sizes are the index's: a file that is not here is known by its name alone, and the sum of all
 * less what is here is what its folder lacks.
 */
#include "cli/model_lacks.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/hub_settings.h"
#include "cli/json_out.h"
#include "cli/pull_teller.h"
#include "hub/inventory.h"
#include "hub/snapshot.h"

static uint64_t missing_bytes(const struct hub_lacks *l, size_t i) {
    uint64_t total = l->weights[i].total, there = l->weights[i].there;
    return l->weights[i].missing && total > there ? total - there : 0;
}

static json_t *as_json(const struct hub_lacks *l, const char *name) {
    json_t *paths = json_array(), *weights = json_object();
    for (const char *at = l->paths.data, *end; at && (end = strchr(at, '\n')); at = end + 1)
        json_array_append_new(paths, json_stringn(at, (size_t)(end - at)));
    for (size_t i = 0; i < HUB_WEIGHTS; i++)
        json_object_set_new(weights, l->weights[i].folder,
                            json_pack("{s:I, s:I}", "bytes", (json_int_t)l->weights[i].there,
                                      "missing_bytes", (json_int_t)missing_bytes(l, i)));
    return json_pack("{s:s, s:b, s:o, s:o}", "model", name, "whole", 0, "missing", paths, "weights",
                     weights);
}

static enum status write_text(const struct hub_lacks *l, const char *name, struct error *err) {
    printf("%s is not whole, missing:\n", name);
    for (const char *at = l->paths.data, *end; at && (end = strchr(at, '\n')); at = end + 1)
        printf("  %.*s\n", (int)(end - at), at);
    for (size_t i = 0; i < HUB_WEIGHTS; i++) {
        if (!l->weights[i].missing) continue;
        printf("weights of %s: %s here", l->weights[i].folder,
               bytes_shown(l->weights[i].there).text);
        if (missing_bytes(l, i))
            printf(", about %s missing", bytes_shown(missing_bytes(l, i)).text);
        printf("\n");
    }
    return fflush(stdout) == 0 ? STATUS_OK : fail(err, STATUS_IO, "cannot write the report");
}

enum status model_lacks_tell(const struct model_place *model, bool json, struct error *err) {
    struct hub_lacks lacks;
    uint64_t bytes = 0;
    char size[64] = "";
    enum status s = hub_folder_lacks(&lacks, model->folder, err);
    if (s == STATUS_OK && lacks.count) {
        s = json ? json_out(as_json(&lacks, model->name), err)
                 : write_text(&lacks, model->name, err);
        for (size_t i = 0; i < HUB_WEIGHTS; i++) bytes += missing_bytes(&lacks, i);
        if (bytes) snprintf(size, sizeof size, ", about %s", bytes_shown(bytes).text);
        size_t first = strcspn(lacks.paths.data, "\n");
        if (s == STATUS_OK)
            s = fail(err, STATUS_INVALID,
                     "%.120s is not whole, missing: %.*s%s%s (`firered pull %.120s`)", model->name,
                     (int)(first < 150 ? first : 150), lacks.paths.data,
                     lacks.count > 1 ? " and others" : "", size, model->name);
    }
    hub_lacks_free(&lacks);
    return s;
}

enum status model_lacks_begun(const struct config *config, enum status s, struct error *err) {
    struct hub_environment environment = {0};
    struct hub_options options;
    struct hub_inventory held = {0};
    struct hub_id id;
    const char *name = config->model_id;
    if (s != STATUS_INVALID || !name || !hub_id_parse(&id, name)) return s;
    if (hub_settings_read(&environment, &options, config, NULL) == STATUS_OK)
        hub_inventory_read(&held, &options, NULL);
    for (size_t i = 0; i < held.count; i++) {
        const struct hub_held *h = &held.items[i];
        if (strcmp(h->id.org, id.org) == 0 && strcmp(h->id.name, id.name) == 0 && !*h->commit)
            fail(err, s,
                 "%.120s is not whole: %s of a pull that was not finished are here (`firered pull "
                 "%.120s` goes on)",
                 name, bytes_shown(h->bytes).text, name);
    }
    hub_inventory_free(&held);
    hub_environment_free(&environment);
    return s;
}
