/*
 * All is counted by dry runs.  The smallest edit, by which an engine is warmed, is an ordinary one
 * on a copy of the engine that has other areas: networks and weights are the same.
 */
#include "pipeline/default_edit.h"

#include "base/memory.h"
#include "pipeline/edit.h"
#include "pipeline/plan.h"
#include "text/prompt.h"

enum { USUAL_PROMPT_TOKENS = 24 }; /* a sentence */

struct default_edit {
    struct picture picture; /* without pixels */
    struct firered_edit edit;
    struct plan plan;
};

/* steps of 0: the model's own, with its guidance. */
static enum status make(struct default_edit *d, const struct firered *e, int steps,
                        double guidance_scale, size_t prompt_tokens, struct error *err) {
    struct edit_size size = size_for_area(e->model.config.edit.output_area, 1, 1);
    *d = (struct default_edit){.picture = {.width = size.width, .height = size.height}};
    d->edit = (struct firered_edit){.pictures = &d->picture, .picture_count = 1};
    firered_edit_defaults(e, &d->edit);
    if (steps) d->edit.steps = steps;
    if (steps) d->edit.guidance_scale = guidance_scale;
    return plan_unwritten_edit(&d->plan, e, &d->edit, prompt_tokens, err);
}

enum status default_edit_memory(const struct firered *e, struct workspace_size *working, int *width,
                                int *height, struct error *err) {
    struct default_edit d;
    enum status s = make(&d, e, 0, 0, PROMPT_MAX_TOKENS, err);
    if (s == STATUS_OK) s = edit_memory(e, &d.edit, &d.plan, working, err);
    *width = d.plan.output.width;
    *height = d.plan.output.height;
    plan_free(&d.plan);
    return s;
}

enum status firered_estimate(const struct firered *e, int steps, double guidance_scale,
                             struct firered_estimate *out, struct error *err) {
    struct default_edit d;
    struct edit_costs costs;
    /* The costs of one more step are those of a second one. */
    enum status s = make(&d, e, steps > 1 ? steps : 2, guidance_scale, USUAL_PROMPT_TOKENS, err);
    if (s == STATUS_OK) s = edit_costs(e, &d.edit, &d.plan, &costs, err);
    *out = (struct firered_estimate){.width = d.plan.output.width, .height = d.plan.output.height};
    if (s == STATUS_OK) out->flops = edit_costs_flops(&costs, steps);
    if (s == STATUS_OK) out->seconds = edit_costs_seconds(&costs, &e->speed, steps, d.plan.guided);
    plan_free(&d.plan);
    return s;
}

/* ---- whether there is room for it ---- */

/* Beside an edit: the stacks of threads, and what the allocator takes of addresses at a time. */
static const uint64_t PROGRAM_ADDRESSES = 32 << 20;

static uint64_t less(uint64_t a, uint64_t b) {
    return a > b ? a - b : 0;
}

static enum status refuse(const struct default_edit *d, uint64_t need, uint64_t left,
                          const char *what, struct error *err) {
    return fail(
        err, STATUS_NO_MEMORY,
        "an edit of %dx%d with the default settings takes %.1f MB of working memory, but %s "
        "%.1f MB more",
        d->plan.output.width, d->plan.output.height, (double)need / 1e6, what, (double)left / 1e6);
}

enum status firered_check_room(const struct firered *e, int steps, double guidance_scale,
                               struct error *err) {
    struct default_edit d;
    struct workspace_size size = {0};
    struct device_memory device = compute_memory(e->compute);
    uint64_t limit = less(e->memory.limit, device.is_host ? e->memory.weights : 0);
    uint64_t addresses = less(memory_addresses_left(), PROGRAM_ADDRESSES);
    enum status s = make(&d, e, steps, guidance_scale, PROMPT_MAX_TOKENS, err);
    if (s == STATUS_OK) s = edit_memory(e, &d.edit, &d.plan, &size, err);
    uint64_t host = device.is_host ? workspace_size_sum(size) : size.host;
    uint64_t free = less(device.is_host ? device.free : memory_available(), device.spare);
    if (s == STATUS_OK && host > addresses)
        s = refuse(&d, host, addresses, "the process's own limits (ulimit -v, -d) leave it", err);
    if (s == STATUS_OK && host > limit)
        s = refuse(&d, host, limit, "weights and MEMORY_LIMIT leave it", err);
    if (s == STATUS_OK && host > free)
        s = refuse(&d, host, free, "the machine and the control groups have", err);
    if (s == STATUS_OK && !device.is_host && size.device > device.free)
        s = refuse(&d, size.device, device.free, "the device has", err);
    plan_free(&d.plan);
    return s;
}

/* ---- warming up ---- */

enum { SIDE = 64 };

/* About as many tokens as a picture that small: what a layer is given, it does at its usual speed. */
static const char prompt[] =
    "Make the sky over the old harbour a deep evening blue, light the lamps "
    "along the quay, and leave the boats, the people and everything else "
    "in the picture exactly as they are now, in the same places.";

enum status firered_warm_up(struct firered *e, struct error *err) {
    static uint8_t black[SIDE * SIDE * 3];
    const struct picture picture = {SIDE, SIDE, black};
    const struct firered_edit edit = {
        .pictures = &picture, .picture_count = 1, .prompt = prompt, .steps = 1, .guidance_scale = 1};
    struct firered small = *e;
    struct edit_config *c = &small.model.config.edit;
    struct firered_result result;
    c->condition_area = c->vae_area = 1; /* the smallest that there is */
    c->output_area = SIDE * SIDE;
    enum status s = edit_run(&small, &edit, &result, NULL, err);
    if (s == STATUS_OK) engine_speed_measure(&e->speed, &result);
    picture_free(&result.picture);
    return s;
}
