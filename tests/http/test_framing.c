/*
 * Heads that two programs could read differently, as bytes: each is refused, whole or in the piece
 * that has come; and such as only look odd are not.
 */
#include "support/unit_test.h"

#include <string.h>

#include "http/framing.h"

enum { MAX_SIZE = 2048 };

#define GET     "GET /health HTTP/1.1\r\n"
#define HOST    GET "Host: x\r\n"
#define TEXT(s) (s), sizeof(s) - 1

static const struct {
    const char *bytes;
    size_t size;
    int status; /* 0: it may stand */
} heads[] = {
    {TEXT(HOST "\r\n"), 0},
    {TEXT(GET "host:x:8000\r\n\r\n"), 0},
    {TEXT(GET "Host:\r\n\r\n"), 0},
    {TEXT(GET "Host: [::1]:80\r\n\r\n"), 0},
    {TEXT("GET /health HTTP/1.0\r\n\r\n"), 0},
    {TEXT("\r\n\r\n" HOST "\r\n"), 0},
    {TEXT("GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n"), 0},
    {TEXT("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), 0},
    {TEXT(HOST "X: \t a b \t\r\n\r\n"), 0},
    {TEXT(HOST "X:\r\n\r\n"), 0},
    {TEXT(HOST "X: caf\xc3\xa9\r\n\r\n"), 0},
    {TEXT(HOST "Content-Length: \t 5\r\n\r\nhello"), 0},
    {TEXT(HOST "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), 0},
    {TEXT(HOST "Content-Length: 2\r\n\r\n\n\0"), 0}, /* a body may be anything */
    {TEXT("GET /health?%00 HTTP/1.1\r\nHost: x\r\n\r\n"), 0},
    {TEXT("GET"), 0}, /* pieces */
    {TEXT("GET /health HTTP/1.1\r"), 0},
    {TEXT(HOST "Content-Len"), 0},
    {TEXT(""), 0},

    {TEXT(HOST "Content-Length: 0\r\nContent-Length: 5\r\n\r\n"), 400},
    {TEXT(HOST "Content-Length: 5\r\nX: y\r\ncontent-length: 5\r\n\r\n"), 400},
    {TEXT(HOST "Content-Length: 5, 5\r\n\r\n"), 400},
    {TEXT(HOST "Content-Length: +5\r\n\r\n"), 400},
    {TEXT(HOST "Content-Length: -5\r\n\r\n"), 400},
    {TEXT(HOST "Content-Length: 0x5\r\n\r\n"), 400},
    {TEXT(HOST "Content-Length: 1 2\r\n\r\n"), 400},
    {TEXT(HOST "Content-Length:\r\n\r\n"), 400},
    {TEXT(HOST "Content-Length: 5 \r\n\r\nhello"), 400}, /* right, but not to the library */
    {TEXT(HOST "Transfer-Encoding: chunked\t\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), 400},
    {TEXT(HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
    {TEXT(HOST "Transfer-Encoding: chunked, identity\r\n\r\n"), 400},
    {TEXT(HOST "Transfer-Encoding: identity, chunked\r\n\r\n"), 400},
    {TEXT(HOST "Transfer-Encoding: identity\r\n\r\n"), 400},
    {TEXT(HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
    {TEXT(HOST "Transfer-Encoding: \"chunked\"\r\n\r\n"), 400},
    {TEXT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
    {TEXT(HOST "Transfer-Encoding: chunked\r\n\r\n5\nhello"), 400},
    {TEXT(HOST "Host: x\r\n\r\n"), 400},
    {TEXT(GET "\r\n"), 400},
    {TEXT(GET "Host: x/y\r\n\r\n"), 400},
    {TEXT(GET "Host: a@b\r\n\r\n"), 400},
    {TEXT(GET "Host: a b\r\n\r\n"), 400},
    {TEXT("GET /health HTTP/1.1\nHost: x\n\n"), 400},
    {TEXT(HOST "X: y\n\r\n"), 400},
    {TEXT(HOST "\n"), 400},
    {TEXT(HOST "X: a\rb\r\n\r\n"), 400},
    {TEXT(HOST "X: a\r\r\n\r\n"), 400},
    {TEXT(HOST "X: a\0b\r\n\r\n"), 400},
    {TEXT(HOST "X: a\0b"), 400}, /* in a piece */
    {TEXT(HOST "X: a\x1b\r\n\r\n"), 400},
    {TEXT("GET /hea\0lth HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
    {TEXT("GET /health%00 HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
    {TEXT(HOST ": y\r\n\r\n"), 400},
    {TEXT(HOST "X : y\r\n\r\n"), 400},
    {TEXT(HOST "X(Y): y\r\n\r\n"), 400},
    {TEXT(HOST "no colon\r\n\r\n"), 400},
    {TEXT(HOST " folded\r\n\r\n"), 400},
    {TEXT(HOST "X: y\r\n\tfolded: z\r\n\r\n"), 400},
    {TEXT("hello\r\n\r\n"), 400},
    {TEXT("GET /health\r\n\r\n"), 400},
    {TEXT("GET  /health HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
    {TEXT("GET /hea lth HTTP/1.1\r\nHost: x\r\n\r\n"), 400},
    {TEXT("GET /health http/1.1\r\nHost: x\r\n\r\n"), 400},
    {TEXT("\x16\x03\x01\x02\x00\x01\x00"), 400},
    {TEXT("GET /health HTTP/9.9\r\nHost: x\r\n\r\n"), 505},
    {TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
};

static void judge(const char *bytes, size_t size, int wanted) {
    enum http_error code;
    const char *detail = NULL;
    bool stands = framing_look(bytes, size, MAX_SIZE, &code, &detail);
    if (stands != (wanted == 0) || (!stands && http_error_kind(code)->status != wanted))
        fail_msg("%d wanted, %d: %s\n%.*s", wanted, stands ? 0 : http_error_kind(code)->status,
                 detail ? detail : "", (int)size, bytes);
    if (!stands) assert_true(strlen(detail) > 10);
}

static void test_heads(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        judge(heads[i].bytes, heads[i].size, heads[i].status);
}

/* A head that may stand does so in every piece of it. */
static void test_pieces(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        for (size_t n = 0; heads[i].status == 0 && n < heads[i].size; n++)
            judge(heads[i].bytes, n, 0);
}

static void test_sizes(void **state) {
    (void)state;
    char head[2 * MAX_SIZE] = HOST "X: ";
    size_t n = strlen(head);
    memset(head + n, 'y', sizeof head - n);
    judge(head, MAX_SIZE - 1, 0);
    judge(head, MAX_SIZE, 431);
    memcpy(head + MAX_SIZE, "\r\n\r\n", 4);
    judge(head, MAX_SIZE + 4, 431);
    memcpy(head + MAX_SIZE - 10, "\r\n\r\n", 4);
    judge(head, sizeof head, 0);
    strcpy(head, "GET /?a");
    for (int i = 0; i < 500; i++) strcat(head, "&a");
    strcat(head, " HTTP/1.1\r\nHost: x\r\n\r\n");
    judge(head, strlen(head), 431);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
