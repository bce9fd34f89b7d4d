/*
 * The client against a server of one thread that notes what it is asked and answers one prepared
 * text per connection.
 */
#include "support/unit_test.h"

#include "net/http_client.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
    int listening;
    char url[64];
    const char *answer; /* NULL: none */
    bool stays;         /* connected, until the client has gone; without an answer in any case */
    char request[4096];
    pthread_t thread;
};

static void *serve(void *arg) {
    struct server *s = arg;
    int fd = accept(s->listening, NULL, NULL);
    size_t n = 0;
    while (n < sizeof s->request - 1 && !strstr(s->request, "\r\n\r\n")) {
        ssize_t got = read(fd, s->request + n, sizeof s->request - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
    }
    char rest;
    if (s->answer) (void)!write(fd, s->answer, strlen(s->answer));
    if (!s->answer || s->stays) (void)!read(fd, &rest, 1);
    close(fd);
    return NULL;
}

static void start(struct server *s, const char *answer, bool stays) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    *s = (struct server){
        .listening = socket(AF_INET, SOCK_STREAM, 0), .answer = answer, .stays = stays};
    assert_int_equal(bind(s->listening, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(s->listening, 1), 0);
    assert_int_equal(getsockname(s->listening, (struct sockaddr *)&address, &size), 0);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/base/", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

/* One request to a server that answers so. */
static enum status ask(struct server *s, const char *answer, const char *key,
                       struct http_exchange *e, struct error *err) {
    struct http_client client;
    start(s, answer, e->silence > 0);
    e->method = "GET";
    e->path = "/thing";
    e->direct = true;
    e->seconds = 60;
    assert_int_equal(http_client_open(&client, s->url, key, err), STATUS_OK);
    enum status status = http_client_run(&client, e, err);
    const char *header = http_client_header(&client, "X-Word");
    if (answer && strstr(answer, "X-Word")) assert_string_equal(header, "yes");
    http_client_close(&client);
    shutdown(s->listening, SHUT_RDWR); /* wakes a server that nobody came to */
    pthread_join(s->thread, NULL);
    close(s->listening);
    return status;
}

static void an_answer_comes_back_whatever_its_status(void **state) {
    (void)state;
    struct server s;
    struct error err = {""};
    struct http_exchange e = {0};
    assert_int_equal(ask(&s,
                         "HTTP/1.1 404 Not Found\r\nX-Word: yes\r\nContent-Length: 4\r\n"
                         "Connection: close\r\n\r\nnone",
                         "sesame", &e, &err),
                     STATUS_OK);
    assert_int_equal(e.status, 404);
    assert_int_equal(e.body.size, 4);
    assert_memory_equal(e.body.data, "none", 4);
    assert_non_null(strstr(s.request, "GET /base/thing HTTP/1.1\r\n"));
    assert_non_null(strstr(s.request, "Authorization: Bearer sesame\r\n"));
    buffer_free(&e.body);
}

static void no_answer_is_an_error_that_names_the_server(void **state) {
    (void)state;
    struct server s;
    struct error err = {""};
    struct http_exchange e = {0};
    assert_int_equal(ask(&s, "", NULL, &e, &err), STATUS_IO);
    assert_int_equal(e.status, 0);
    assert_non_null(strstr(err.text, "no answer from http://127.0.0.1:"));
    assert_null(strstr(s.request, "Authorization"));
}

static bool count_to_three(void *arg, const char *bytes, size_t size) {
    size_t *count = arg;
    (void)bytes;
    return (*count += size) < 3;
}

static void a_sink_takes_a_200_and_may_end_it(void **state) {
    (void)state;
    struct server s;
    struct error err = {""};
    size_t count = 0;
    struct http_exchange e = {.sink = count_to_three, .arg = &count};
    assert_int_equal(ask(&s, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcd", NULL, &e, &err),
                     STATUS_OK);
    assert_int_equal(count, 4);
    assert_int_equal(e.body.size, 0);

    count = 0;
    assert_int_equal(ask(&s,
                         "HTTP/1.1 500 No\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwhy?",
                         NULL, &e, &err),
                     STATUS_OK);
    assert_int_equal(count, 0);
    assert_int_equal(e.body.size, 4);
    buffer_free(&e.body);
}

static bool yes(void *arg) {
    (void)arg;
    return true;
}

static void a_request_can_be_cancelled(void **state) {
    (void)state;
    struct server s;
    struct error err = {""};
    struct http_exchange e = {.cancelled = yes};
    assert_int_equal(ask(&s, NULL, NULL, &e, &err), STATUS_CANCELLED);
    assert_int_equal(e.status, 0);
}

static void silence_ends_a_request(void **state) {
    (void)state;
    static const char *const answers[] = {NULL, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"};
    for (size_t i = 0; i < 2; i++) {
        struct server s;
        struct error err = {""};
        struct http_exchange e = {.silence = 0.3};
        assert_int_equal(ask(&s, answers[i], NULL, &e, &err), STATUS_IO);
        assert_true(e.silent);
        assert_non_null(strstr(err.text, "not a byte in 0.3 seconds"));
        buffer_free(&e.body);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_back_whatever_its_status),
        cmocka_unit_test(no_answer_is_an_error_that_names_the_server),
        cmocka_unit_test(a_sink_takes_a_200_and_may_end_it),
        cmocka_unit_test(a_request_can_be_cancelled),
        cmocka_unit_test(silence_ends_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
