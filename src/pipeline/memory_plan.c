/*
 * The plan is found by trying: first with everything kept, then with nothing, and from there on as
 * many more blocks are kept as fit into what is left, until no more fit.  A trial is measured by
 * somebody else (engine.c); here is only the arithmetic of limits.
 */
#include "pipeline/memory_plan.h"

#include "base/memory.h"

/* What the program itself and its pictures take beside the plan. */
static const uint64_t PROGRAM_BYTES = 64 << 20;

/* Of a device's own memory that is free: for what others on it need between now and then. */
static const uint64_t DEVICE_MARGIN_PERCENT = 3, DEVICE_MARGIN_MAX = 1000000000;

uint64_t memory_plan_automatic_limit(const struct device_memory *device) {
    uint64_t available = device->is_host ? device->free : memory_available();
    uint64_t kept_free = PROGRAM_BYTES + (device->is_host ? device->spare : 0);
    return available > kept_free ? available - kept_free : 1;
}

uint64_t memory_plan_on_device(const struct memory_plan *p) {
    return p->weights + (uint64_t)p->working.device * (uint64_t)p->edits;
}

static uint64_t host_bytes(const struct memory_plan *p) {
    return ((uint64_t)p->working.host + p->working.beside) * (uint64_t)p->edits;
}

uint64_t memory_plan_peak(const struct memory_plan *p) {
    return memory_plan_on_device(p) + host_bytes(p);
}

/* Most that the device's column may have. */
static uint64_t device_limit(const struct memory_plan *p) {
    if (p->device.is_host) return p->limit > host_bytes(p) ? p->limit - host_bytes(p) : 0;
    if (p->device_limit) return p->device_limit < p->device.free ? p->device_limit : p->device.free;
    uint64_t margin = p->device.free / 100 * DEVICE_MARGIN_PERCENT;
    return p->device.free - (margin < DEVICE_MARGIN_MAX ? margin : DEVICE_MARGIN_MAX);
}

static bool fits(const struct memory_plan *p) {
    return memory_plan_on_device(p) <= device_limit(p) && host_bytes(p) <= p->limit;
}

/* Keeps more of the blocks that stream in *p, as many as the limit leaves memory for.  Tells whether
 * there were any: when a whole stack stays, its slots become free for others. */
static bool keep_more(struct memory_plan *p) {
    uint64_t left = device_limit(p) - memory_plan_on_device(p);
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

static enum status refuse(const struct memory_plan *p, const char *name, struct error *err) {
    bool several = p->edits > 1;
    if (p->device.is_host || host_bytes(p) > p->limit)
        return fail(err, STATUS_NO_MEMORY,
                    "%s cannot edit within a memory limit of %.1f MB: with all blocks streamed, "
                    "%.1f MB of weights stay, and %d edit%s of %dx%d at a time take%s %.1f MB; "
                    "raise MEMORY_LIMIT",
                    name, (double)p->limit / 1e6,
                    (double)(p->device.is_host ? p->weights : 0) / 1e6, p->edits,
                    several ? "s" : "", p->width, p->height, several ? "" : "s",
                    (double)(memory_plan_peak(p) - p->weights) / 1e6);
    if (p->device_limit && p->device_limit < p->device.free)
        return fail(
            err, STATUS_NO_MEMORY,
            "%s cannot edit on this device: with all blocks streamed, the plan needs %.1f MB "
            "of its memory, and DEVICE_MEMORY allows %.1f MB; raise it, or edit smaller "
            "pictures",
            name, (double)memory_plan_on_device(p) / 1e6, (double)p->device_limit / 1e6);
    return fail(
        err, STATUS_NO_MEMORY,
        "%s cannot edit on this device: with all blocks streamed, the plan needs %.1f MB of "
        "its memory, and %.1f MB are free (of %.1f MB); free some, or edit smaller pictures",
        name, (double)memory_plan_on_device(p) / 1e6, (double)p->device.free / 1e6,
        (double)p->device.total / 1e6);
}

enum status memory_plan_make(struct memory_plan *out, int edits, const char *name,
                             const struct memory_measure *m, struct error *err) {
    *out = (struct memory_plan){.edits = edits > 1 ? edits : 1};
    for (int i = 0; i < MODEL_STACKS; i++) out->keep[i] = INT64_MAX;
    enum status s = m->measure(m->arg, out, err);
    if (s != STATUS_OK || fits(out)) return s;

    for (int i = 0; i < MODEL_STACKS; i++) out->keep[i] = 0;
    s = m->measure(m->arg, out, err);
    if (s != STATUS_OK) return s;
    if (!fits(out)) return refuse(out, name, err);
    while (s == STATUS_OK && keep_more(out)) s = m->measure(m->arg, out, err);
    return s;
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
