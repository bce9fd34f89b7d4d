/*
 * Bodies that come in other ways than at once: in chunks, byte by byte, after a question (Expect),
 * without end; and refusals while they are coming.
 */
#include "support/unit_test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "http/harness.h"

static struct server_process server;

static const char get_health[] = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

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
        raw_expect_edit(fd);
        form_free(&f);
        form_edit(&f, "night", "seed", "x", NULL);
        send_chunks(fd, &f, sizes[i], true);
        raw_expect_error(fd, 400, "invalid_request", false);
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
    raw_expect_edit(fd);
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
    raw_expect_error(fd, 413, "payload_too_large", true);
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
    raw_expect_edit(fd);
    send_chunks(fd, &f, 65536, true);
    raw_expect_edit(fd);
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
    raw_expect_error(fd, 413, "payload_too_large", true);
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
    raw_expect_error(fd, 405, "method_not_allowed", true);
    close(fd);
    fd = raw_connect(&server);
    raw_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    raw_expect_health(fd);
    raw_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                 "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    raw_expect_health(fd);
    raw_text(fd, get_health);
    raw_expect_health(fd);
    close(fd);
    free(bytes);
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
        cmocka_unit_test(test_chunks),       cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_expect),       cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_endless_body), cmocka_unit_test(test_refused_with_bodies),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
