/*
 * Workspaces: one edit's working memory as two stacks, planned by a dry run, and the edit's first
 * error.  A dry workspace counts what a real one would take.
 */
#include "compute/workspace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "compute/backend.h"

enum { HOST_PIECE = 64 }; /* a cache line, and the widest vector */

enum status workspace_create_dry(struct workspace **out, struct compute *c, struct error *err) {
    *out = calloc(1, sizeof **out);
    if (!*out) return fail(err, STATUS_NO_MEMORY, "no memory to plan an edit");
    **out = (struct workspace){.compute = c,
                               .dry = true,
                               .device = {.size = WORKSPACE_MAX_BYTES},
                               .host = {.size = WORKSPACE_MAX_BYTES}};
    return STATUS_OK;
}

uint64_t workspace_size_sum(struct workspace_size size) {
    uint64_t bytes;
    bool over = __builtin_add_overflow(size.device, size.host, &bytes);
    return __builtin_add_overflow(bytes, size.beside, &bytes) || over ? UINT64_MAX : bytes;
}

/* Of a workspace: what the limit bounds. */
static uint64_t limited_bytes(const struct compute *c, struct workspace_size size) {
    if (!c->backend->memory_is_host) size.device = 0;
    return workspace_size_sum(size);
}

/* Counts `bytes` for one more workspace, unless the limit forbids them; then *left is what it
 * leaves. */
static bool count_workspace(struct compute *c, uint64_t bytes, uint64_t *left) {
    uint64_t weights = c->backend->memory_is_host ? atomic_load(&c->weight_bytes) : 0;
    uint64_t before = atomic_load(&c->workspace_bytes);
    do {
        uint64_t held = weights + before;
        *left = c->memory_limit > held ? c->memory_limit - held : 0;
        if (bytes > *left) return false;
    } while (!atomic_compare_exchange_weak(&c->workspace_bytes, &before, before + bytes));
    return true;
}

enum { NEGLIGIBLE = 1 << 20 };

/* Whether the host has that much free: what is not reserved must be looked for, too. */
static bool host_has(const struct compute *c, uint64_t bytes) {
    struct device_memory memory = compute_memory(c);
    uint64_t free = memory.is_host ? memory.free : memory_available();
    uint64_t spare = memory.is_host ? memory.spare : 0;
    return bytes < NEGLIGIBLE || (free > spare && bytes < free - spare);
}

static enum status refuse(uint64_t bytes, struct error *err) {
    return fail(err, STATUS_NO_MEMORY,
                "this edit needs %.1f MB of working memory, which is not free; ask for a "
                "smaller size, or try again when other edits have ended",
                (double)bytes / 1e6);
}

static void release_memory(struct workspace *w) {
    const struct backend *b = w->compute->backend;
    if (w->device_memory) b->release(w->compute, w->device_memory, w->device.size);
    if (w->host_memory) b->release_host(w->compute, w->host_memory, w->host.size);
}

static bool reserve_memory(struct workspace *w) {
    const struct backend *b = w->compute->backend;
    w->device_memory = b->reserve(w->compute, w->device.size);
    if (w->device_memory) w->host_memory = b->reserve_host(w->compute, w->host.size);
    return w->host_memory != NULL;
}

enum status workspace_admit(struct workspace **out, struct compute *c, struct workspace_size size,
                            bool (*cancelled)(void *arg), void *arg, struct error *err) {
    uint64_t left, bytes = limited_bytes(c, size);
    *out = NULL;
    if (c->plan_only) return fail(err, STATUS_INTERNAL, "this model was opened for planning only");
    enum status s = compute_health(c, err);
    if (s != STATUS_OK) return s;
    if (!host_has(c, bytes)) return refuse(bytes, err);
    struct workspace *w = calloc(1, sizeof *w);
    if (!w) return fail(err, STATUS_NO_MEMORY, "no memory to begin an edit");
    *w = (struct workspace){.compute = c,
                            .device = {.size = size.device},
                            .host = {.size = size.host},
                            .counted = bytes,
                            .cancelled = cancelled,
                            .arg = arg};
    if (count_workspace(c, bytes, &left)) {
        *out = w;
        return STATUS_OK;
    }
    free(w);
    return fail(err, STATUS_NO_MEMORY,
                "this edit needs %.1f MB of working memory, but weights and other edits leave "
                "%.1f MB of the memory limit; ask for a smaller size, try again when other "
                "edits have ended, or raise MEMORY_LIMIT",
                (double)bytes / 1e6, (double)left / 1e6);
}

static enum status begin(struct workspace *w, struct error *err) {
    enum status s = w->compute->backend->begin(w, err);
    w->begun = s == STATUS_OK;
    return s;
}

enum status workspace_reserve(struct workspace *w, struct error *err) {
    return reserve_memory(w) ? begin(w, err) : refuse(w->counted, err);
}

enum status workspace_create(struct workspace **out, struct compute *c, struct workspace_size size,
                             bool (*cancelled)(void *arg), void *arg, struct error *err) {
    enum status s = workspace_admit(out, c, size, cancelled, arg, err);
    if (*out) s = workspace_reserve(*out, err);
    if (s == STATUS_OK) return s;
    workspace_destroy(*out);
    *out = NULL;
    return s;
}

enum status workspace_create_part(struct workspace **out, struct workspace *of,
                                  struct workspace_size size, struct error *err) {
    *out = NULL;
    uint64_t device = workspace_take(of, size.device);
    void *host = workspace_host(of, size.host);
    enum status s = workspace_check(of, err);
    if (s != STATUS_OK) return s;
    struct workspace *w = calloc(1, sizeof *w);
    if (!w) return fail(err, STATUS_NO_MEMORY, "no memory for a part of an edit's memory");
    *w = (struct workspace){.compute = of->compute,
                            .device = {.size = size.device},
                            .host = {.size = size.host},
                            .device_memory = device,
                            .host_memory = host,
                            .dry = of->dry,
                            .of = of};
    s = w->dry ? STATUS_OK : begin(w, err);
    if (s == STATUS_OK)
        *out = w;
    else
        free(w);
    return s;
}

void workspace_destroy(struct workspace *w) {
    if (!w) return;
    if (w->begun) w->compute->backend->end(w);
    if (!w->dry && !w->of) {
        release_memory(w);
        atomic_fetch_sub(&w->compute->workspace_bytes, w->counted);
    }
    free(w);
}

struct workspace_size workspace_peak(const struct workspace *w) {
    return (struct workspace_size){.device = w->device.peak, .host = w->host.peak};
}

size_t workspace_recent_peak(struct workspace *w) {
    size_t recent = w->recent;
    w->recent = w->device.used;
    return recent;
}

bool workspace_is_dry(const struct workspace *w) {
    return w->dry;
}

enum status workspace_check(struct workspace *w, struct error *err) {
    if (w->cancelled && w->cancelled(w->arg))
        return fail(err, STATUS_CANCELLED, "the edit was cancelled");
    if (w->failed != STATUS_OK) return fail(err, w->failed, "%s", w->why.text);
    return compute_health(w->compute, err);
}

const struct operation_cost *workspace_costs(struct workspace *w) {
    if (workspace_is_live(w)) w->compute->backend->wait(w);
    return w->costs;
}

void workspace_fail(struct workspace *w, enum status why, const char *format, ...) {
    va_list args;
    if (w->failed != STATUS_OK) return;
    w->failed = why;
    va_start(args, format);
    vsnprintf(w->why.text, sizeof w->why.text, format, args);
    va_end(args);
    if (why == STATUS_DEVICE) compute_lose(w->compute, w->why.text);
}

struct fence workspace_fence(struct workspace *w) {
    return (struct fence){workspace_is_live(w) ? w->compute->backend->fence(w) : 0};
}

void workspace_after(struct workspace *w, struct fence fence) {
    if (fence.number && workspace_is_live(w)) w->compute->backend->after(w, fence.number);
}

size_t workspace_mark(const struct workspace *w) {
    return w->device.used;
}

void workspace_release(struct workspace *w, size_t mark) {
    w->device.used = mark;
}

size_t workspace_host_mark(const struct workspace *w) {
    return w->host.used;
}

void workspace_host_release(struct workspace *w, size_t mark) {
    w->host.used = mark;
}

/* Takes `bytes`, rounded up to a multiple of `piece`, and writes where they begin to *from.  A real
 * run takes exactly what its dry run took; should the two ever differ, nothing more is computed and
 * the run fails at its next check. */
static bool take(struct workspace *w, struct arena *a, size_t piece, size_t bytes, size_t *from) {
    if (w->failed != STATUS_OK) return false;
    size_t left = a->size - a->used;
    if (bytes <= left) bytes = (bytes + piece - 1) / piece * piece;
    if (bytes > left) {
        if (w->dry)
            workspace_fail(w, STATUS_NO_MEMORY, "this edit needs more memory than any machine has");
        else
            workspace_fail(w, STATUS_INTERNAL, "an edit took more memory than was planned for it");
        return false;
    }
    *from = a->used;
    a->used += bytes;
    if (a->used > a->peak) a->peak = a->used;
    return true;
}

uint64_t workspace_take(struct workspace *w, size_t bytes) {
    size_t from;
    if (!take(w, &w->device, w->compute->alignment.piece, bytes, &from)) return 0;
    if (w->device.used > w->recent) w->recent = w->device.used;
    uint64_t address = w->device_memory + from;
    if (w->compute->guarded && workspace_is_live(w))
        w->compute->backend->spoil(w->compute, address, bytes);
    return address;
}

void *workspace_host(struct workspace *w, size_t bytes) {
    size_t from;
    return take(w, &w->host, HOST_PIECE, bytes, &from) && !w->dry ? w->host_memory + from : NULL;
}
