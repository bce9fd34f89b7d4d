/*
 * Every event is one write; the room hub lets one thread tell at a time.
 */
#include "cli/pull_teller.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/interrupt.h"

enum { LOG_SECONDS = 10 };

struct bytes_text bytes_shown(uint64_t bytes) {
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    struct bytes_text out;
    double value = (double)bytes;
    int unit = -1;
    while (value >= 999.95 && unit < 3) {
        value /= 1000;
        unit++;
    }
    if (unit < 0)
        snprintf(out.text, sizeof out.text, "%" PRIu64 " bytes", bytes);
    else
        snprintf(out.text, sizeof out.text, "%.1f %s", value, units[unit]);
    return out;
}

void pull_teller_start(struct pull_teller *t, const char *command, const struct log *log) {
    *t = (struct pull_teller){.command = command, .log = log, .logged = clock_now_seconds()};
    t->how = isatty(STDERR_FILENO) ? PULL_TELL_LINE : log ? PULL_TELL_LOG : PULL_TELL_NOTHING;
}

static double percent_of(const struct hub_event *e) {
    return e->total ? 100.0 * (double)e->bytes / (double)e->total : 100.0;
}

/* "45 s", "4 min", "1 h 10 min". */
static void write_time(char *out, size_t size, double seconds) {
    if (seconds < 90)
        snprintf(out, size, "%.0f s", seconds);
    else if (seconds < 5400)
        snprintf(out, size, "%.0f min", seconds / 60);
    else
        snprintf(out, size, "%.0f h %.0f min", (double)(int)(seconds / 3600),
                 (double)((int)(seconds / 60) % 60));
}

static void draw(struct pull_teller *t, const struct hub_event *e) {
    char items[32] = "", left[48] = "", time[32];
    if (e->items > 1) snprintf(items, sizeof items, " %zu/%zu", e->item, e->items);
    if (e->seconds >= 0 && e->rate >= 1) {
        write_time(time, sizeof time, e->seconds);
        snprintf(left, sizeof left, "  %s left", time);
    }
    fprintf(stderr, "\r\033[K%s%s  %s of %s  %.0f %%  %s/s%s",
            hub_shown(*e->part ? e->part : "files", 60).text, items, bytes_shown(e->bytes).text,
            bytes_shown(e->total).text, percent_of(e), bytes_shown((uint64_t)e->rate).text, left);
    fflush(stderr);
    t->line = true;
}

static void log_progress(struct pull_teller *t, const struct hub_event *e) {
    double now = clock_now_seconds();
    if (now - t->logged < LOG_SECONDS) return;
    t->logged = now;
    log_event(t->log, LOG_INFO, "downloading", LOG_STR("part", e->part), LOG_INT("bytes", e->bytes),
              LOG_INT("total", e->total), LOG_INT("percent", percent_of(e)),
              LOG_INT("bytes_per_second", e->rate), LOG_INT("seconds_left", e->seconds));
}

static json_t *as_json(const struct hub_event *e) {
    switch (e->kind) {
    case HUB_EVENT_PLAN:
        return json_pack("{s:s, s:I, s:I, s:I, s:I}", "event", "plan", "files",
                         (json_int_t)e->files, "bytes", (json_int_t)e->bytes, "total",
                         (json_int_t)e->total, "fetch", (json_int_t)e->fetch);
    case HUB_EVENT_PROGRESS:
        return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f}", "event", "progress", "part",
                         e->part, "item", (json_int_t)e->item, "items", (json_int_t)e->items,
                         "bytes", (json_int_t)e->bytes, "total", (json_int_t)e->total,
                         "bytes_per_second", e->rate, "seconds_left", e->seconds);
    case HUB_EVENT_FILE:
        return json_pack("{s:s, s:s, s:I, s:I}", "event", "file", "path", e->path, "bytes",
                         (json_int_t)e->bytes, "total", (json_int_t)e->total);
    case HUB_EVENT_WAIT: return json_pack("{s:s, s:s}", "event", "wait", "text", e->text);
    case HUB_EVENT_NOTE: break;
    }
    return json_pack("{s:s, s:s}", "event", "note", "text", e->text);
}

static void tell_json(struct pull_teller *t, const struct hub_event *e) {
    json_t *root = as_json(e);
    char *line = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (!line || printf("%s\n", line) < 0 || fflush(stdout) != 0) t->failed = true;
    free(line);
    json_decref(root);
}

static void tell_sentence(struct pull_teller *t, const char *text) {
    if (t->how == PULL_TELL_LOG) {
        log_event(t->log, LOG_INFO, "pull", LOG_STR("note", text));
        return;
    }
    fprintf(stderr, "%sfirered %s: %s\n", t->line ? "\r\033[K" : "", t->command, text);
    t->line = false;
}

static void tell(void *teller, const struct hub_event *e) {
    struct pull_teller *t = teller;
    if (e->total) atomic_store(&t->share, (double)e->bytes / (double)e->total);
    if (t->how == PULL_TELL_NOTHING) return;
    if (t->how == PULL_TELL_JSON)
        tell_json(t, e);
    else if (e->kind == HUB_EVENT_WAIT || e->kind == HUB_EVENT_NOTE)
        tell_sentence(t, e->text);
    else if (e->kind == HUB_EVENT_PROGRESS && t->how == PULL_TELL_LINE)
        draw(t, e);
    else if (e->kind == HUB_EVENT_PROGRESS)
        log_progress(t, e);
    else if (e->kind == HUB_EVENT_PLAN && t->how == PULL_TELL_LOG && e->fetch > 0)
        log_event(t->log, LOG_INFO, "downloading", LOG_INT("files", e->files),
                  LOG_INT("bytes", e->bytes), LOG_INT("total", e->total),
                  LOG_INT("fetch", e->fetch));
}

void pull_teller_follow(struct pull_teller *t, struct hub_options *options) {
    options->tell = tell;
    options->cancelled = interrupt_cancelled;
    options->arg = t;
}

void pull_teller_end(struct pull_teller *t) {
    if (t->line) fputs("\r\033[K", stderr);
    if (t->line) fflush(stderr);
    t->line = false;
}
