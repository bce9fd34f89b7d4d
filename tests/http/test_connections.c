/*
 * What happens on a connection beside one plain request: reuse, pipelining, chunks, Expect,
 * refusals while a body is coming, slow and silent clients, too many of them, and bytes that are no
 * HTTP.
 */
#include "support/unit_test.h"

#include <fcntl.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/harness.h"

static struct server_process server;

static const char get_health[] = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

static void expect_health(int fd) {
    struct answer a;
    raw_read_answer(fd, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_string(&a, "status"), "ok");
    answer_free(&a);
}

static void expect_error(int fd, int status, const char *code, bool closed) {
    struct answer a;
    raw_read_answer(fd, &a);
    assert_error(&a, status, code);
    assert_int_equal(a.closed, closed);
    answer_free(&a);
}

static void expect_edit(int fd) {
    struct answer a;
    raw_read_answer(fd, &a);
    if (a.status != 200) fail_msg("%d %s", a.status, a.body.data ? a.body.data : "");
    answer_free(&a);
}

static void test_reuse_after_errors(void **state) {
    (void)state;
    int fd = raw_connect(&server);
    struct form f;
    for (int i = 0; i < 3; i++) {
        form_edit(&f, "night", NULL);
        raw_post_form(fd, &f);
        expect_edit(fd);
        form_edit(&f, "night", "steps", "0", NULL);
        raw_post_form(fd, &f);
        expect_error(fd, 400, "invalid_request", false);
        raw_text(fd, "POST /edit HTTP/1.1\r\nHost: x\r\nContent-Type: "
                     "text/plain\r\nContent-Length: 5\r\n\r\nhello");
        expect_error(fd, 400, "invalid_request", false);
        raw_text(fd, "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n");
        expect_error(fd, 404, "not_found", false);
        raw_text(fd, "DELETE /edit HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
        expect_error(fd, 405, "method_not_allowed", false);
        form_edit(&f, "fail=internal", NULL);
        raw_post_form(fd, &f);
        if (server_is_real())
            expect_edit(fd);
        else
            expect_error(fd, 503, "inference_error", false);
        raw_text(fd, get_health);
        expect_health(fd);
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
        expect_error(fd, 400, "invalid_request", false);
        expect_health(fd);
    }
    close(fd);
}

/* Sends the form in chunks of this size. */
static void send_chunks(int fd, const struct form *f, size_t chunk, bool end) {
    struct buffer all = {0};
    buffer_printf(&all, "POST /edit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                        "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n\r\n");
    for (size_t at = 0; at < f->body.size; at += chunk) {
        size_t n = chunk < f->body.size - at ? chunk : f->body.size - at;
        buffer_printf(&all, "%zx\r\n", n);
        buffer_append(&all, f->body.data + at, n, NULL);
        buffer_printf(&all, "\r\n");
    }
    if (end) buffer_printf(&all, "0\r\n\r\n");
    raw_send(fd, all.data, all.size);
    buffer_free(&all);
}

static void test_chunks(void **state) {
    (void)state;
    int fd = raw_connect(&server);
    static const size_t sizes[] = {1, 2, 3, 7, 50, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct form f;
        form_edit(&f, "night", NULL);
        send_chunks(fd, &f, sizes[i], true);
        expect_edit(fd);
        form_free(&f);
        form_edit(&f, "night", "seed", "x", NULL);
        send_chunks(fd, &f, sizes[i], true);
        expect_error(fd, 400, "invalid_request", false);
        form_free(&f);
    }
    close(fd);
}

static void test_byte_by_byte(void **state) {
    (void)state;
    int fd = raw_connect(&server);
    struct form f;
    form_edit(&f, "night", NULL);
    struct buffer all = {0};
    buffer_printf(
        &all,
        "POST /edit HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=\"" BOUNDARY
        "\"\r\n"
        "Content-Length: %zu\r\n\r\n",
        f.body.size);
    buffer_append(&all, f.body.data, f.body.size, NULL);
    for (size_t i = 0; i < all.size; i++) {
        raw_send(fd, all.data + i, 1);
        if (i % 64 == 0) sleep_ms(1); /* so that not all of them are read at once */
    }
    expect_edit(fd);
    buffer_free(&all);
    form_free(&f);
    close(fd);
}

static void test_expect(void **state) {
    (void)state;
    struct form f;
    struct answer a;
    int interim = 0;
    int fd = raw_connect(&server);
    form_edit(&f, "night", NULL);
    raw_post_head(fd, "Expect: 100-continue\r\n", f.body.size);
    char line[26] = "";
    assert_int_equal(recv(fd, line, 25, MSG_WAITALL), 25);
    assert_string_equal(line, "HTTP/1.1 100 Continue\r\n\r\n");
    raw_send(fd, f.body.data, f.body.size);
    raw_read_answer_counting(fd, &a, &interim);
    assert_int_equal(a.status, 200);
    assert_int_equal(interim, 0);
    answer_free(&a);
    form_free(&f);
    close(fd);

    /* Refused before the body: no 100, the answer at once. */
    static const struct {
        const char *head, *code;
        int status;
    } refused[] = {
        {"POST /edit HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: "
         "multipart/form-data; boundary=b\r\nContent-Length: 999999999\r\n\r\n",
         "payload_too_large", 413},
        {"POST /edit HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: "
         "text/plain\r\nContent-Length: 5\r\n\r\n",
         "invalid_request", 400},
        {"POST /nope HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
         "not_found", 404},
        {"PUT /edit HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
         "method_not_allowed", 405},
    };
    for (int i = 0; i < 4; i++) {
        fd = raw_connect(&server);
        raw_text(fd, refused[i].head);
        interim = 0;
        raw_read_answer_counting(fd, &a, &interim);
        assert_error(&a, refused[i].status, refused[i].code);
        assert_int_equal(interim, 0);
        assert_true(a.closed);
        assert_true(raw_wait_close(fd));
        answer_free(&a);
        close(fd);
    }
}

static void fill(char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) bytes[i] = (char)(i * 31);
}

/* A client that reads only after it has sent everything it can, far more than is taken. */
static void send_all_then_read(const char *bytes, size_t size, bool chunked) {
    int fd = raw_connect(&server);
    struct form f = {0};
    form_bytes(&f, "image", bytes, size);
    if (chunked) {
        struct buffer head = {0};
        buffer_printf(&head,
                      "POST /edit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                      "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n\r\n%x\r\n",
                      (unsigned)f.body.size);
        raw_send(fd, head.data, head.size);
        buffer_free(&head);
    } else {
        raw_post_head(fd, NULL, f.body.size);
    }
    assert_true(raw_try_send(fd, f.body.data, f.body.size));
    expect_error(fd, 413, "payload_too_large", true);
    assert_true(raw_wait_close(fd));
    close(fd);
    form_free(&f);
}

/* MAX_UPLOAD_MB=1: one byte more is too much, announced or not; the answer arrives though the body
 * is still coming. */
static void test_too_large(void **state) {
    (void)state;
    enum { MB = 1 << 20, MUCH = 24 << 20 };
    char *bytes = malloc(MUCH);
    assert_non_null(bytes);
    fill(bytes, MUCH);
    struct form f = {0};
    form_edit(&f, "night", NULL);
    f.body.size -= strlen("--" BOUNDARY "--\r\n"); /* open again */
    size_t rest = strlen("--" BOUNDARY
                         "\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\n\r\n--" BOUNDARY
                         "--\r\n");
    form_bytes(&f, "other", bytes, MB - f.body.size - rest);
    form_end(&f);
    assert_int_equal(f.body.size, MB);
    int fd = raw_connect(&server);
    raw_post_head(fd, NULL, f.body.size);
    raw_send(fd, f.body.data, f.body.size);
    expect_edit(fd);
    send_chunks(fd, &f, 65536, true);
    expect_edit(fd);
    form_raw(&f, "x"); /* the epilogue counts */
    send_chunks(fd, &f, 65536, true);
    struct answer a;
    raw_read_answer(fd, &a);
    assert_error(&a, 413, "payload_too_large");
    answer_free(&a);
    close(fd);

    fd = raw_connect(&server);
    raw_post_head(fd, NULL, f.body.size);
    (void)raw_try_send(fd, f.body.data, f.body.size);
    expect_error(fd, 413, "payload_too_large", true);
    close(fd);
    form_free(&f);

    for (int chunked = 0; chunked < 2; chunked++) send_all_then_read(bytes, MUCH, chunked);
    server_wait_metric(&server, "firered_upload_bytes", 0);
    assert_true(SANITIZED || server_metric(&server, "process_resident_memory_bytes") < 100e6);
    free(bytes);
}

/* A body without end: answered, and then cut off. */
static void test_endless_body(void **state) {
    (void)state;
    int fd = raw_connect(&server);
    raw_text(fd, "POST /edit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: "
                 "multipart/form-data; boundary=b\r\n\r\n");
    char *chunk = malloc(65536 + 10);
    assert_non_null(chunk);
    memset(chunk, 'a', 65536 + 10);
    memcpy(chunk, "10000\r\n", 7);
    memcpy(chunk + 7 + 65536, "\r\n", 2);
    int64_t until = now_ms() + HANG_SECONDS * 1000;
    while (raw_try_send(fd, chunk, 7 + 65536 + 2) && now_ms() < until) continue;
    assert_true(now_ms() < until);
    free(chunk);
    close(fd);
    assert_true(
        server_metric(&server, "firered_http_requests_total{route=\"/edit\",status=\"400\"}") >= 1);
}

static void test_refused_with_bodies(void **state) {
    (void)state;
    int fd = raw_connect(&server);
    char *bytes = calloc(1, 3 << 20);
    assert_non_null(bytes);
    raw_text(fd, "PUT /health HTTP/1.1\r\nHost: x\r\nContent-Length: 3145728\r\n\r\n");
    (void)raw_try_send(fd, bytes, 3 << 20);
    expect_error(fd, 405, "method_not_allowed", true);
    close(fd);
    fd = raw_connect(&server);
    raw_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    expect_health(fd);
    raw_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                 "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    expect_health(fd);
    raw_text(fd, get_health);
    expect_health(fd);
    close(fd);
    free(bytes);
}

/* A reader that gets its answer after closing its sending half: everything but an edit works that
 * way. */
static void test_half_closed(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        int fd = raw_connect(&server);
        raw_text(fd, get_health);
        shutdown(fd, SHUT_WR);
        expect_health(fd);
        assert_true(raw_wait_close(fd));
        close(fd);
    }
}

static void test_old_http(void **state) {
    (void)state;
    int fd = raw_connect(&server);
    raw_text(fd, "GET /health HTTP/1.0\r\n\r\n");
    expect_health(fd);
    assert_true(raw_wait_close(fd));
    close(fd);
    fd = raw_connect(&server);
    raw_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect_health(fd);
    assert_true(raw_wait_close(fd));
    close(fd);
}

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
        "GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x/y\r\n\r\n",
        "GET /health%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        for (int second = 0; second < 2; second++) {
            int fd = raw_connect(&server);
            if (second) {
                raw_text(fd, get_health);
                expect_health(fd);
            }
            raw_text(fd, heads[i]);
            raw_text(fd, get_health); /* as a body that is read as a request */
            expect_error(fd, 400, "invalid_request", true);
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
    expect_health(fd);
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
    expect_health(idle);
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
            expect_health(fds[i]);
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
            expect_health(more);
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
        cmocka_unit_test(test_reuse_after_errors),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_endless_body),
        cmocka_unit_test(test_refused_with_bodies),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_old_http),
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_no_http),
        cmocka_unit_test(test_slow_clients),
        cmocka_unit_test(test_too_many_connections),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
