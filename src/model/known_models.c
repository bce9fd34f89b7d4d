/*
 * The table, and the search in it.  Rows are tried in their order, so that narrow patterns stand
 * before wide ones; letters' case and the organisation do not count, since mirrors and copies keep
 * NAME.  Patterns name what was published and no more: a model that somebody derived from one of
 * these may want to be run otherwise.
 */
#include "model/known_models.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define FIRERED_INFERENCE "FireRed-Image-Edit's inference.py: 40 steps, true_cfg_scale 4.0"
#define FIRERED_ZOO                                                                                \
    "the Model Zoo in FireRed-Image-Edit's README: the distilled model is Lightning-8steps"
#define QWEN_README      "Qwen-Image's README, its example of this model"
#define LIGHTNING_README "Qwen-Image-Lightning's README: N steps, cfg 1.0"
#define LIGHTNING_SCRIPT                                                                           \
    "Qwen-Image-Lightning's generate_with_diffusers.py: 8 steps and cfg 1.0 where nothing is said"

static const struct known_model table[] = {
    /* Adapters that distil what they are merged into. */
    {"FireRed Lightning LoRA, 8 steps", .lora = "FireRed-Image-Edit-*Lightning*8step*", .steps = 8,
     .guidance = 1, .distilled = true, .source = FIRERED_ZOO},
    {"Qwen-Image-Edit Lightning LoRA, 4 steps", .lora = "Qwen-Image-Edit-*Lightning*4step*",
     .steps = 4, .guidance = 1, .distilled = true, .source = LIGHTNING_README},
    {"Qwen-Image-Edit Lightning LoRA, 8 steps", .lora = "Qwen-Image-Edit-*Lightning*8step*",
     .steps = 8, .guidance = 1, .distilled = true, .source = LIGHTNING_README},

    /* Models by their ids.  The first version keeps what its original backend ran it with. */
    {"FireRed-Image-Edit distilled", .id = "FireRed-Image-Edit-*Distilled*", .steps = 8,
     .guidance = 1, .distilled = true, .source = FIRERED_ZOO},
    {"FireRed-Image-Edit Lightning", .id = "FireRed-Image-Edit-*Lightning*", .steps = 8,
     .guidance = 1, .distilled = true, .source = FIRERED_ZOO},
    {"FireRed-Image-Edit-1.0", .id = "FireRed-Image-Edit-1.0", .steps = 28, .guidance = 7,
     .source = "the original backend's defaults"},
    {"FireRed-Image-Edit-1.1", .id = "FireRed-Image-Edit-1.1", .steps = 40, .guidance = 4,
     .source = FIRERED_INFERENCE},
    {"Qwen-Image-Edit Lightning, 4 steps", .id = "Qwen-Image-Edit-*Lightning*4step*", .steps = 4,
     .guidance = 1, .distilled = true, .source = LIGHTNING_README},
    {"Qwen-Image-Edit Lightning", .id = "Qwen-Image-Edit-*Lightning*", .steps = 8, .guidance = 1,
     .distilled = true, .source = LIGHTNING_SCRIPT},
    {"Qwen-Image-Edit-2511", .id = "Qwen-Image-Edit-2511", .steps = 40, .guidance = 4,
     .source = QWEN_README},
    {"Qwen-Image-Edit-2509", .id = "Qwen-Image-Edit-2509", .steps = 40, .guidance = 4,
     .source = QWEN_README},
    {"Qwen-Image-Edit", .id = "Qwen-Image-Edit", .steps = 50, .guidance = 4, .source = QWEN_README},

    /* Models by their configs.  The class and configs of FireRed-Image-Edit are those of
     * Qwen-Image-Edit-2509: without a name nobody can tell them apart.  A schedule is only
     * a hint, and forbids no guidance. */
    {"a Lightning schedule", .shift_3 = true, .steps = 8, .guidance = 1,
     .source = LIGHTNING_SCRIPT},
    {"like Qwen-Image-Edit-2511", .class = "QwenImageEditPlusPipeline", .zero_cond_t = true,
     .steps = 40, .guidance = 4, .source = QWEN_README},
    {"like Qwen-Image-Edit", .class = "QwenImageEditPipeline", .steps = 50, .guidance = 4,
     .source = QWEN_README},
};

struct name {
    char text[256];
};

static const char *last_part(const char *path, size_t *length) {
    size_t end = strlen(path), from;
    while (end > 1 && path[end - 1] == '/') end--;
    for (from = end; from > 0 && path[from - 1] != '/';) from--;
    *length = end - from;
    return path + from;
}

/* NAME of .../models--ORG--NAME/snapshots/COMMIT, else the folder's own. */
static struct name name_of(const char *folder) {
    struct name name;
    size_t length;
    const char *at = last_part(folder, &length);
    const char *repo = strstr(folder, "models--"), *end = repo ? strstr(repo, "/snapshots/") : NULL;
    const char *two = repo ? strstr(repo + strlen("models--"), "--") : NULL;
    if (end && two && two < end) {
        at = two + 2;
        length = (size_t)(end - at);
    }
    snprintf(name.text, sizeof name.text, "%.*s", (int)(length < 255 ? length : 255), at);
    return name;
}

static struct name class_of(const char *folder) {
    struct name name = {""};
    char path[4096];
    json_t *root = NULL;
    struct error ignored;
    int n = snprintf(path, sizeof path, "%s/model_index.json", folder);
    if (n > 0 && n < (int)sizeof path && json_open(&root, path, 1 << 20, &ignored) == STATUS_OK) {
        const char *text = json_string_value(json_object_get(root, "_class_name"));
        snprintf(name.text, sizeof name.text, "%s", text ? text : "");
    }
    json_decref(root);
    return name;
}

static bool matches(const char *pattern, const char *name) {
    return fnmatch(pattern, name, FNM_CASEFOLD) == 0;
}

static bool has_lora(const struct known_facts *f, const char *pattern) {
    for (size_t i = 0; i < f->lora_count; i++) {
        size_t length;
        if (matches(pattern, last_part(f->loras[i].path, &length))) return true;
    }
    return false;
}

static bool is_shift_3(const struct known_facts *f) {
    return fabs(f->base_shift - log(3)) < 1e-3 && fabs(f->max_shift - log(3)) < 1e-3 &&
           f->shift_terminal == 0;
}

static bool fits(const struct known_model *row, const struct known_facts *f, const char *name,
                 const char *class) {
    if (row->lora) return has_lora(f, row->lora);
    if (row->id) return matches(row->id, name);
    return (!row->class || strcmp(row->class, class) == 0) &&
           (!row->zero_cond_t || f->zero_cond_t) && (!row->shift_3 || is_shift_3(f));
}

const struct known_model *known_model_find(const struct known_facts *facts) {
    struct name name = name_of(facts->folder), class = class_of(facts->folder);
    const struct known_model *row;
    for (size_t i = 0; (row = known_model_at(i)); i++)
        if (fits(row, facts, name.text, class.text)) break;
    return row;
}

const struct known_model *known_model_at(size_t i) {
    return i < sizeof table / sizeof *table ? &table[i] : NULL;
}

void known_model_apply(const struct known_model *row, struct edit_config *config) {
    if (!row) return;
    if (!config->distilled_given && config->default_guidance <= 1)
        config->distilled = row->distilled;
    if (!config->default_steps) config->default_steps = row->steps;
    if (config->default_guidance < 0) config->default_guidance = row->guidance;
}
