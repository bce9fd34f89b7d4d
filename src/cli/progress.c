/*
 * The line is drawn over itself: carriage return, clear, write.  What is left is foretold from
 * what is done, so that no model of costs is needed.
 */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { BAR_WIDTH = 24 };

void progress_start(struct progress *p, bool wanted) {
    *p = (struct progress){.shown = wanted && isatty(STDERR_FILENO)};
}

static void draw(const char *stage, double share, const char *rest) {
    char bar[BAR_WIDTH + 1];
    int full = (int)(share * BAR_WIDTH);
    full = full < 0 ? 0 : full > BAR_WIDTH ? BAR_WIDTH : full;
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '=', (size_t)full);
    if (full < BAR_WIDTH) bar[full] = '>';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r\033[K%-8s [%s] %s", stage, bar, rest);
    fflush(stderr);
}

void progress_loading(void *progress, double share) {
    struct progress *p = progress;
    char rest[32];
    if (!p->shown) return;
    snprintf(rest, sizeof rest, "%3.0f%%", share * 100.0);
    draw("load", share, rest);
}

/* "3/28  31 s left"; seconds_left negative: unknown. */
static void draw_count(const char *stage, size_t done, size_t count, double seconds_left) {
    char rest[64];
    int n = snprintf(rest, sizeof rest, "%zu/%zu", done, count);
    if (seconds_left >= 0)
        snprintf(rest + n, sizeof rest - (size_t)n, "  %.0f s left", seconds_left);
    draw(stage, (double)done / (double)count, rest);
}

/* Draws and measures: what is left takes as long as what is done. */
static void count_on(struct progress *p, const char *stage, size_t done, size_t count) {
    if (p->counted_from == 0.0) p->counted_from = clock_now_seconds();
    double left = -1;
    if (done > 0)
        left = (clock_now_seconds() - p->counted_from) / (double)done * (double)(count - done);
    draw_count(stage, done, count, left);
}

void progress_edit(struct progress *p, const struct firered_progress *now) {
    if (!p->shown) return;
    if (now->stage == FIRERED_STAGE_DENOISE && now->steps > 0)
        count_on(p, firered_stage_name(now->stage), (size_t)now->step, (size_t)now->steps);
    else
        draw(firered_stage_name(now->stage), now->stage == FIRERED_STAGE_DECODE ? 1.0 : 0.0, "");
}

void progress_queued(struct progress *p, int position) {
    char rest[32];
    snprintf(rest, sizeof rest, "place %d", position);
    if (p->shown) draw("queue", 0.0, rest);
}

void progress_steps(struct progress *p, int step, int steps, double seconds_left) {
    if (p->shown)
        draw_count(firered_stage_name(FIRERED_STAGE_DENOISE), (size_t)step, (size_t)steps,
                   seconds_left);
}

void progress_items(struct progress *p, const char *name, size_t done, size_t count) {
    if (p->shown) count_on(p, name, done, count);
}

void progress_end(struct progress *p) {
    if (!p->shown) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->shown = false;
}
