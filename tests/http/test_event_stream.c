/*
 * The streams alone, on the HTTP library itself: a listener that does not read holds up nobody, and
 * is told the newest when it comes back.
 */
#include "support/unit_test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/event_stream.h"
#include "http/reply.h"

enum { HANG_SECONDS = 60, PIECE = 65536, NEWS = 400 };

/* What listeners are told of: a number that grows, each time with much text. */
static struct news {
    pthread_mutex_t lock;
    int newest;
    struct ear *ears;
} news = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct ear {
    struct event_stream *stream;
    struct ear *next;
    int told;
};

static atomic_int fills, closed;

static bool fill(void *arg, struct buffer *out) {
    struct ear *ear = arg;
    static char text[PIECE];
    memset(text, 'x', PIECE - 1);
    atomic_fetch_add(&fills, 1);
    pthread_mutex_lock(&news.lock);
    int newest = news.newest;
    pthread_mutex_unlock(&news.lock);
    if (newest == ear->told) return true;
    ear->told = newest;
    event_append(out, "news", json_pack("{s:i, s:s}", "n", newest, "text", text));
    return newest < NEWS;
}

static void on_closed(void *arg) {
    struct ear *ear = arg, **at = &news.ears;
    pthread_mutex_lock(&news.lock);
    while (*at != ear) at = &(*at)->next;
    *at = ear->next;
    pthread_mutex_unlock(&news.lock);
    free(ear);
    atomic_fetch_add(&closed, 1);
}

static void publish(int n) {
    pthread_mutex_lock(&news.lock);
    news.newest = n;
    for (struct ear *ear = news.ears; ear; ear = ear->next) event_stream_wake(ear->stream);
    pthread_mutex_unlock(&news.lock);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **request) {
    (void)url, (void)method, (void)version, (void)data, (void)size;
    if (!*request) {
        *request = (void *)1;
        return MHD_YES;
    }
    struct ear *ear = calloc(1, sizeof *ear);
    struct event_source source = {.fill = fill, .closed = on_closed, .arg = ear};
    struct reply reply = {0};
    if (!ear) return MHD_NO;
    ear->stream = event_stream_create(cls, &source);
    pthread_mutex_lock(&news.lock);
    ear->next = news.ears;
    news.ears = ear;
    pthread_mutex_unlock(&news.lock);
    reply_events(&reply, ear->stream);
    return reply_queue(&reply, connection);
}

struct fixture {
    struct event_streams *streams;
    struct MHD_Daemon *daemon;
};

static int start(void **state) {
    static struct fixture f;
    *state = &f;
    news.newest = 0;
    atomic_store(&fills, 0);
    atomic_store(&closed, 0);
    if (event_streams_create(&f.streams, 1, NULL) != STATUS_OK) return -1;
    f.daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0,
                         NULL, NULL, on_request, f.streams, MHD_OPTION_END);
    return f.daemon ? 0 : -1;
}

static int stop(void **state) {
    struct fixture *f = *state;
    event_streams_end(f->streams);
    MHD_stop_daemon(f->daemon);
    event_streams_destroy(f->streams);
    return 0;
}

static void wait_streams(const struct fixture *f, int n) {
    while (event_streams_count(f->streams) != n) usleep(1000);
}

/* receive_buffer: of the socket; 0: the system's. */
static FILE *listen_to(const struct fixture *f, int receive_buffer) {
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    char line[256];
    uint16_t port = MHD_get_daemon_info(f->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval hang = {.tv_sec = HANG_SECONDS};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &hang, sizeof hang);
    if (receive_buffer)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, request, sizeof request - 1, 0), sizeof request - 1);
    FILE *in = fdopen(fd, "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in) && strcmp(line, "\r\n") != 0) continue;
    return in;
}

/* The number of the next news; 0: the stream has ended. */
static int next_news(FILE *in) {
    static char line[PIECE + 256];
    int n;
    while (fgets(line, sizeof line, in))
        if (sscanf(line, "data: {\"n\":%d", &n) == 1) return n;
    assert_true(feof(in));
    return 0;
}

static void test_slow_listener(void **state) {
    const struct fixture *f = *state;
    FILE *slow = listen_to(f, 4096), *fast = listen_to(f, 0);
    wait_streams(f, 2);
    for (int n = 1; n <= NEWS; n++) { /* 26 MB, which no socket holds */
        publish(n);
        assert_int_equal(next_news(fast), n);
    }
    assert_int_equal(next_news(fast), 0);
    fclose(fast);
    assert_int_equal(event_streams_count(f->streams), 1); /* the slow one is where it was */
    int told = 0, last = 0;
    for (int n; (n = next_news(slow)); told++) {
        assert_true(n > last);
        last = n;
    }
    assert_int_equal(last, NEWS);
    assert_true(told < NEWS);
    fclose(slow);
    wait_streams(f, 0);
    assert_int_equal(atomic_load(&closed), 2);
}

/* Nothing new: nothing is asked, but for the heartbeat's sake once a second. */
static void test_idle_costs_nothing(void **state) {
    const struct fixture *f = *state;
    char line[16];
    FILE *in = listen_to(f, 0);
    assert_non_null(fgets(line, sizeof line, in));
    assert_string_equal(line, ": \n");
    assert_true(atomic_load(&fills) < 10);
    fclose(in);
    wait_streams(f, 0); /* noticed by the next heartbeats */
}

static void test_end(void **state) {
    const struct fixture *f = *state;
    FILE *in = listen_to(f, 0);
    wait_streams(f, 1);
    event_streams_end(f->streams);
    assert_int_equal(next_news(in), 0);
    fclose(in);
    wait_streams(f, 0);
}

static void *publish_all(void *arg) {
    (void)arg;
    for (int n = 1; n <= NEWS; n++) publish(n);
    return NULL;
}

/* Listeners come and go while news comes as fast as it can. */
static void test_races(void **state) {
    const struct fixture *f = *state;
    enum { LISTENERS = 20 };
    FILE *in[LISTENERS];
    pthread_t publisher;
    for (int i = 0; i < LISTENERS; i++) in[i] = listen_to(f, 0);
    assert_int_equal(pthread_create(&publisher, NULL, publish_all, NULL), 0);
    for (int i = 0; i < LISTENERS; i += 2) fclose(in[i]);
    for (int i = 1; i < LISTENERS; i += 2) {
        int last = 0;
        for (int n; (n = next_news(in[i]));) last = n;
        assert_int_equal(last, NEWS);
        fclose(in[i]);
    }
    pthread_join(publisher, NULL);
    wait_streams(f, 0);
    assert_int_equal(atomic_load(&closed), LISTENERS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slow_listener, start, stop),
        cmocka_unit_test_setup_teardown(test_idle_costs_nothing, start, stop),
        cmocka_unit_test_setup_teardown(test_end, start, stop),
        cmocka_unit_test_setup_teardown(test_races, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
