/*
 * Workspaces: one edit's working memory as a stack, planned by a dry run, and the edit's first
 * error.  A dry workspace counts what a real one would take.
 */
#include "compute/workspace.h"

#include <stdlib.h>

#include "compute/backend.h"

enum status workspace_create_dry(struct workspace **out, struct compute *c, struct error *err) {
    *out = calloc(1, sizeof **out);
    if (!*out) return fail(err, STATUS_NO_MEMORY, "no memory to plan an edit");
    **out = (struct workspace){.compute = c, .dry = true, .size = WORKSPACE_MAX_BYTES};
    return STATUS_OK;
}

/* Counts `bytes` for one more workspace, unless the limit forbids them; then *left is what it
 * leaves. */
static bool count_workspace(struct compute *c, size_t bytes, uint64_t *left) {
    uint64_t weights = atomic_load(&c->weight_bytes), before = atomic_load(&c->workspace_bytes);
    do {
        uint64_t held = weights + before;
        *left = c->memory_limit > held ? c->memory_limit - held : 0;
        if (bytes > *left) return false;
    } while (!atomic_compare_exchange_weak(&c->workspace_bytes, &before, before + bytes));
    return true;
}

enum status workspace_create(struct workspace **out, struct compute *c, size_t bytes,
                             bool (*cancelled)(void *arg), void *arg, struct error *err) {
    uint64_t left;
    *out = NULL;
    if (c->plan_only) return fail(err, STATUS_INTERNAL, "this model was opened for planning only");
    if (!count_workspace(c, bytes, &left))
        return fail(err, STATUS_NO_MEMORY,
                    "this edit needs %.1f MB of working memory, but weights and other edits leave "
                    "%.1f MB of the memory limit; ask for a smaller size, try again when other "
                    "edits have ended, or raise MEMORY_LIMIT",
                    (double)bytes / 1e6, (double)left / 1e6);
    struct workspace *w = calloc(1, sizeof *w);
    uint64_t memory = w ? c->backend->reserve(c, bytes) : 0;
    if (!memory) {
        atomic_fetch_sub(&c->workspace_bytes, bytes);
        free(w);
        return fail(err, STATUS_NO_MEMORY,
                    "this edit needs %.1f MB of working memory, which is not free; ask for a "
                    "smaller size, or try "
                    "again when other edits have ended",
                    (double)bytes / 1e6);
    }
    *w = (struct workspace){
        .compute = c, .memory = memory, .size = bytes, .cancelled = cancelled, .arg = arg};
    *out = w;
    return STATUS_OK;
}

enum status workspace_create_part(struct workspace **out, struct workspace *of, size_t bytes,
                                  struct error *err) {
    *out = NULL;
    uint64_t memory = workspace_take(of, bytes);
    enum status s = workspace_check(of, err);
    if (s != STATUS_OK) return s;
    struct workspace *w = calloc(1, sizeof *w);
    if (!w) return fail(err, STATUS_NO_MEMORY, "no memory for a part of an edit's memory");
    *w = (struct workspace){
        .compute = of->compute, .memory = memory, .size = bytes, .dry = of->dry, .part = true};
    *out = w;
    return STATUS_OK;
}

void workspace_destroy(struct workspace *w) {
    if (!w) return;
    if (!w->dry && !w->part) {
        w->compute->backend->release(w->compute, w->memory, w->size);
        atomic_fetch_sub(&w->compute->workspace_bytes, w->size);
    }
    free(w);
}

size_t workspace_peak(const struct workspace *w) {
    return w->peak;
}

size_t workspace_recent_peak(struct workspace *w) {
    size_t recent = w->recent;
    w->recent = w->used;
    return recent;
}

bool workspace_is_dry(const struct workspace *w) {
    return w->dry;
}

enum status workspace_check(struct workspace *w, struct error *err) {
    if (w->cancelled && w->cancelled(w->arg))
        return fail(err, STATUS_CANCELLED, "the edit was cancelled");
    if (w->failed != STATUS_OK)
        return fail(err, w->failed, "%s", w->why ? w->why : "the device failed while editing");
    return STATUS_OK;
}

const struct operation_cost *workspace_costs(const struct workspace *w) {
    return w->costs;
}

double workspace_flops(const struct workspace *w) {
    double flops = 0;
    for (int i = 0; i < OPERATIONS; i++) flops += w->costs[i].flops;
    return flops;
}

void workspace_give_up(struct workspace *w, enum status failed, const char *why) {
    if (w->failed != STATUS_OK) return;
    w->failed = failed;
    w->why = why;
}

size_t workspace_mark(const struct workspace *w) {
    return w->used;
}

void workspace_release(struct workspace *w, size_t mark) {
    w->used = mark;
}

/* A real run takes exactly what its dry run took; should the two ever differ, nothing more is
 * computed and the run fails at its next check. */
uint64_t workspace_take(struct workspace *w, size_t bytes) {
    if (w->failed != STATUS_OK) return 0;
    size_t left = w->size - w->used, piece = w->compute->alignment.piece;
    if (bytes <= left) bytes = (bytes + piece - 1) / piece * piece;
    if (bytes > left) {
        if (w->dry)
            workspace_give_up(w, STATUS_NO_MEMORY,
                              "this edit needs more memory than any machine has");
        else
            workspace_give_up(w, STATUS_INTERNAL,
                              "an edit took more memory than was planned for it");
        return 0;
    }
    uint64_t address = w->memory + w->used;
    w->used += bytes;
    if (w->used > w->peak) w->peak = w->used;
    if (w->used > w->recent) w->recent = w->used;
    return address;
}

void *workspace_host(struct workspace *w, size_t bytes) {
    uint64_t address = workspace_take(w, bytes);
    return workspace_is_live(w) ? (void *)(uintptr_t)address
                                : NULL; /* NOLINT(performance-no-int-to-ptr) */
}
