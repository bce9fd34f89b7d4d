#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 24 };

double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

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

void progress_edit(struct progress *p, const struct firered_progress *now) {
    char rest[64];
    if (!p->shown) return;
    if (now->stage != FIRERED_STAGE_DENOISE || now->steps < 1) {
        bool decode = now->stage == FIRERED_STAGE_DECODE;
        draw(decode ? "decode" : "encode", decode ? 1.0 : 0.0, "");
        return;
    }
    if (p->denoise_started == 0.0) p->denoise_started = seconds_now();
    int n = snprintf(rest, sizeof rest, "%d/%d", now->step, now->steps);
    if (now->step > 0) {
        double each = (seconds_now() - p->denoise_started) / now->step;
        double left = each * (now->steps - now->step);
        snprintf(rest + n, sizeof rest - (size_t)n, "  %.0f s left", left);
    }
    draw("denoise", (double)now->step / now->steps, rest);
}

void progress_end(struct progress *p) {
    if (!p->shown) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->shown = false;
}
