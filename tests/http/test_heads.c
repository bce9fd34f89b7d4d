/*
 * Heads that say two things, targets in every form, and bytes that are no HTTP: one answer of ours to
 * each, and an end to the connection where nobody knows what comes next.
 */
#include "support/unit_test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "http/harness.h"

static struct server_process server;

static const char get_health[] = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

/* A head that two programs could read differently: one answer, in our words, and a closed connection;
 * also as a second request, where the library does not take it for something else. */
static void test_framing(void **state) {
    (void)state;
    static const char *const heads[] = {
        "POST /edit HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 33\r\n\r\n",
        "POST /edit HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\nContent-Length: 0\r\n\r\n",
        "POST /edit HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\nTransfer-Encoding: "
        "chunked\r\n\r\n",
        "POST /nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "POST /edit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
        "chunked\r\n\r\n",
        "POST /edit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked \r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x/y\r\n\r\n",
        "GET /health%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        for (int second = 0; second < 2; second++) {
            int fd = raw_connect(&server);
            if (second) {
                raw_text(fd, get_health);
                raw_expect_health(fd);
            }
            raw_text(fd, heads[i]);
            raw_text(fd, get_health); /* as a body that is read as a request */
            raw_expect_error(fd, 400, "invalid_request", true);
            close(fd);
        }
}

static void test_targets(void **state) {
    (void)state;
    static const struct {
        const char *head;
        int status;
        const char *detail;
    } cases[] = {
        {"GET http://x/health HTTP/1.1\r\nHost: x\r\n", 200, NULL},
        {"GET HTTPS://x:1/health HTTP/1.1\r\nHost: x\r\n", 200, NULL},
        {"GET http://x HTTP/1.1\r\nHost: x\r\n", 200, NULL},
        {"GET http://x/nope HTTP/1.1\r\nHost: x\r\n", 404, "GET /docs"},
        {"OPTIONS * HTTP/1.1\r\nHost: x\r\n", 204, NULL},
        {"GET /%68ealth HTTP/1.1\r\nHost: x\r\n", 200, NULL},
        {"GET /%6 HTTP/1.1\r\nHost: x\r\n", 404, NULL},
        {"GET //health HTTP/1.1\r\nHost: x\r\n", 404, "did you mean /health?"},
        {"POST /edit/ HTTP/1.1\r\nHost: x\r\n", 404, "did you mean /edit?"},
        {"POST /v1/v1/images//edits/ HTTP/1.1\r\nHost: x\r\n", 404,
         "did you mean /v1/images/edits?"},
        {"GET /v1/jobs/x/events/ HTTP/1.1\r\nHost: x\r\n", 404,
         "did you mean /v1/jobs/{id}/events?"},
        {"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n", 404, "GET /docs"},
        {"GET // HTTP/1.1\r\nHost: x\r\n", 404, "did you mean /?"},
        {"GET /health HTTP/1.1\r\nHost: x\r\nX-Request-ID: \t abc \t\r\n", 200, NULL},
        {"POST /edit HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n", 415, "Content-Encoding"},
        {"POST /edit HTTP/1.1\r\nHost: x\r\nContent-Encoding: identity\r\n", 400, NULL},
        {"POST /edit HTTP/1.1\r\nHost: x\r\nContent-Encoding: Identity \r\n", 400, NULL},
        {"POST /edit HTTP/1.1\r\nHost: x\r\nContent-Encoding:\r\n", 400, NULL},
        {"POST /edit HTTP/1.1\r\nHost: x\r\nContent-Encoding: identity, br\r\n", 415,
         "Content-Encoding"},
        {"POST /edit HTTP/1.1\r\nHost: x\r\nContent-Encoding: identity\r\nContent-Encoding: "
         "gzip\r\n",
         415, "Content-Encoding"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = raw_connect(&server);
        struct answer a;
        raw_text(fd, cases[i].head);
        raw_text(fd, "\r\n");
        raw_read_answer(fd, &a);
        if (a.status != cases[i].status) fail_msg("%s -> %d", cases[i].head, a.status);
        if (cases[i].detail && !strstr(a.body.data, cases[i].detail))
            fail_msg("%s -> %s", cases[i].head, a.body.data);
        if (strstr(cases[i].head, "/v1/v1/") || strstr(cases[i].head, " /v1/chat"))
            assert_non_null(strstr(a.body.data, "{\"error\":{\"message\":"));
        if (strstr(cases[i].head, "abc"))
            assert_string_equal(answer_header(&a, "X-Request-ID"), "abc");
        answer_free(&a);
        close(fd);
    }
}

/* What is no HTTP is answered with a status, or by the library not at all; and is over then. */
static void test_no_http(void **state) {
    (void)state;
    static const char *const texts[] = {
        "\r\n\r\n\r\n\r\nhello\r\n\r\n",
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "GET /health\r\n\r\n",
        "GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        "POST /edit HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        "POST /edit HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        "POST /edit HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
        "POST /edit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: "
        "multipart/form-data; boundary=b\r\n\r\nzz\r\nhello\r\n",
        "POST /edit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nContent-Type: "
        "multipart/form-data; boundary=b\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int fd = raw_connect(&server);
        struct answer a;
        raw_text(fd, texts[i]);
        shutdown(fd, SHUT_WR);
        raw_read_answer(fd, &a);
        print_message("%-40.40s -> %d%s\n",
                      strncmp(texts[i], "\x16", 1)
                          ? strtok(strdupa(texts[i] + strspn(texts[i], "\r\n")), "\r")
                          : "TLS",
                      a.status, answer_header(&a, "X-Request-ID") ? " (ours)" : "");
        assert_true(a.status == 0 || a.status == 200 || (a.status >= 400 && a.status < 600));
        answer_free(&a);
        assert_true(raw_wait_close(fd));
        close(fd);
    }
    /* A flood of headers. */
    int fd = raw_connect(&server);
    struct answer a;
    raw_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 5000; i++) {
        char line[64];
        int n = snprintf(line, sizeof line,
                         "X-Flood-%d: 0123456789012345678901234567890123456789\r\n", i);
        if (!raw_try_send(fd, line, (size_t)n)) break;
    }
    raw_read_answer(fd, &a);
    assert_true(a.status == 0 || a.status == 431 || a.status == 413 || a.status == 414);
    answer_free(&a);
    close(fd);
    fd = raw_connect(&server);
    raw_text(fd, get_health);
    raw_expect_health(fd);
    close(fd);
}

static int start(void **state) {
    (void)state;
    server_start_ready(&server,
                       (const char *[]){"MAX_UPLOAD_MB=1", "LIMIT_LINGER_SECONDS=2", NULL});
    return 0;
}

static int stop(void **state) {
    (void)state;
    return server_stop(&server, 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_no_http),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
