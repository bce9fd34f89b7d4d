/*
 * event_stream.h - server-sent events: an answer that goes on while something happens.
 *
 * A stream pulls: when its listener has taken all that it was given, the stream asks its source for
 * what is new, and sleeps until it is woken where there is nothing.  So a source keeps no backlog
 * for a slow listener (it gives the newest state), costs nothing while nothing happens, and nobody
 * waits for a listener: a stream is a suspended connection, never a thread.
 *
 *     struct event_source source = {.fill = fill, .closed = closed, .arg = mine};
 *     struct event_stream *stream = event_stream_create(server->streams, &source);
 *     reply_events(&r->reply, stream);
 *     ... event_stream_wake(stream);      from any thread, whenever there is something new
 *
 * A comment line goes out whenever nothing else did for limits.heartbeat_seconds: proxies keep the
 * connection open, and a listener that went away is noticed.
 */
#ifndef HTTP_EVENT_STREAM_H
#define HTTP_EVENT_STREAM_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "firered/status.h"

struct event_streams; /* all of a server's */
struct event_stream;

/* STATUS_NO_MEMORY, STATUS_IO. */
enum status event_streams_create(struct event_streams **out, int heartbeat_seconds,
                                 struct error *err);
/* No stream may be left.  NULL is fine. */
void event_streams_destroy(struct event_streams *all);

/* Ends every stream that is or will be, after what it was already given: the HTTP library cannot
 * stop while a connection sleeps. */
void event_streams_end(struct event_streams *all);
int event_streams_count(struct event_streams *all);

struct event_source {
    /* Appends to *out what is new, with event_append; nothing, when nothing is.  False: the stream
     * ends after it. Called from the library's thread, without a lock of this module. */
    bool (*fill)(void *arg, struct buffer *out);
    /* The stream is gone, and with it the right to wake it: called once, from the library's thread,
     * when the stream has ended or its listener has left.  Who wakes from other threads holds a
     * lock of his own around event_stream_wake and takes it in `closed`; `fill` may take it too. */
    void (*closed)(void *arg);
    void *arg;
};

/* NULL: no memory; `closed` is then not called. */
struct event_stream *event_stream_create(struct event_streams *all,
                                         const struct event_source *source);

/* There is something new.  From any thread, and as often as one likes. */
void event_stream_wake(struct event_stream *s);

/* For a stream that was never answered with. */
void event_stream_destroy(struct event_stream *s);

/* The answer's body, which the stream then belongs to.  NULL: no memory, and the stream is gone. */
struct MHD_Response *event_stream_response(struct event_stream *s,
                                           struct MHD_Connection *connection);

/* One event: "event: NAME", "data: JSON", an empty line.  Releases `data`; NULL is "no memory".
 * STATUS_NO_MEMORY: nothing was appended. */
enum status event_append(struct buffer *out, const char *name, json_t *data);

/* The same as a comment, which readers of events skip: ": NAME JSON", an empty line. */
enum status event_append_comment(struct buffer *out, const char *name, json_t *data);

#endif
