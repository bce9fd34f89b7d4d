/*
 * event_reader.h - server-sent events out of the bytes of their stream.
 *
 * Source: HTML, section 9.2 (Server-sent events); `id` and `retry` are ignored.
 */
#ifndef CLI_EVENT_READER_H
#define CLI_EVENT_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

enum { EVENT_LIMIT = 1 << 20 }; /* bytes of one event */

/* Set `event` and `arg`, and zero the rest. */
struct event_reader {
    /* name: "message" where the event has none.  False: no more. */
    bool (*event)(void *arg, const char *name, const char *data);
    void *arg;
    char name[32];
    struct buffer data, line;
};

/* False: `event` said so, an event is too large, or there is no memory. */
bool event_reader_feed(struct event_reader *r, const char *bytes, size_t size);
void event_reader_free(struct event_reader *r);

#endif
