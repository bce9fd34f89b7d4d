/*
 * events.h - a listener to server-sent events over a raw connection.
 */
#ifndef TESTS_HTTP_EVENTS_H
#define TESTS_HTTP_EVENTS_H

#include <jansson.h>

#include "http/harness.h"

struct listener {
    int fd;
    int comments; /* seen so far */
};

struct event {
    char name[32]; /* "": the stream has ended */
    json_t *data;
};

/* Asks for `path`, and checks the answer's head. */
void listener_open(struct listener *l, struct server_process *s, const char *path);
/* The same with more lines of the request's head, each with its CRLF. */
void listener_open_with(struct listener *l, struct server_process *s, const char *path,
                        const char *headers);
void listener_close(struct listener *l);

/* The next event; its data is released by event_free.  Comments are counted and skipped. */
void listener_next(struct listener *l, struct event *e);
void event_free(struct event *e);

/* Reads on until another comment has come; events before it are lost. */
void listener_await_comment(struct listener *l);

/* The next event is this one; a number of its data, where key is not NULL. */
void expect_event(struct listener *l, const char *name, const char *key, double value);
/* The next event is this one; a string of its data. */
void expect_word(struct listener *l, const char *name, const char *key, const char *value);

/* Reads to the end of the stream; the last event's name and data are left in *last. */
void listener_finish(struct listener *l, struct event *last);

#endif
