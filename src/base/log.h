/*
 * log.h - structured log lines: one event a line, on standard error.
 *
 *     log_event(log, LOG_INFO, "edit finished", LOG_STR("request_id", id), LOG_INT("steps", 28),
 *               LOG_REAL("seconds", 3.2));
 *
 *     text:  2026-11-24T12:00:00.123Z info  edit finished request_id=ab12 steps=28 seconds=3.2
 *     json:  {"time":"...","level":"info","event":"edit finished","request_id":"ab12",...}
 *
 * Values come from the network: control characters, quotes and bytes that are not UTF-8 are
 * escaped, so that nobody can forge a line.  A line is written by a single write(2), so lines of
 * several threads do not mix.  Lines that a sink (log_sink.h) lost are counted, and reported by a line
 * when there is a place for one.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_sink;

struct log {
    enum log_level min_level; /* events below it are not written */
    bool json;
    int fd;
    struct log_sink *sink; /* of a service, which may not wait for fd; NULL: written as it comes */
};

struct log_field {
    const char *key;
    enum { LOG_FIELD_STRING, LOG_FIELD_INT, LOG_FIELD_REAL } kind;
    const char *string; /* NULL writes as "" */
    int64_t integer;
    double real; /* NaN and Inf write as null in JSON, which has no such numbers */
};

#define LOG_STR(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_STRING, .string = (v)})
#define LOG_INT(k, v)                                                                              \
    ((struct log_field){.key = (k), .kind = LOG_FIELD_INT, .integer = (int64_t)(v)})
#define LOG_REAL(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_REAL, .real = (v)})

/* log may be NULL: nothing is written. */
void log_fields(const struct log *log, enum log_level level, const char *event,
                const struct log_field *fields, size_t n);

/* Appends a text from outside, escaped as in a log's line, for whatever else shows it. */
void log_escape(struct buffer *out, const char *text);

#define log_event(log, level, event, ...)                                                          \
    log_fields(log, level, event, (const struct log_field[]){__VA_ARGS__},                         \
               sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

#endif
