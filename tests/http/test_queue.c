/*
 * Edits that wait, run, time out, are left by their clients: who gets what answer, and that every
 * place is free again.
 */
#include "support/unit_test.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/harness.h"
#include "support/child.h"

static int post(struct server_process *s, const char *prompt) {
    struct form f;
    int fd = raw_connect(s);
    assert_true(fd >= 0);
    form_edit(&f, prompt, NULL);
    raw_post_form(fd, &f);
    return fd;
}

static void expect_answer(int fd, int status) {
    struct answer a;
    raw_read_answer(fd, &a);
    if (a.status != status)
        fail_msg("wanted %d, got %d %s", status, a.status, a.body.data ? a.body.data : "");
    answer_free(&a);
    close(fd);
}

static void expect_error(int fd, int status, const char *code, bool retry) {
    struct answer a;
    raw_read_answer(fd, &a);
    assert_error(&a, status, code);
    assert_true((answer_header(&a, "Retry-After") != NULL) == retry);
    answer_free(&a);
    close(fd);
}

static void test_order_and_limit(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    server_start_ready(&s, (const char *[]){"MAX_CONCURRENT_JOBS=1", "MAX_QUEUE=2", NULL});
    int running = post(&s, "hold=a");
    server_wait_metric(&s, "firered_edits_running", 1);
    int first = post(&s, "hold=b");
    server_wait_metric(&s, "firered_queue_depth", 1);
    int second = post(&s, "third");
    server_wait_metric(&s, "firered_queue_depth", 2);
    expect_error(post(&s, "one more"), 503, "queue_full", true);
    server_release(&s, "a");
    expect_answer(running, 200);
    server_wait_metric(&s, "firered_edits_running",
                       1); /* the first in the queue now runs, the second still waits */
    assert_true(server_metric(&s, "firered_queue_depth") == 1);
    server_release(&s, "b");
    expect_answer(first, 200);
    expect_answer(second, 200);
    assert_true(server_metric(&s, "firered_http_requests_total{route=\"/edit\",status=\"200\"}") ==
                3);
    assert_true(server_metric(&s, "firered_http_requests_total{route=\"/edit\",status=\"503\"}") ==
                1);
    assert_int_equal(server_stop(&s, 15), 0);
}

static void test_no_queue(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    server_start_ready(&s, (const char *[]){"MAX_CONCURRENT_JOBS=2", "MAX_QUEUE=0", NULL});
    int a = post(&s, "hold=a");
    server_wait_metric(&s, "firered_edits_running", 1);
    int b = post(&s, "hold=a");
    server_wait_metric(&s, "firered_edits_running", 2);
    expect_error(post(&s, "one more"), 503, "queue_full", true);
    server_release(&s, "a");
    expect_answer(a, 200);
    expect_answer(b, 200);
    assert_int_equal(server_stop(&s, 15), 0);
}

static void test_timeouts(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    server_start_ready(&s, (const char *[]){"MAX_CONCURRENT_JOBS=1", "TIMEOUT_SECONDS=0.4", NULL});
    int running = post(&s, "hold=never");
    server_wait_metric(&s, "firered_edits_running", 1);
    int queued = post(&s, "waits");
    expect_error(running, 504, "timeout", false);
    /* The second came later: either it still had its own time left and ran, or it timed out
     * waiting. */
    struct answer a;
    raw_read_answer(queued, &a);
    assert_true(a.status == 200 || a.status == 504);
    answer_free(&a);
    close(queued);
    server_wait_metric(&s, "firered_edits_running", 0);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* Both come at the same time, one at a time runs: the one that waits is answered, too, and leaves
 * the queue at once. */
static void test_timeout_in_queue(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    server_start_ready(&s, (const char *[]){"MAX_CONCURRENT_JOBS=1", "TIMEOUT_SECONDS=1", NULL});
    int running = post(&s, "ignore-cancel=4000");
    server_wait_metric(&s, "firered_edits_running", 1);
    int queued = post(&s, "waits");
    server_wait_metric(&s, "firered_queue_depth", 1);
    expect_error(queued, 504, "timeout", false);
    assert_true(server_metric(&s, "firered_queue_depth") == 0);
    assert_true(server_metric(&s, "firered_edits_running") ==
                1); /* the other one does not let go yet */
    expect_error(running, 504, "timeout", false);
    assert_true(server_metric(&s, "firered_edits_total{outcome=\"timeout\"}") == 2);
    expect_answer(post(&s, "goes on"), 200);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* An upload that takes as long as the whole edit may. */
static void test_timeout_in_upload(void **state) {
    (void)state;
    struct server_process s;
    struct form f;
    server_start_ready(&s, (const char *[]){"TIMEOUT_SECONDS=0.3", NULL});
    int fd = raw_connect(&s);
    form_edit(&f, "night", NULL);
    raw_post_head(fd, NULL, f.body.size);
    raw_send(fd, f.body.data, 100);
    sleep_ms(400);
    raw_send(fd, f.body.data + 100, f.body.size - 100);
    expect_error(fd, 504, "timeout", false);
    form_free(&f);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* The real engine's edits are over before a close is told from the end of a sending half: there the
 * client resets. */
static void leave(int fd) {
    struct linger reset = {.l_onoff = 1};
    if (server_is_real()) setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
}

static void test_leaving(void **state) {
    (void)state;
    struct server_process s;
    server_start_ready(&s, (const char *[]){"MAX_CONCURRENT_JOBS=1", NULL});
    int running = post(&s, "hold=never");
    server_wait_metric(&s, "firered_edits_running", 1);
    int left = post(&s, "never run"), stays = post(&s, "night");
    server_wait_metric(&s, "firered_queue_depth", 2);
    leave(left); /* while queued */
    server_wait_metric(&s, "firered_queue_depth", 1);
    server_wait_metric(&s, "firered_edits_total{outcome=\"cancelled\"}", 1);
    leave(running); /* while running: its place is free, the next one starts */
    expect_answer(stays, 200);
    server_wait_metric(&s, "firered_edits_total{outcome=\"cancelled\"}", 2);
    server_wait_metric(&s, "firered_http_requests_total{route=\"/edit\",status=\"499\"}", 2);

    running = post(&s, "hold=never"); /* by a reset instead of an end */
    server_wait_metric(&s, "firered_edits_running", 1);
    struct linger reset = {.l_onoff = 1};
    setsockopt(running, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(running);
    server_wait_metric(&s, "firered_edits_running", 0);

    if (server_is_real()) {
        assert_int_equal(server_stop(&s, 15), 0);
        return;
    }
    running = post(&s, "hold=half"); /* its sending half only: it waits, and is answered */
    server_wait_metric(&s, "firered_edits_running", 1);
    shutdown(running, SHUT_WR);
    sleep_ms(500);
    assert_int_equal(server_metric(&s, "firered_edits_running"), 1);
    server_release(&s, "half");
    expect_answer(running, 200);

    running = post(&s, "hold=never"); /* its sending half first, and then all of it */
    server_wait_metric(&s, "firered_edits_running", 1);
    shutdown(running, SHUT_WR);
    sleep_ms(100);
    setsockopt(running, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(running);
    server_wait_metric(&s, "firered_edits_running", 0);

    running = post(&s, "hold=never"); /* with a next request already sent behind it */
    server_wait_metric(&s, "firered_edits_running", 1);
    raw_text(running, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    close(running);
    server_wait_metric(&s, "firered_edits_running", 0);
    server_wait_metric(&s, "firered_upload_bytes", 0);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* Edits that end together, of clients who have closed their sending halves: each gets its answer,
 * also beside a connection that is kept and has nothing to say. */
static void test_half_closed_together(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    enum { EDITS = 4, ROUNDS = 10 };
    struct server_process s;
    struct answer a;
    server_start_ready(&s, (const char *[]){"MAX_CONCURRENT_JOBS=4", NULL});
    int kept = raw_connect(&s);
    raw_text(kept, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_read_answer(kept, &a);
    answer_free(&a);
    for (int round = 0; round < ROUNDS; round++) {
        int fds[EDITS];
        char prompt[32];
        snprintf(prompt, sizeof prompt, "hold=round-%d", round);
        for (int i = 0; i < EDITS; i++) {
            fds[i] = post(&s, prompt);
            shutdown(fds[i], SHUT_WR);
        }
        server_wait_metric(&s, "firered_edits_running", EDITS);
        server_release(&s, strchr(prompt, '=') + 1);
        for (int i = 0; i < EDITS; i++) expect_answer(fds[i], 200);
    }
    close(kept);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* An answer larger than what the kernel takes at once, and a client that leaves in the middle of
 * it. */
static void test_leaving_while_answered(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct answer a;
    server_start_ready(&s, NULL);
    for (int i = 0; i < 3; i++) {
        struct form f;
        char some[1000];
        int fd = raw_connect(&s);
        form_edit(&f, "night", "width", "2048", "height", "2048", "steps", "1", NULL);
        raw_post_form(fd, &f);
        assert_true(recv(fd, some, sizeof some, 0) > 0);
        close(fd);
    }
    http_edit(&s, "night", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    server_wait_metric(&s, "firered_http_connections", 1); /* the one that asks */
    assert_int_equal(server_stop(&s, 15), 0);
}

static void test_leaving_in_upload(void **state) {
    (void)state;
    struct server_process s;
    server_start_ready(&s, NULL);
    for (size_t cut = 1; cut < 400; cut += 13) {
        struct form f;
        int fd = raw_connect(&s);
        form_edit(&f, "night", NULL);
        raw_post_head(fd, NULL, f.body.size);
        raw_send(fd, f.body.data, cut);
        close(fd);
        form_free(&f);
    }
    server_wait_metric(&s, "firered_http_connections", 1);
    server_wait_metric(&s, "firered_upload_bytes", 0);
    assert_int_equal(server_stop(&s, 15), 0);
}

struct crowd {
    struct server_process *server;
    int status;
    struct buffer body;
};

static void *one_of_the_crowd(void *arg) {
    struct crowd *c = arg;
    struct form f;
    struct answer a = {0};
    form_edit(&f, "step-ms=1", "seed", "7", "steps", "3", NULL);
    http_post_form(c->server, &f, &a);
    c->status = a.status;
    c->body = a.body;
    buffer_free(&a.head);
    return NULL;
}

static void test_crowd(void **state) {
    (void)state;
    enum { CLIENTS = 200 };
    static struct crowd crowd[CLIENTS];
    pthread_t threads[CLIENTS];
    struct server_process s;
    server_start_ready(&s, (const char *[]){"MAX_QUEUE=8", "MAX_CONCURRENT_JOBS=2", NULL});
    for (int i = 0; i < CLIENTS; i++) {
        crowd[i] = (struct crowd){.server = &s};
        assert_int_equal(pthread_create(&threads[i], NULL, one_of_the_crowd, &crowd[i]), 0);
    }
    int edited = 0, refused = 0;
    const struct buffer *first = NULL;
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        edited += crowd[i].status == 200;
        refused += crowd[i].status == 503;
        if (crowd[i].status != 200) continue;
        if (!first) first = &crowd[i].body;
        /* The same request gives the same bytes, however many run beside it. */
        assert_int_equal(crowd[i].body.size, first->size);
        assert_memory_equal(crowd[i].body.data, first->data, first->size);
    }
    assert_int_equal(edited + refused, CLIENTS);
    assert_true(edited >= 10);
    assert_true(server_metric(&s, "firered_http_requests_total{route=\"/edit\",status=\"200\"}") ==
                edited);
    assert_true(server_metric(&s, "firered_http_requests_total{route=\"/edit\",status=\"503\"}") ==
                refused);
    assert_true(server_metric(&s, "firered_edits_total{outcome=\"ok\"}") == edited);
    assert_true(server_metric(&s, "firered_http_request_seconds_count{route=\"/edit\"}") ==
                CLIENTS);
    assert_true(server_metric(&s, "firered_queue_depth") == 0);
    assert_true(server_metric(&s, "firered_edits_running") == 0);
    assert_true(server_metric(&s, "firered_upload_bytes") == 0);
    print_message("%d edited, %d refused\n", edited, refused);
    for (int i = 0; i < CLIENTS; i++) buffer_free(&crowd[i].body);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* A hundred edits wait: the server has no more threads than with none. */
static int64_t threads_of(struct server_process *s) {
    return child_fact(s->pid, "Threads");
}

static void test_waiting_costs_no_thread(void **state) {
    (void)state;
    enum { CLIENTS = 100 };
    int fds[CLIENTS];
    struct server_process s;
    /* A busy machine may need minutes for that many edits. */
    server_start_ready(&s, (const char *[]){"MAX_QUEUE=200", "MAX_CONCURRENT_JOBS=1",
                                            "TIMEOUT_SECONDS=3600", NULL});
    struct answer warm;
    http_edit(&s, "night", &warm);
    answer_free(&warm);
    sleep_ms(50); /* the loader's thread has ended */
    int64_t before = threads_of(&s);
    for (int i = 0; i < CLIENTS; i++) fds[i] = post(&s, "hold=a");
    server_wait_metric(&s, "firered_queue_depth", CLIENTS - 1);
    assert_int_equal(threads_of(&s), before);
    server_release(&s, "a");
    for (int i = 0; i < CLIENTS; i++) expect_answer(fds[i], 200);
    assert_int_equal(server_stop(&s, 15), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_limit),
        cmocka_unit_test(test_no_queue),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_timeout_in_queue),
        cmocka_unit_test(test_timeout_in_upload),
        cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_half_closed_together),
        cmocka_unit_test(test_leaving_while_answered),
        cmocka_unit_test(test_leaving_in_upload),
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_waiting_costs_no_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
