/*
 * O_NONBLOCK belongs to the open file, which we share with whoever started us: a pipe or a terminal
 * is opened anew for it, a socket is asked per call.  Where that is not allowed, poll says whether a
 * piece can be written, which for a pipe is never more than PIPE_BUF.
 *
 * Of a line that fits in part, the rest is kept and goes first next time; until then others are lost.
 */
#include "base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void log_sink_open(struct log_sink *sink, int fd) {
    struct stat st;
    char path[64];
    *sink = (struct log_sink){.fd = fd};
    pthread_mutex_init(&sink->lock, NULL);
    if (fstat(fd, &st) != 0) return;
    sink->socket = S_ISSOCK(st.st_mode);
    if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode)) return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_APPEND);
    if (own < 0) return;
    sink->fd = own;
    sink->own = true;
}

void log_sink_close(struct log_sink *sink) {
    if (sink->own) close(sink->fd);
    buffer_free(&sink->rest);
    pthread_mutex_destroy(&sink->lock);
}

static ssize_t write_piece(const struct log_sink *sink, const char *bytes, size_t size) {
    if (sink->socket) return send(sink->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sink->own) return write(sink->fd, bytes, size);
    struct pollfd out = {sink->fd, POLLOUT, 0};
    if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT)) return -1;
    return write(sink->fd, bytes, size < PIPE_BUF ? size : PIPE_BUF);
}

/* Returns how much was written. */
static size_t write_some(const struct log_sink *sink, const char *bytes, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t wrote = write_piece(sink, bytes + done, size - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) break;
        done += (size_t)wrote;
    }
    return done;
}

static bool write_locked(struct log_sink *sink, const char *line, size_t size) {
    struct buffer *rest = &sink->rest;
    if (rest->size) {
        size_t done = write_some(sink, rest->data, rest->size);
        memmove(rest->data, rest->data + done, rest->size - done);
        rest->size -= done;
        if (rest->size) return false;
    }
    size_t done = write_some(sink, line, size);
    return done == size ||
           (done && buffer_append(rest, line + done, size - done, NULL) == STATUS_OK);
}

bool log_sink_write(struct log_sink *sink, const char *line, size_t size, bool report) {
    pthread_mutex_lock(&sink->lock);
    bool written = write_locked(sink, line, size);
    pthread_mutex_unlock(&sink->lock);
    if (!written && !report) {
        atomic_fetch_add(&sink->lost, 1);
        atomic_fetch_add(&sink->total, 1);
    }
    return written;
}
