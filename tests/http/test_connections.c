/*
 * What happens on a connection beside one plain request: reuse, pipelining, half an end, HTTP/1.0,
 * slow and silent clients, too many of them.
 */
#include "support/unit_test.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/harness.h"

static struct server_process server;

static const char get_health[] = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

static void test_reuse_after_errors(void **state) {
    (void)state;
    int fd = raw_connect(&server);
    struct form f;
    for (int i = 0; i < 3; i++) {
        form_edit(&f, "night", NULL);
        raw_post_form(fd, &f);
        raw_expect_edit(fd);
        form_edit(&f, "night", "steps", "0", NULL);
        raw_post_form(fd, &f);
        raw_expect_error(fd, 400, "invalid_request", false);
        raw_text(fd, "POST /edit HTTP/1.1\r\nHost: x\r\nContent-Type: "
                     "text/plain\r\nContent-Length: 5\r\n\r\nhello");
        raw_expect_error(fd, 400, "invalid_request", false);
        raw_text(fd, "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n");
        raw_expect_error(fd, 404, "not_found", false);
        raw_text(fd, "DELETE /edit HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
        raw_expect_error(fd, 405, "method_not_allowed", false);
        form_edit(&f, "fail=internal", NULL);
        raw_post_form(fd, &f);
        if (server_is_real())
            raw_expect_edit(fd);
        else
            raw_expect_error(fd, 503, "inference_error", false);
        raw_text(fd, get_health);
        raw_expect_health(fd);
    }
    close(fd);
}

static void test_pipelining(void **state) {
    (void)state;
    int fd = raw_connect(&server);
    struct form f;
    struct buffer all = {0};
    for (int i = 0; i < 3; i++) {
        form_edit(&f, "step-ms=1", "steps", "5", NULL);
        buffer_printf(&all,
                      "POST /edit HTTP/1.1\r\nHost: x\r\nX-Request-ID: p%d\r\nContent-Type: "
                      "multipart/form-data; boundary=" BOUNDARY "\r\nContent-Length: %zu\r\n\r\n",
                      i, f.body.size);
        buffer_append(&all, f.body.data, f.body.size, NULL);
        form_free(&f);
        buffer_printf(&all, "POST /edit HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello%s",
                      get_health);
    }
    raw_send(fd, all.data, all.size);
    buffer_free(&all);
    for (int i = 0; i < 3; i++) {
        struct answer a;
        raw_read_answer(fd, &a);
        assert_int_equal(a.status, 200);
        assert_int_equal(answer_header(&a, "X-Request-ID")[1], '0' + i);
        answer_free(&a);
        raw_expect_error(fd, 400, "invalid_request", false);
        raw_expect_health(fd);
    }
    close(fd);
}

/* A reader that gets its answer after closing its sending half: everything but an edit works that
 * way. */
static void test_half_closed(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        int fd = raw_connect(&server);
        raw_text(fd, get_health);
        shutdown(fd, SHUT_WR);
        raw_expect_health(fd);
        assert_true(raw_wait_close(fd));
        close(fd);
    }
}

static void test_old_http(void **state) {
    (void)state;
    int fd = raw_connect(&server);
    raw_text(fd, "GET /health HTTP/1.0\r\n\r\n");
    raw_expect_health(fd);
    assert_true(raw_wait_close(fd));
    close(fd);
    fd = raw_connect(&server);
    raw_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    raw_expect_health(fd);
    assert_true(raw_wait_close(fd));
    close(fd);
}

static void test_slow_clients(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    server_start_ready(&s, (const char *[]){"LIMIT_SILENCE_SECONDS=1", "LIMIT_HEAD_SECONDS=2",
                                            "LIMIT_REPLY_SECONDS=2", NULL});
    int silent = raw_connect(&s), idle = raw_connect(&s), half = raw_connect(&s),
        drip = raw_connect(&s);
    raw_text(idle, get_health);
    raw_expect_health(idle);
    raw_post_head(half, NULL, 1000);
    raw_text(half, "--" BOUNDARY);
    raw_text(drip, "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    int64_t until = now_ms() + HANG_SECONDS * 1000;
    while (raw_try_send(drip, "x", 1) && now_ms() < until)
        sleep_ms(100); /* never silent, never done */
    assert_true(now_ms() < until);
    assert_true(raw_wait_close(silent));
    assert_true(raw_wait_close(idle));
    assert_true(raw_wait_close(half));

    /* Never reading an answer that does not fit into the kernel's buffers. */
    struct form f;
    int deaf = raw_connect(&s), small = 4096;
    setsockopt(deaf, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    form_edit(&f, "night", "width", "2048", "height", "2048", "steps", "1", NULL);
    raw_post_form(deaf, &f);
    server_wait_metric(&s, "firered_http_requests_total{route=\"/edit\",status=\"200\"}", 1);
    server_wait_metric(&s, "firered_http_connections", 1);

    /* Meanwhile, an edit that takes longer than silence is allowed is no silence. */
    struct answer a;
    http_edit(&s, "ignore-cancel=2500", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    close(silent);
    close(idle);
    close(half);
    close(drip);
    close(deaf);
    assert_int_equal(server_stop(&s, 15), 0);
}

static bool answers_within(int fd, int ms) {
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, ms) == 1;
}

/* One more than the limit waits until another is closed; one more from an address is closed. */
static void test_too_many_connections(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    enum { LIMIT = 5 };
    for (int per_address = 0; per_address < 2; per_address++) {
        struct server_process s;
        int fds[LIMIT];
        server_start_ready(&s, (const char *[]){per_address ? "LIMIT_CONNECTIONS_PER_ADDRESS=5"
                                                            : "LIMIT_CONNECTIONS=5",
                                                NULL});
        for (int i = 0; i < LIMIT; i++) {
            fds[i] = raw_connect(&s);
            raw_text(fds[i], get_health);
            raw_expect_health(fds[i]);
        }
        int more = raw_connect(&s);
        raw_try_send(more, get_health, strlen(get_health));
        if (per_address) {
            assert_true(raw_wait_close(more));
            close(more);
        } else {
            assert_false(answers_within(more, 200));
        }
        for (int i = 0; i < LIMIT; i++) close(fds[i]);
        if (!per_address) {
            raw_expect_health(more);
            close(more);
        }
        int status = 0; /* there is room again */
        for (int64_t until = now_ms() + HANG_SECONDS * 1000; status != 200 && now_ms() < until;
             sleep_ms(5)) {
            struct answer a;
            int fd = raw_connect(&s);
            raw_try_send(fd, get_health, strlen(get_health));
            raw_read_answer(fd, &a);
            status = a.status;
            answer_free(&a);
            close(fd);
        }
        assert_int_equal(status, 200);
        assert_int_equal(server_stop(&s, 15), 0);
    }
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
        cmocka_unit_test(test_reuse_after_errors), cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_half_closed),        cmocka_unit_test(test_old_http),
        cmocka_unit_test(test_slow_clients),       cmocka_unit_test(test_too_many_connections),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
