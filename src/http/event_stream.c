/*
 * All streams stand in one list under one mutex.  The library's thread reads a stream; where its
 * source has nothing, the connection is suspended under the mutex, and woken under it, so that no
 * wake is lost and nobody resumes a connection that has ended.  One thread sleeps until the first
 * heartbeat is due.
 */
#include "http/event_stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"

struct event_streams {
    pthread_mutex_t lock;
    pthread_cond_t change; /* an earlier heartbeat, or stop */
    struct list streams;
    int64_t heartbeat; /* nanoseconds */
    bool ending, stop, started;
    pthread_t thread;
};

struct event_stream {
    struct event_streams *all;
    struct event_source source;
    /* The library's thread only. */
    struct MHD_Connection *connection;
    struct buffer out;
    size_t sent; /* of out */
    bool over;   /* the source has said its last */
    int64_t last_sent;
    /* Under the lock. */
    struct list_link link;
    bool asleep, woken;
    int64_t due; /* of the heartbeat, while asleep */
};

static struct event_stream *stream_of(struct list_link *link) {
    return CONTAINER_OF(link, struct event_stream, link);
}

static void wake(struct event_stream *s) {
    s->woken = true;
    if (!s->asleep) return;
    s->asleep = false;
    MHD_resume_connection(s->connection);
}

static void *beat(void *arg) {
    struct event_streams *all = arg;
    pthread_mutex_lock(&all->lock);
    while (!all->stop) {
        int64_t now = clock_now(), next = INT64_MAX;
        for (struct list_link *l = all->streams.first; l; l = l->next) {
            struct event_stream *s = stream_of(l);
            if (!s->asleep) continue;
            if (s->due <= now)
                wake(s);
            else if (s->due < next)
                next = s->due;
        }
        if (next == INT64_MAX) {
            pthread_cond_wait(&all->change, &all->lock);
        } else {
            struct timespec until = clock_timespec(next);
            pthread_cond_timedwait(&all->change, &all->lock, &until);
        }
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

enum status event_streams_create(struct event_streams **out, int heartbeat_seconds,
                                 struct error *err) {
    *out = NULL;
    struct event_streams *all = calloc(1, sizeof *all);
    if (!all) return fail(err, STATUS_NO_MEMORY, "no memory for the list of event streams");
    all->heartbeat = heartbeat_seconds * NANOSECONDS;
    pthread_mutex_init(&all->lock, NULL);
    clock_cond_init(&all->change);
    all->started = pthread_create(&all->thread, NULL, beat, all) == 0;
    if (!all->started) {
        event_streams_destroy(all);
        return fail(err, STATUS_IO, "cannot start the thread that keeps event streams alive");
    }
    *out = all;
    return STATUS_OK;
}

void event_streams_destroy(struct event_streams *all) {
    if (!all) return;
    if (all->started) {
        pthread_mutex_lock(&all->lock);
        all->stop = true;
        pthread_cond_signal(&all->change);
        pthread_mutex_unlock(&all->lock);
        pthread_join(all->thread, NULL);
    }
    pthread_cond_destroy(&all->change);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

void event_streams_end(struct event_streams *all) {
    pthread_mutex_lock(&all->lock);
    all->ending = true;
    for (struct list_link *l = all->streams.first; l; l = l->next) wake(stream_of(l));
    pthread_mutex_unlock(&all->lock);
}

int event_streams_count(struct event_streams *all) {
    pthread_mutex_lock(&all->lock);
    int n = all->streams.count;
    pthread_mutex_unlock(&all->lock);
    return n;
}

struct event_stream *event_stream_create(struct event_streams *all,
                                         const struct event_source *source) {
    struct event_stream *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->all = all;
    s->source = *source;
    s->last_sent = clock_now();
    pthread_mutex_lock(&all->lock);
    list_append(&all->streams, &s->link);
    pthread_mutex_unlock(&all->lock);
    return s;
}

void event_stream_wake(struct event_stream *s) {
    pthread_mutex_lock(&s->all->lock);
    wake(s);
    pthread_mutex_unlock(&s->all->lock);
}

void event_stream_destroy(struct event_stream *s) {
    struct event_streams *all = s->all;
    pthread_mutex_lock(&all->lock);
    list_remove(&all->streams, &s->link);
    pthread_mutex_unlock(&all->lock);
    s->source.closed(s->source.arg);
    buffer_free(&s->out);
    free(s);
}

/* The source had nothing.  True: the connection sleeps; false: there is something to look at. */
static bool sleep_until_woken(struct event_stream *s) {
    struct event_streams *all = s->all;
    pthread_mutex_lock(&all->lock);
    int64_t due = s->last_sent + all->heartbeat;
    bool woken = s->woken;
    s->woken = false;
    if (all->ending) {
        s->over = true;
    } else if (!woken && due <= clock_now()) {
        buffer_append(&s->out, ": \n\n", 4, NULL);
    } else if (!woken) {
        s->due = due;
        s->asleep = true;
        MHD_suspend_connection(s->connection);
        pthread_cond_signal(&all->change);
    }
    bool asleep = s->asleep;
    pthread_mutex_unlock(&all->lock);
    return asleep;
}

/* The library's question for more of the body. */
static ssize_t read_stream(void *cls, uint64_t position, char *out, size_t capacity) {
    struct event_stream *s = cls;
    (void)position;
    while (s->sent == s->out.size) {
        buffer_free(&s->out);
        s->sent = 0;
        if (s->over) return MHD_CONTENT_READER_END_OF_STREAM;
        s->over = !s->source.fill(s->source.arg, &s->out);
        if (!s->out.size && !s->over && sleep_until_woken(s)) return 0;
    }
    size_t n = s->out.size - s->sent;
    if (n > capacity) n = capacity;
    memcpy(out, s->out.data + s->sent, n);
    s->sent += n;
    s->last_sent = clock_now();
    return (ssize_t)n;
}

static void on_response_gone(void *cls) {
    event_stream_destroy(cls);
}

struct MHD_Response *event_stream_response(struct event_stream *s,
                                           struct MHD_Connection *connection) {
    enum { PIECE = 4096 };
    s->connection = connection;
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, PIECE, read_stream, s, on_response_gone);
    if (!response) event_stream_destroy(s);
    return response;
}

/* One block: before the name, between it and the JSON. */
static enum status append(struct buffer *out, const char *before, const char *name,
                          const char *between, json_t *data) {
    char *text = data ? json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(data);
    if (!text) return STATUS_NO_MEMORY;
    enum status s = buffer_printf(out, "%s%s%s%s\n\n", before, name, between, text);
    free(text);
    return s;
}

enum status event_append(struct buffer *out, const char *name, json_t *data) {
    return append(out, "event: ", name, "\ndata: ", data);
}

enum status event_append_comment(struct buffer *out, const char *name, json_t *data) {
    return append(out, ": ", name, " ", data);
}
