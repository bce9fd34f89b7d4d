/*
 * A line is put together in memory, escaped on the way, and then written at once; when memory runs
 * out the line is shorter, and nobody is stopped.
 */
#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log_sink.h"
#include "base/utf8.h"

/* Bytes that are not UTF-8 become U+FFFD; control characters, quotes and backslashes are escaped as
 * in JSON. */
void log_escape(struct buffer *out, const char *s) {
    const char *end = s + strlen(s);
    for (size_t n; s < end; s += n) {
        int32_t c;
        n = utf8_next(s, (size_t)(end - s), &c);
        if (n == 0) {
            buffer_append(out, "\xEF\xBF\xBD", 3, NULL);
            n = 1;
            continue;
        }
        /* U+2028 and U+2029 end a line in some viewers, U+0080..9F steer some terminals. */
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
            buffer_printf(out, "\\u%04x", (unsigned)c);
        else if (c == '"' || c == '\\')
            buffer_printf(out, "\\%c", (char)c);
        else
            buffer_append(out, s, n, NULL);
    }
}

static bool is_plain(const char *s) {
    return *s &&
           strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/:+%,") ==
               strlen(s);
}

static void append_value(struct buffer *line, const struct log_field *f, bool json) {
    const char *s = f->string ? f->string : "";
    if (f->kind == LOG_FIELD_INT) {
        buffer_printf(line, "%lld", (long long)f->integer);
    } else if (f->kind == LOG_FIELD_REAL) {
        if (json && !isfinite(f->real))
            buffer_append(line, "null", 4, NULL); /* JSON has no NaN */
        else
            buffer_printf(line, "%.6g", f->real);
    } else if (!json && is_plain(s)) {
        buffer_append(line, s, strlen(s), NULL);
    } else {
        buffer_append(line, "\"", 1, NULL);
        log_escape(line, s);
        buffer_append(line, "\"", 1, NULL);
    }
}

static void write_line(const struct log *log, const struct buffer *line) {
    for (size_t done = 0; done < line->size;) {
        ssize_t wrote = write(log->fd, line->data + done, line->size - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) break; /* a log that cannot be written must not stop the program */
        done += (size_t)wrote;
    }
}

static void format_line(const struct log *log, enum log_level level, const char *event,
                        const struct log_field *fields, size_t n, struct buffer *line) {
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    struct timespec now;
    struct tm utc;
    char date[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    int ms = (int)(now.tv_nsec / 1000000);
    if (log->json) {
        buffer_printf(line, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"event\":\"", date, ms,
                      levels[level]);
        log_escape(line, event);
        buffer_append(line, "\"", 1, NULL);
    } else {
        buffer_printf(line, "%s.%03dZ %-5s ", date, ms, levels[level]);
        log_escape(line, event);
    }
    for (size_t i = 0; i < n; i++) {
        buffer_printf(line, log->json ? ",\"%s\":" : " %s=", fields[i].key);
        append_value(line, &fields[i], log->json);
    }
    buffer_append(line, log->json ? "}\n" : "\n", log->json ? 2 : 1, NULL);
}

static void report_lost(const struct log *log) {
    uint64_t lost = atomic_exchange(&log->sink->lost, 0);
    if (!lost) return;
    struct buffer line = {0};
    format_line(log, LOG_WARN, "log lines lost", &LOG_INT("lines", lost), 1, &line);
    if (!log_sink_write(log->sink, line.data, line.size, true))
        atomic_fetch_add(&log->sink->lost, lost);
    buffer_free(&line);
}

void log_fields(const struct log *log, enum log_level level, const char *event,
                const struct log_field *fields, size_t n) {
    if (!log || level < log->min_level) return;
    struct buffer line = {0};
    format_line(log, level, event, fields, n, &line);
    if (log->sink) {
        report_lost(log);
        log_sink_write(log->sink, line.data, line.size, false);
    } else {
        write_line(log, &line);
    }
    buffer_free(&line);
}
