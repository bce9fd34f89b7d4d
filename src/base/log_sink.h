/*
 * log_sink.h - where a service's log lines go without ever waiting: a pipe that nobody reads, a
 * terminal that is stopped or a disk that is full costs lines, which are counted, and no time.
 */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct log_sink {
    pthread_mutex_t lock;
    int fd;
    bool own;                    /* fd is a description of ours, which does not block */
    bool socket;                 /* what is written to one is sent */
    struct buffer rest;          /* of a line that was begun */
    atomic_uint_least64_t lost;  /* lines, not reported yet */
    atomic_uint_least64_t total; /* lines lost so far */
};

/* `fd` stays the caller's, and what others share of it is left as it is. */
void log_sink_open(struct log_sink *sink, int fd);
void log_sink_close(struct log_sink *sink);

/* A whole line.  False: it is lost, and counted unless it is itself the report of lost ones. */
bool log_sink_write(struct log_sink *sink, const char *line, size_t size, bool report);

#endif
