/*
 * The request is HTTP/1.0, so that the body is plain bytes up to the connection's end; they are
 * read one by one, since nothing here is in a hurry.
 */
#include "http/events.h"

#include <sys/socket.h>
#include <unistd.h>

void listener_open(struct listener *l, struct server_process *s, const char *path) {
    listener_open_with(l, s, path, "");
}

void listener_open_with(struct listener *l, struct server_process *s, const char *path,
                        const char *headers) {
    char request[600];
    struct answer a;
    *l = (struct listener){.fd = raw_connect(s)};
    assert_true(l->fd >= 0);
    snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: test\r\n%s\r\n", path, headers);
    raw_text(l->fd, request);
    raw_read_head(l->fd, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Content-Type"), "text/event-stream");
    assert_string_equal(answer_header(&a, "Cache-Control"), "no-store");
    assert_string_equal(answer_header(&a, "X-Accel-Buffering"), "no");
    answer_free(&a);
}

void listener_close(struct listener *l) {
    close(l->fd);
}

static bool read_line(int fd, char *line, size_t size) {
    for (size_t n = 0; n + 1 < size; n++) {
        ssize_t got = recv(fd, line + n, 1, 0);
        if (got != 1) {
            if (got < 0) fail_msg("no event came in %d s", HANG_SECONDS);
            return false;
        }
        if (line[n] == '\n') {
            line[n] = '\0';
            return true;
        }
    }
    fail_msg("a line of events is over %zu bytes", size);
    return false;
}

void listener_next(struct listener *l, struct event *e) {
    char line[1024];
    *e = (struct event){0};
    while (read_line(l->fd, line, sizeof line)) {
        if (line[0] == ':') {
            l->comments++;
        } else if (sscanf(line, "event: %31s", e->name) == 1) {
            assert_true(read_line(l->fd, line, sizeof line));
            assert_memory_equal(line, "data: ", 6);
            e->data = json_loads(line + 6, JSON_REJECT_DUPLICATES, NULL);
            assert_non_null(e->data);
            assert_true(read_line(l->fd, line, sizeof line));
            assert_string_equal(line, "");
            return;
        } else {
            assert_string_equal(line, ""); /* after a comment */
        }
    }
}

void listener_await_comment(struct listener *l) {
    char line[1024];
    do {
        if (!read_line(l->fd, line, sizeof line)) fail_msg("the stream ended without a comment");
    } while (line[0] != ':');
    l->comments++;
}

void event_free(struct event *e) {
    json_decref(e->data);
    e->data = NULL;
}

static void expect_name(const struct event *e, const char *name) {
    if (strcmp(e->name, name) == 0) return;
    char *data = e->data ? json_dumps(e->data, JSON_COMPACT) : NULL;
    print_error("wanted event %s, got '%s' %s\n", name, e->name, data ? data : "");
    free(data);
    assert_string_equal(e->name, name);
}

void expect_event(struct listener *l, const char *name, const char *key, double value) {
    struct event e;
    listener_next(l, &e);
    expect_name(&e, name);
    if (key) assert_true(json_number_value(json_object_get(e.data, key)) == value);
    event_free(&e);
}

void expect_word(struct listener *l, const char *name, const char *key, const char *value) {
    struct event e;
    listener_next(l, &e);
    expect_name(&e, name);
    assert_string_equal(json_string_value(json_object_get(e.data, key)), value);
    event_free(&e);
}

void listener_finish(struct listener *l, struct event *last) {
    struct event e;
    *last = (struct event){0};
    for (listener_next(l, &e); *e.name; listener_next(l, &e)) {
        event_free(last);
        *last = e;
    }
}
