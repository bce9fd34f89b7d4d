/*
 * firered edit --server, where the other end is none of ours: it falls silent, answers with pages,
 * or sends what a terminal would obey.  The stand-in is a thread a connection, and a table of what
 * to answer to which request.
 */
#include "support/unit_test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/utf8.h"
#include "program/program.h"

struct reply {
    const char *request; /* what the first line begins with */
    const char *status, *body;
    const char *more; /* headers */
    bool goes_on;     /* without an end, and without another byte */
};

static struct {
    int listening, port;
    const struct reply *replies; /* request NULL ends them: no byte comes back */
    pthread_t thread;
    atomic_int drops; /* DELETEs */
} server;

#define TAKEN                                                                                      \
    { "POST /v1/jobs ", "202 Accepted", "{\"id\": \"abc\"}", NULL, false }
#define DROPPED                                                                                    \
    { "DELETE ", "204 No Content", "", NULL, false }
#define EVENTS "Content-Type: text/event-stream\r\n"
#define DONE                                                                                       \
    {                                                                                              \
        "GET /v1/jobs/abc/events ", "200 OK",                                                      \
            "event: done\ndata: {\"width\": 8, \"height\": 8, \"steps\": 1, \"guidance_scale\": "  \
            "1.0}\n\n",                                                                            \
            EVENTS, false                                                                          \
    }

/* Head and body, as far as the head tells it. */
static bool read_request(int fd, char *bytes, size_t size) {
    size_t n = 0;
    for (;;) {
        ssize_t got = n + 1 < size ? read(fd, bytes + n, size - 1 - n) : 0;
        if (got <= 0) return false;
        bytes[n += (size_t)got] = '\0';
        const char *end = strstr(bytes, "\r\n\r\n"), *length = strcasestr(bytes, "content-length:");
        if (!end) continue;
        size_t body = length && length < end ? strtoul(length + 15, NULL, 10) : 0;
        if (n >= (size_t)(end + 4 - bytes) + body) return true;
    }
}

static void *answer(void *arg) {
    int fd = (int)(intptr_t)arg;
    char *bytes = calloc(1, 1 << 20), byte;
    while (read_request(fd, bytes, 1 << 20)) {
        const struct reply *r = server.replies;
        if (strncmp(bytes, "DELETE ", 7) == 0) atomic_fetch_add(&server.drops, 1);
        while (r->request && strncmp(bytes, r->request, strlen(r->request)) != 0) r++;
        if (r->request) {
            dprintf(fd, "HTTP/1.1 %s\r\n%s", r->status, r->more ? r->more : "");
            if (!r->goes_on) dprintf(fd, "Content-Length: %zu\r\n", strlen(r->body));
            dprintf(fd, "\r\n%s", r->body);
            if (!r->goes_on) continue;
        }
        while (read(fd, &byte, 1) > 0) continue; /* until the client has had enough */
        break;
    }
    free(bytes);
    close(fd);
    return NULL;
}

static void *serve(void *arg) {
    (void)arg;
    for (;;) {
        pthread_t thread;
        int fd = accept(server.listening, NULL, NULL);
        if (fd < 0) return NULL;
        if (pthread_create(&thread, NULL, answer, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
    }
}

static int start_server(void **state) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    if (scene_enter(state) != 0) return -1;
    signal(SIGPIPE, SIG_IGN);
    server.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server.listening, (struct sockaddr *)&address, size) != 0 ||
        listen(server.listening, 16) != 0 ||
        getsockname(server.listening, (struct sockaddr *)&address, &size) != 0)
        return -1;
    server.port = ntohs(address.sin_port);
    return pthread_create(&server.thread, NULL, serve, NULL);
}

static int stop_server(void **state) {
    shutdown(server.listening, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listening);
    return scene_leave(state);
}

static struct command_line line;
static struct child child;

static void start_edit(const struct reply *replies) {
    server.replies = replies;
    atomic_store(&server.drops, 0);
    line_start(&line, "edit");
    line_add(&line, "--image", "%s", TEST_DATA "/decode/rgb.png");
    line_add(&line, "--prompt", "a red hat");
    line_add(&line, "--output", "out/a.png");
    line_add(&line, "--server", "http://127.0.0.1:%d", server.port);
}

static void await_drop(void) {
    for (int i = 0; i < 600 && !atomic_load(&server.drops); i++) usleep(100000);
    assert_int_equal(atomic_load(&server.drops), 1);
}

static const struct reply nothing[] = {{0}};
static const struct reply silent_events[] = {
    TAKEN, {"GET /v1/jobs/abc/events ", "200 OK", "", EVENTS, true}, {0}};

/* Neither hangs on the cancellation, which nobody answers. */
static void test_interrupted_while_the_server_is_silent(void **state) {
    (void)state;
    static const struct reply *const servers[] = {nothing, silent_events};
    for (size_t i = 0; i < 2; i++) {
        start_edit(servers[i]);
        child_start(&child, FIRERED_PROGRAM, line.words);
        sleep(1); /* for the request to be on its way */
        kill(child.pid, SIGINT);
        child_wait(&child);
        assert_int_equal(child.status, 130);
        assert_string_equal(child.err, "firered edit: interrupted; nothing was written\n");
        if (child.seconds > 15) fail_msg("it took %g seconds", child.seconds);
        if (servers[i] == silent_events) await_drop();
        assert_int_equal(count_files("out"), 0);
    }
}

/* Takes 25 seconds.  That the first answer is waited for no longer is tests/net's to show. */
static void test_given_up_after_silence(void **state) {
    (void)state;
    static const struct reply silent[] = {
        TAKEN, {"GET /v1/jobs/abc/events ", "200 OK", ": hello\n\n", EVENTS, true}, {0}};
    start_edit(silent);
    child_start(&child, FIRERED_PROGRAM, line.words);
    child_wait(&child);
    assert_int_equal(child.status, 1);
    assert_non_null(strstr(child.err, "not a byte in 25 seconds"));
    await_drop();
    assert_int_equal(count_files("out"), 0);
}

static void test_what_is_no_picture(void **state) {
    (void)state;
    static const char jpeg[] = "\xff\xd8\xff\xe0";
    static const char *const bodies[] = {"<html>welcome to the hotel's wifi</html>", "", jpeg,
                                         "\x89PNG\r\n\x1a\n"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        const struct reply replies[] = {
            TAKEN,
            DONE,
            {"GET /v1/jobs/abc/result ", "200 OK", bodies[i], NULL, false},
            DROPPED,
            {0}};
        start_edit(replies);
        line_run_badly(&line, "answers with something that is no PNG picture");
        assert_int_equal(count_files("out"), 0);
    }
}

static void test_job_that_is_no_path(void **state) {
    (void)state;
    static const char *const ids[] = {"{\"id\": \"\"}",
                                      "{\"id\": \"../x\"}",
                                      "{\"id\": \"a/b\"}",
                                      "{\"id\": \"a b\"}",
                                      "{\"id\": \"a?b\"}",
                                      "{\"id\": 1}",
                                      "[]",
                                      ""};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const struct reply replies[] = {{"POST /v1/jobs ", "202 Accepted", ids[i], NULL, false},
                                        {0}};
        start_edit(replies);
        line_run_badly(&line, "took the job and named none");
        assert_int_equal(atomic_load(&server.drops), 0);
    }
}

/* ---- what a terminal would obey ---- */

#define EVIL                                                                                       \
    "\x1b]0;owned\x07 \xc2\x9b"                                                                    \
    "31m \xc2\x85 \x7f \xe2\x80\xa8 bad"
#define EVIL_JSON                                                                                  \
    "\\u001b]0;owned\\u0007 \\u009b31m \xc2\x9b"                                                   \
    "31m \\u0085 \\u007f \\r\\n over"

static void expect_harmless(const char *text) {
    int32_t c;
    for (size_t at = 0, size = strlen(text), n; at < size; at += n) {
        n = utf8_next(text + at, size - at, &c);
        assert_true(n > 0);
        if (c != '\n' && (c < 0x20 || (c >= 0x7f && c < 0xa0)))
            fail_msg("U+%04X: %s", (unsigned)c, text);
    }
}

static void test_control_characters(void **state) {
    (void)state;
    static const char error[] =
        "{\"error\": \"x\", \"detail\": \"" EVIL_JSON "\", \"request_id\": \"" EVIL_JSON "\"}";
    static const struct reply servers[][5] = {
        {{"POST /v1/jobs ", "400 Bad", error, NULL, false}, {0}},
        {TAKEN, {"GET /v1/jobs/abc/events ", "404 No", error, NULL, false}, DROPPED, {0}},
        {TAKEN,
         {"GET /v1/jobs/abc/events ", "200 OK",
          "event: error\ndata: {\"detail\": \"" EVIL_JSON "\", \"request_id\": \"" EVIL_JSON
          "\"}\n\n",
          EVENTS, false},
         DROPPED,
         {0}},
        {TAKEN, DONE, {"GET /v1/jobs/abc/result ", "500 " EVIL, error, NULL, false}, DROPPED, {0}},
    };
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        start_edit(servers[i]);
        line_run(&line, &child);
        assert_int_equal(child.status, 1);
        assert_non_null(strstr(child.err, "owned"));
        expect_harmless(child.err);
        expect_harmless(child.out);
        start_edit(servers[i]);
        child_run_on_terminal(&child, FIRERED_PROGRAM, line.words);
        assert_non_null(strstr(child.out, "owned"));
        for (const char *c = child.out; *c; c++) /* the bar's own are ESC [ K and CR */
            if (*c == 7 || (*c == 27 && strncmp(c + 1, "[K", 2) != 0)) fail_msg("%s", child.out);
        assert_null(strstr(child.out, "\xc2\x9b"));
    }
}

/* Where the answer is shown as JSON it stays what it was for who reads JSON. */
static void test_control_characters_in_json(void **state) {
    (void)state;
    const struct reply replies[] = {
        {"GET /health ", "200 OK", "{\"status\":\r\"" EVIL_JSON " \xc3\xa9\"}", NULL, false}, {0}};
    server.replies = replies;
    line_start(&line, "health");
    line_add_switch(&line, "--json");
    line_add(&line, "--host", "127.0.0.1");
    line_add(&line, "--port", "%d", server.port);
    line_run_well(&line, &child);
    expect_harmless(child.out);
    assert_string_equal(child.out,
                        "{\"status\": \"\\u001b]0;owned\\u0007 \\u009b31m \\u009B31m \\u0085 "
                        "\\u007f \\r\\n over \xc3\xa9\"}\n");
    const struct reply page[] = {{"GET /health ", "200 OK", "<html>", NULL, false}, {0}};
    server.replies = page;
    line_run_badly(&line, "something else than JSON");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, scene_reset)
    const struct CMUnitTest tests[] = {
        TEST(test_interrupted_while_the_server_is_silent),
        TEST(test_given_up_after_silence),
        TEST(test_what_is_no_picture),
        TEST(test_job_that_is_no_path),
        TEST(test_control_characters),
        TEST(test_control_characters_in_json),
    };
#undef TEST
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
