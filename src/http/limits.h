/*
 * limits.h - how much patience and memory a client gets.  The defaults stand in limits_default and
 * nowhere else; they suit a server behind a proxy as well as one that faces the network.  Tests
 * shorten them.
 */
#ifndef HTTP_LIMITS_H
#define HTTP_LIMITS_H

#include <stddef.h>

struct limits {
    int connections;             /* open at once; one more waits until another is closed */
    int connections_per_address; /* one more is closed unanswered; a proxy is one address, hence not
                                    small */
    int silence_seconds; /* no byte either way: closed.  Not counted while an edit waits or runs */
    int head_seconds;  /* for a request's head, from the connection's start or the last answer's end
                        */
    int reply_seconds; /* for a client to take an answer */
    int heartbeat_seconds; /* without an event on a stream of events: a sign of life is sent */
    int linger_seconds; /* how long a refused upload is read on, so that its sender sees the refusal
                         */
    int flush_seconds;  /* at the end: for the last answers to leave */
    size_t head_bytes; /* request line and headers; a connection costs twice of it, since cookies are
                           kept twice */
    size_t drain_bytes; /* a refused body up to this size is read, and the connection kept */
};

static inline struct limits limits_default(void) {
    return (struct limits){
        .connections = 1000,
        .connections_per_address = 500,
        .silence_seconds = 30,
        .head_seconds = 60,
        .reply_seconds = 300,
        .heartbeat_seconds = 10,
        .linger_seconds = 5,
        .flush_seconds = 10,
        .head_bytes = 32768,
        .drain_bytes = 1 << 20,
    };
}

enum {
    MAX_PART_HEADER_BYTES = 8192,
    MAX_PART_NAME_BYTES = 128,
    MAX_PARTS = 256,
};

#endif
