/*
 * The library's public face: opening a model, describing it, editing with it.  A model is opened
 * twice: on a device that only plans, which counts what it takes, and then for good.
 */
#include "pipeline/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model_index.h"
#include "pipeline/default_edit.h"
#include "pipeline/edit.h"
#include "pipeline/plan.h"

enum { DEFAULT_STEPS = 28 };
static const double DEFAULT_GUIDANCE_SCALE = 7.0;

/* The folder's last component. */
static char *name_of(const char *folder) {
    size_t end = strlen(folder);
    while (end > 1 && folder[end - 1] == '/') end--;
    size_t from = end;
    while (from > 0 && folder[from - 1] != '/') from--;
    return strndup(folder + from, end - from);
}

static unsigned precisions_of(enum firered_dtype t) {
    unsigned all = PRECISION_FLOAT32;
    if (t != FIRERED_DTYPE_FLOAT32) all |= PRECISION_BFLOAT16;
    if (t == FIRERED_DTYPE_INT8) all |= PRECISION_INT8;
    return all;
}

enum status engine_open_device(struct firered *e, const struct firered_options *o,
                               const struct checkpoint *checkpoint, bool plan_only,
                               struct error *err) {
    bool stored_16_bit = checkpoint_is_16_bit(checkpoint);
    e->dtype = o->dtype != FIRERED_DTYPE_AUTO ? o->dtype
               : stored_16_bit                ? FIRERED_DTYPE_BFLOAT16
                                              : FIRERED_DTYPE_FLOAT32;
    e->generator = o->generator;
    struct compute_options options = {.device = o->device,
                                      .threads = o->threads,
                                      .precisions = precisions_of(e->dtype),
                                      .kernels = o->kernels,
                                      .plan_only = plan_only,
                                      .device_memory = o->device_memory,
                                      .memory_limit = e->memory.limit,
                                      .weight_bytes = plan_only ? 0 : e->memory.weights,
                                      .log = plan_only ? NULL : o->log};
    return compute_create(&e->compute, &options, err);
}

static void fill_in_known(struct firered *e, const struct firered_options *o,
                          struct model_config *config) {
    const struct known_facts facts = {.folder = o->model,
                                      .zero_cond_t = config->transformer.zero_cond_t,
                                      .base_shift = e->scheduler.base_shift,
                                      .max_shift = e->scheduler.max_shift,
                                      .shift_terminal = e->scheduler.shift_terminal,
                                      .loras = o->loras,
                                      .lora_count = o->lora_count};
    e->known = known_model_find(&facts);
    known_model_apply(e->known, &config->edit);
}

enum status engine_read(struct firered *e, const struct firered_options *o,
                        struct model_config *config, struct error *err) {
    e->name = name_of(o->model);
    if (!e->name) return fail(err, STATUS_NO_MEMORY, "no memory to open a model");
    enum status s = source_from_folder(&e->source, o->model, err);
    if (s == STATUS_OK) s = model_index_check(e->source.paths[SOURCE_CONFIGS], &e->notes, err);
    if (s == STATUS_OK) s = model_config_load(config, &e->source, err);
    if (s == STATUS_OK && o->dtype == FIRERED_DTYPE_INT8 && !config->edit.int8)
        return fail(err, STATUS_INVALID,
                    "%s loses its edits in 8 bits, as its edit_config.json says; use the dtype "
                    "auto, bfloat16 or float32",
                    e->name);
    if (s == STATUS_OK)
        s = scheduler_config_load(&e->scheduler, e->source.paths[SOURCE_CONFIGS], err);
    if (s == STATUS_OK) s = checkpoint_open(&e->checkpoint, &e->source, err);
    if (s == STATUS_OK && weights_find(e->checkpoint.transformer, INDEX_TIMESTEP_ZERO))
        config->transformer.zero_cond_t = true;
    if (s == STATUS_OK) fill_in_known(e, o, config);
    return s;
}

enum status engine_describe_unused(struct firered *e, struct error *err) {
    enum status s = model_describe_unused(&e->model, &e->notes);
    return s == STATUS_OK ? s : fail(err, s, "no memory for notes about %s", e->name);
}

enum status engine_check_pictures(const struct edit_config *c, size_t count, struct error *err) {
    if (count >= 1 && count <= (size_t)c->max_pictures) return STATUS_OK;
    return fail(err, STATUS_INVALID, "an edit with this model takes %s, not %zu",
                c->max_pictures == 1   ? "1 picture"
                : c->max_pictures == 2 ? "1 or 2 pictures"
                                       : "1 to 3 pictures",
                count);
}

/* ---- planning memory ---- */

/* What an engine is opened with, for measuring. */
struct trial {
    const struct firered_options *options;
    const struct firered *engine; /* was read, and need have no more */
    const struct model_config *config;
};

/* struct memory_measure: loads the model on a device that only plans. */
static enum status measure(void *arg, struct memory_plan *p, struct error *err) {
    const struct trial *t = arg;
    const struct firered_options *o = t->options;
    struct firered e = {.name = t->engine->name, .scheduler = t->engine->scheduler};
    enum status s = engine_open_device(&e, o, &t->engine->checkpoint, true, err);
    if (s != STATUS_OK) return s;
    if (!p->limit) {
        p->device = compute_memory(e.compute);
        p->device_limit = o->device_memory;
        p->limit = o->memory_limit == 0 ? UINT64_MAX
                   : o->memory_limit != FIRERED_MEMORY_AUTO
                       ? o->memory_limit
                       : memory_plan_automatic_limit(&p->device);
    }
    const struct model_options options = {
        .compute = e.compute, .loras = o->loras, .lora_count = o->lora_count, .keep = p->keep};
    s = model_load(&e.model, t->config, &t->engine->checkpoint, &options, err);
    if (s == STATUS_OK) s = default_edit_memory(&e, &p->working, &p->width, &p->height, err);
    for (int i = 0; i < MODEL_STACKS && s == STATUS_OK; i++)
        p->stacks[i] = model_stack_size(&e.model, (enum model_stack)i);
    p->weights = compute_weight_bytes(e.compute);
    model_unload(&e.model);
    compute_destroy(e.compute);
    return s;
}

enum status engine_plan_memory(struct firered *e, const struct firered_options *o,
                               const struct model_config *config, struct error *err) {
    struct trial trial = {.options = o, .engine = e, .config = config};
    const struct memory_measure m = {.measure = measure, .arg = &trial};
    return memory_plan_make(&e->memory, o->edits, e->name, &m, err);
}

/* Better to say now that the weights cannot fit than to be killed when half of them are loaded. */
static enum status check_memory(const struct firered *e, struct error *err) {
    uint64_t need = e->memory.weights, available = e->memory.device.free;
    if (need <= available) return STATUS_OK;
    return fail(err, STATUS_NO_MEMORY,
                "the weights of %s take %.1f GB of memory, but only %.1f GB are free; free some, "
                "choose a smaller model, or set MEMORY_LIMIT=auto, which reads from the files what "
                "does not fit",
                e->name, (double)need / 1e9, (double)available / 1e9);
}

static void log_memory(const struct firered *e, const struct log *log) {
    struct buffer streams = {0};
    const struct memory_plan *p = &e->memory;
    if (memory_plan_describe(p, &streams) == STATUS_OK)
        log_event(log, LOG_INFO, "memory plan", LOG_INT("weight_bytes", p->weights),
                  LOG_INT("streamed_bytes", memory_plan_streamed(p)),
                  LOG_STR("streams", streams.size ? streams.data : "nothing"),
                  LOG_INT("edits", p->edits), LOG_INT("edit_bytes", workspace_size_sum(p->working)),
                  LOG_INT("peak_bytes", memory_plan_peak(p)));
    buffer_free(&streams);
}

/* Before the weights are read: a wrong guess is seen at once. */
static void log_known(const struct firered *e, const struct edit_config *c, const struct log *log) {
    log_event(log, LOG_INFO, "known model", LOG_STR("row", e->known ? e->known->name : "none"),
              LOG_STR("source", e->known ? e->known->source : ""),
              LOG_INT("steps", c->default_steps ? c->default_steps : DEFAULT_STEPS),
              LOG_STR("distilled", c->distilled ? "yes" : "no"));
}

static enum status load(struct firered *e, const struct firered_options *o,
                        const struct model_config *config, struct error *err) {
    enum status s = engine_plan_memory(e, o, config, err);
    if (s == STATUS_OK) s = check_memory(e, err);
    if (s != STATUS_OK) return s;
    log_memory(e, o->log);
    s = engine_open_device(e, o, &e->checkpoint, false, err);
    if (s != STATUS_OK) return s;
    struct model_options options = {.compute = e->compute,
                                    .loras = o->loras,
                                    .lora_count = o->lora_count,
                                    .keep = e->memory.keep,
                                    .log = o->log,
                                    .loading = o->loading,
                                    .loading_arg = o->loading_arg};
    s = model_load(&e->model, config, &e->checkpoint, &options, err);
    return s == STATUS_OK ? engine_describe_unused(e, err) : s;
}

static void log_notes(const struct firered *e, const struct log *log) {
    char note[400];
    for (const char *line = e->notes.data, *end; line && (end = strchr(line, '\n'));
         line = end + 1) {
        snprintf(note, sizeof note, "%.*s", (int)(end - line), line);
        log_event(log, LOG_WARN, "model", LOG_STR("warning", note));
    }
}

enum status firered_open(struct firered **out, const struct firered_options *o, struct error *err) {
    *out = NULL;
    struct model_config config = {0};
    struct firered *e = calloc(1, sizeof *e);
    if (!e) return fail(err, STATUS_NO_MEMORY, "no memory to open a model");
    enum status s = engine_read(e, o, &config, err);
    if (s == STATUS_OK && o->pictures &&
        engine_check_pictures(&config.edit, o->pictures, err) != STATUS_OK)
        s = STATUS_UNSUPPORTED;
    if (s == STATUS_OK) log_known(e, &config.edit, o->log);
    if (s == STATUS_OK) s = tokenizer_open(&e->tokenizer, e->source.paths[SOURCE_TOKENIZER], err);
    if (s == STATUS_OK) s = load(e, o, &config, err);
    if (s == STATUS_OK) log_notes(e, o->log);
    if (s != STATUS_OK) {
        firered_close(e);
        return s;
    }
    *out = e;
    return STATUS_OK;
}

void firered_close(struct firered *e) {
    if (!e) return;
    model_unload(&e->model);
    tokenizer_close(e->tokenizer);
    compute_destroy(e->compute);
    checkpoint_close(&e->checkpoint);
    source_free(&e->source);
    buffer_free(&e->notes);
    free(e->name);
    free(e);
}

void firered_describe(const struct firered *e, struct firered_info *out) {
    const struct edit_config *c = &e->model.config.edit;
    *out = (struct firered_info){
        .model = e->name,
        .device = compute_device(e->compute),
        .dtype = firered_dtype_name(e->dtype),
        .kernels = compute_kernels(e->compute),
        .threads = compute_threads(e->compute),
        .default_steps = c->default_steps ? (int)c->default_steps : DEFAULT_STEPS,
        .default_guidance_scale = c->distilled               ? 1.0
                                  : c->default_guidance >= 0 ? c->default_guidance
                                                             : DEFAULT_GUIDANCE_SCALE,
        .has_default_steps = c->default_steps != 0,
        .has_default_guidance = c->default_guidance >= 0,
        .distilled = c->distilled,
        .output_area = c->output_area,
        .weight_bytes = compute_weight_bytes(e->compute),
        .streamed_bytes = memory_plan_streamed(&e->memory),
        .parameters = (int64_t)e->model.parameters,
        .example_count = c->example_count,
        .note = *c->note ? c->note : NULL,
        .max_pictures = (int)c->max_pictures,
    };
    for (size_t i = 0; i < c->example_count; i++) out->examples[i] = c->examples[i];
}

void firered_edit_defaults(const struct firered *e, struct firered_edit *edit) {
    struct firered_info info;
    firered_describe(e, &info);
    edit->steps = info.default_steps;
    edit->guidance_scale = info.default_guidance_scale;
    edit->negative_prompt = " ";
}

enum status firered_edit_plan(const struct firered *e, const struct firered_edit *edit, int *width,
                              int *height, uint64_t *bytes, struct error *err) {
    struct plan plan;
    struct workspace_size peak = {0};
    enum status s = plan_edit(&plan, e, edit, err);
    if (s == STATUS_OK) s = edit_memory(e, edit, &plan, &peak, err);
    *width = plan.result.width;
    *height = plan.result.height;
    *bytes = workspace_size_sum(peak);
    plan_free(&plan);
    return s;
}

enum status firered_check_files(const struct firered *e, struct error *err) {
    return model_check_files(&e->model, &e->checkpoint, err);
}

enum status firered_check_device(const struct firered *e, struct error *err) {
    return compute_health(e->compute, err);
}

enum status firered_edit_run(struct firered *e, const struct firered_edit *edit,
                             struct firered_result *result, struct error *err) {
    return edit_run(e, edit, result, NULL, err);
}
