#include "pipeline/memory_plan.h"

#include "base/memory.h"
#include "pipeline/edit.h"

/* Left out of an automatic limit: what the program itself and its pictures take beside the plan, and
 * as much again that is never taken (SPARE_BYTES in compute/cpu/cpu.c). */
static const uint64_t ALLOWANCE = 128 << 20;

static uint64_t limit_of(const struct firered_options *o) {
    if (o->memory_limit == 0) return UINT64_MAX;
    if (o->memory_limit != FIRERED_MEMORY_AUTO) return o->memory_limit;
    uint64_t available = memory_available();
    return available > ALLOWANCE ? available - ALLOWANCE : 1;
}

/* The largest edit that nobody had to ask for: one picture, the model's own output size, the
 * longest prompts. */
static enum status measure_edit(struct memory_plan *p, const struct firered *e, struct error *err) {
    struct edit_size size = size_for_area(e->model.config.edit.output_area, 1, 1);
    struct picture picture = {.width = size.width, .height = size.height};
    struct firered_edit edit = {.pictures = &picture, .picture_count = 1};
    firered_edit_defaults(e, &edit);
    struct plan plan;
    struct workspace_size working = {0};
    enum status s = plan_longest_edit(&plan, e, &edit, err);
    if (s == STATUS_OK) s = edit_memory(e, &edit, &plan, &working, err);
    p->working = workspace_size_sum(working);
    p->width = plan.output.width;
    p->height = plan.output.height;
    plan_free(&plan);
    return s;
}

/* Fills in the rest of a plan that keeps p->keep blocks. */
static enum status measure(struct memory_plan *p, const struct firered_options *o,
                           const struct firered *engine, const struct model_config *config,
                           struct error *err) {
    struct firered trial = {.name = engine->name, .scheduler = engine->scheduler};
    enum status s = engine_open_device(&trial, o, &engine->checkpoint, true, err);
    if (s != STATUS_OK) return s;
    const struct model_options options = {
        .compute = trial.compute, .loras = o->loras, .lora_count = o->lora_count, .keep = p->keep};
    s = model_load(&trial.model, config, &engine->checkpoint, &options, err);
    if (s == STATUS_OK) s = measure_edit(p, &trial, err);
    for (int i = 0; i < MODEL_STACKS && s == STATUS_OK; i++)
        p->stacks[i] = model_stack_size(&trial.model, (enum model_stack)i);
    p->weights = compute_weight_bytes(trial.compute);
    model_unload(&trial.model);
    compute_destroy(trial.compute);
    return s;
}

/* Keeps more of the blocks that stream in *p, as many as the limit has room for beside it.  Tells
 * whether there were any: when a whole stack stays, its rooms become free for others. */
static bool keep_more(struct memory_plan *p) {
    uint64_t left = p->limit - memory_plan_peak(p);
    bool more = false;
    for (int i = 0; i < MODEL_STACKS; i++) {
        const struct blocks_size *stack = &p->stacks[i];
        if (!stack->streamed) continue;
        int64_t fit = (int64_t)(left / stack->largest);
        if (fit > stack->streamed) fit = stack->streamed;
        p->keep[i] += fit;
        left -= (uint64_t)fit * stack->largest;
        more = more || fit > 0;
    }
    return more;
}

enum status memory_plan_make(struct memory_plan *out, const struct firered_options *o,
                             const struct firered *engine, const struct model_config *config,
                             struct error *err) {
    *out = (struct memory_plan){.limit = limit_of(o), .edits = o->edits > 1 ? o->edits : 1};
    for (int i = 0; i < MODEL_STACKS; i++) out->keep[i] = INT64_MAX;
    enum status s = measure(out, o, engine, config, err);
    if (s != STATUS_OK || memory_plan_peak(out) <= out->limit) return s;

    for (int i = 0; i < MODEL_STACKS; i++) out->keep[i] = 0;
    s = measure(out, o, engine, config, err);
    if (s != STATUS_OK) return s;
    if (memory_plan_peak(out) > out->limit)
        return fail(err, STATUS_NO_MEMORY,
                    "%s cannot edit within a memory limit of %.1f MB: with all blocks streamed, "
                    "%.1f MB of weights stay, and %d edit%s of %dx%d at a time take%s %.1f MB; "
                    "raise MEMORY_LIMIT",
                    engine->name, (double)out->limit / 1e6, (double)out->weights / 1e6, out->edits,
                    out->edits > 1 ? "s" : "", out->width, out->height, out->edits > 1 ? "" : "s",
                    (double)out->working * out->edits / 1e6);
    while (s == STATUS_OK && keep_more(out)) s = measure(out, o, engine, config, err);
    return s;
}

uint64_t memory_plan_peak(const struct memory_plan *p) {
    return p->weights + (uint64_t)p->working * (uint64_t)p->edits;
}

uint64_t memory_plan_streamed(const struct memory_plan *p) {
    uint64_t bytes = 0;
    for (int i = 0; i < MODEL_STACKS; i++) bytes += p->stacks[i].streamed_bytes;
    return bytes;
}

enum status memory_plan_describe(const struct memory_plan *p, struct buffer *out) {
    enum status s = STATUS_OK;
    for (int i = 0; i < MODEL_STACKS && s == STATUS_OK; i++) {
        const struct blocks_size *stack = &p->stacks[i];
        if (stack->streamed)
            s = buffer_printf(out, "%s%lld of %lld %s", out->size ? ", " : "",
                              (long long)stack->streamed, (long long)stack->count, stack->name);
    }
    return s;
}
