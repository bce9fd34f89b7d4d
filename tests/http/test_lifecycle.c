/* From the open socket to the last answer: loading, failing to start, signals, the service manager.
 */
#include "support/unit_test.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/harness.h"
#include "support/files.h"

/* For ends in which threads are left as they are, on purpose. */
#define NO_LEAK_REPORT "TSAN_OPTIONS=report_thread_leaks=0"

static int post(struct server_process *s, const char *prompt) {
    struct form f;
    int fd = raw_connect(s);
    assert_true(fd >= 0);
    form_edit(&f, prompt, NULL);
    raw_post_form(fd, &f);
    return fd;
}

static void test_loading(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct answer a;
    server_start(&s, (const char *[]){"FAKE_LOAD_HOLD=go", NULL});
    server_wait_metric(&s, "firered_loading_share", 0.5);
    http_get(&s, "/health", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    http_get(&s, "/ready", &a);
    assert_error(&a, 503, "model_loading");
    assert_non_null(answer_header(&a, "Retry-After"));
    assert_string_equal(answer_string(&a, "status"), "loading");
    json_t *root = json_loadb(a.body.data, a.body.size, 0, NULL);
    assert_true(json_number_value(json_object_get(root, "progress")) == 0.5);
    json_decref(root);
    answer_free(&a);
    http_edit(&s, "night", &a);
    assert_error(&a, 503, "model_loading");
    assert_non_null(answer_header(&a, "Retry-After"));
    answer_free(&a);
    http_request(&s, "POST", "/edit", "Content-Type: text/plain\r\n", "x", 1, &a);
    assert_error(&a, 503, "model_loading"); /* nothing about the request is looked at yet */
    answer_free(&a);
    http_get(&s, "/info", &a);
    assert_string_equal(answer_string(&a, "status"), "loading");
    answer_free(&a);
    http_get(&s, "/metrics", &a);
    assert_non_null(strstr(a.body.data, "\nfirered_ready 0\n"));
    assert_null(strstr(a.body.data, "firered_model_info"));
    answer_free(&a);
    server_release(&s, "go");
    server_wait_log(&s, " ready ");
    http_get(&s, "/ready", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    http_edit(&s, "night", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    server_wait_log(&s, "percent=50");
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

/* The process lives, and says that it is of no use any more; why, only the log knows. */
static void test_changed_files(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct answer a;
    server_start_ready(&s, NULL);
    server_release(&s, "changed");
    http_get(&s, "/ready", &a);
    assert_error(&a, 503, "inference_error");
    assert_string_equal(answer_string(&a, "status"), "model_changed");
    assert_null(strstr(a.body.data, "secret"));
    answer_free(&a);
    server_wait_log(&s, "/secret/weights.safetensors was written to");
    http_get(&s, "/info", &a);
    assert_string_equal(answer_string(&a, "status"), "model_changed");
    answer_free(&a);
    http_get(&s, "/metrics", &a);
    assert_non_null(strstr(a.body.data, "\nfirered_ready 0\n"));
    answer_free(&a);
    http_get(&s, "/health", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

/* The server ends by itself, with a status of its own: whoever watches it starts it again.  What runs
 * is answered first, and says what the matter is until then. */
static void test_a_lost_device(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct answer a;
    server_start_ready(&s, (const char *[]){"LIMIT_FLUSH_SECONDS=1", NULL});
    int client = raw_connect(&s);
    raw_text(client, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_read_answer(client, &a);
    answer_free(&a);
    server_release(&s, "lost");
    raw_text(client, "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_read_answer(client, &a);
    assert_error(&a, 503, "inference_error");
    assert_string_equal(answer_string(&a, "status"), "device_lost");
    answer_free(&a);
    server_wait_log(&s, "card 0 is gone");
    assert_int_equal(server_stop(&s, 0), 4);
    close(client);
}

static void test_bad_model(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    char log[4096];
    assert_int_equal(server_fails((const char *[]){"FAKE_LOAD_FAIL=1", NULL}, log, sizeof log), 1);
    assert_non_null(strstr(log, "it has no transformer"));
    assert_int_equal(
        server_fails((const char *[]){"FAKE_WARM_FAIL=not-finite", NULL}, log, sizeof log), 1);
    assert_non_null(strstr(log, "NaN"));
    struct server_process s; /* too little memory for the warm-up is no reason not to start */
    struct answer a;
    server_start_ready(&s, (const char *[]){"FAKE_WARM_FAIL=no-memory", NULL});
    http_edit(&s, "fail=no-memory", &a);
    assert_error(&a, 503, "gpu_oom");
    answer_free(&a);
    http_edit(&s, "night", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

/* While no edit with the default settings fits into memory, /ready says so; smaller edits are made all
 * the same, and once there is memory it is ready. */
static void test_no_room(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct answer a;
    server_start(&s, (const char *[]){"FAKE_NO_ROOM=memory", NULL});
    server_wait_log(&s, "not ready: no edit with the default settings fits into memory");
    assert_true(server_logged(&s, "an edit takes 99.0 MB, but there are 7.5 MB more"));
    server_wait_log(&s, " ready ");
    for (int i = 0; i < 2; i++) {
        http_get(&s, "/ready", &a);
        assert_error(&a, 503, "gpu_oom");
        assert_string_equal(answer_string(&a, "status"), "no_memory");
        answer_free(&a);
    }
    assert_true(server_metric(&s, "firered_ready") == 0);
    http_get(&s, "/info", &a);
    assert_string_equal(answer_string(&a, "status"), "no_memory");
    answer_free(&a);
    http_edit(&s, "night", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    server_release(&s, "memory");
    http_get(&s, "/ready", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    assert_true(server_logged(&s, "ready: there is memory for an edit now"));
    assert_true(server_metric(&s, "firered_ready") == 1);
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

/* The stand-in takes a quarter of a second a step, and half with guidance: 14 s by default. */
static void test_timeout_too_short(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    static const struct {
        const char *settings[3], *says;
    } cases[] = {{{"TIMEOUT_SECONDS=13.5"}, "timeout_seconds=13.5 estimated_seconds=14 steps=28"},
                 {{"TIMEOUT_SECONDS=14"}, NULL},
                 {{"TIMEOUT_SECONDS=14", "DEFAULT_STEPS=30"}, "estimated_seconds=15 steps=30"},
                 {{"TIMEOUT_SECONDS=13.5", "DEFAULT_GUIDANCE=1"}, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server_process s;
        server_start_ready(&s, (const char *[]){cases[i].settings[0], cases[i].settings[1], NULL});
        char *log = server_log(&s);
        const char *warning = strstr(log, "TIMEOUT_SECONDS is shorter than an edit");
        if (!cases[i].says != !warning || (warning && !strstr(warning, cases[i].says)))
            fail_msg("case %zu: %s", i, log);
        free(log);
        assert_int_equal(server_stop(&s, SIGTERM), 0);
    }
}

/* Whichever of its threads cannot start, the server does not stay around without it: it ends at once
 * with status 1, and its last line says which. */
static void test_thread_refused(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    enum { OWN_THREADS = 6 }; /* a worker, deadlines, old results, clients, event streams, loader */
    int refused = 0;
    for (bool ready = false; !ready; refused += !ready) {
        struct server_process s;
        char setting[32];
        snprintf(setting, sizeof setting, "FAKE_FAIL_THREAD=%d", refused + 1);
        ready = server_gets_ready(&s, (const char *[]){setting, "MAX_CONCURRENT_JOBS=1", NULL});
        char *log = server_log(&s), *sentence = strstr(log, "firered: cannot start ");
        assert_int_equal(server_stop(&s, ready ? SIGTERM : 0), ready ? 0 : 1);
        if (!ready && (!sentence || strchr(sentence, '\n')[1] || !strstr(sentence, "thread")))
            fail_msg("thread %d: not its sentence: %s", refused + 1, log);
        free(log);
    }
    assert_int_equal(refused, OWN_THREADS);
}

static void test_port_taken(void **state) {
    (void)state;
    struct server_process s;
    char log[4096], port[32];
    server_start_ready(&s, NULL);
    snprintf(port, sizeof port, "PORT=%d", s.port);
    assert_int_equal(server_fails((const char *[]){port, NULL}, log, sizeof log), 1);
    assert_non_null(strstr(log, "another program has that port"));
    assert_non_null(strstr(log, port));
    assert_null(strstr(log, "loading")); /* it did not even begin to */
    assert_int_equal(server_fails((const char *[]){"HOST=192.0.2.1", NULL}, log, sizeof log), 1);
    assert_non_null(strstr(log, "192.0.2.1"));
    assert_int_equal(
        server_fails((const char *[]){"HOST=no such host", NULL}, log, sizeof log) != 0, 1);
    struct answer a;
    http_get(&s, "/health", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    int port_before = s.port; /* and a restart gets the same port at once */
    int open = raw_connect(&s);
    raw_text(open, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_read_answer(open, &a);
    answer_free(&a);
    assert_int_equal(server_stop(&s, SIGKILL), 128 + SIGKILL);
    server_start_ready(&s, (const char *[]){port, NULL});
    assert_int_equal(s.port, port_before);
    close(open);
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

static void check_stop(int signal) {
    struct server_process s;
    struct answer a;
    server_start_ready(&s, (const char *[]){"MAX_CONCURRENT_JOBS=1", NULL});
    int kept = raw_connect(&s), running = post(&s, "hold=go");
    server_wait_metric(&s, "firered_edits_running", 1);
    int queued[3];
    for (int i = 0; i < 3; i++) queued[i] = post(&s, "waits");
    server_wait_metric(&s, "firered_queue_depth", 3);
    raw_text(kept, "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_read_answer(kept, &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);

    server_signal(&s, signal);
    for (int i = 0; i < 3; i++) {
        raw_read_answer(queued[i], &a);
        assert_error(&a, 503, "shutting_down");
        assert_non_null(answer_header(&a, "Retry-After"));
        answer_free(&a);
        close(queued[i]);
    }
    int fd = raw_connect(&s);
    assert_true(fd < 0 || raw_wait_close(fd)); /* no new connections */
    if (fd >= 0) close(fd);
    raw_text(kept, "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"); /* an old one may still ask */
    raw_read_answer(kept, &a);
    assert_error(&a, 503, "shutting_down");
    answer_free(&a);
    struct form f;
    form_edit(&f, "too late", NULL);
    raw_post_form(kept, &f);
    raw_read_answer(kept, &a);
    assert_error(&a, 503, "shutting_down");
    answer_free(&a);
    raw_text(kept, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_read_answer(kept, &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);

    server_release(&s, "go");
    raw_read_answer(running, &a);
    assert_int_equal(a.status, 200); /* what ran has ended well */
    assert_true(a.body.size > 0);
    answer_free(&a);
    close(running);
    close(kept);
    assert_int_equal(server_stop(&s, 0), 0);
}

static void test_stop(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    check_stop(SIGTERM);
    check_stop(SIGINT);
}

static void test_stop_has_an_end(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct answer a;
    server_start_ready(&s, (const char *[]){"TIMEOUT_SECONDS=0.5", NULL});
    int running = post(&s, "hold=never");
    server_wait_log(&s, " ready ");
    sleep_ms(50);
    server_signal(&s, SIGTERM);
    raw_read_answer(running, &a);
    assert_true(a.status == 504 ||
                a.status == 503); /* 503: the signal came before the edit was queued */
    answer_free(&a);
    close(running);
    assert_int_equal(server_stop(&s, 0), 0);
}

static void test_second_signal(void **state) {
    (void)state;
    struct server_process s;
    server_start_ready(&s, (const char *[]){NO_LEAK_REPORT, NULL});
    int running = post(&s, "hold=never");
    server_wait_metric(&s, "firered_edits_running", 1);
    server_signal(&s, SIGTERM);
    server_wait_log(&s, " stopping ");
    server_signal(&s, SIGTERM);
    assert_int_equal(server_stop(&s, 0), 128 + SIGTERM);
    assert_true(raw_wait_close(running));
    close(running);
}

static void test_stop_while_loading(void **state) {
    (void)state;
    struct server_process s;
    server_start(&s, (const char *[]){"FAKE_LOAD_HOLD=never", NO_LEAK_REPORT, NULL});
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

/* Uploads in progress do not hold up the end for long, nor do clients that idle. */
static void test_stop_with_open_connections(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct answer a;
    server_start_ready(&s, (const char *[]){"LIMIT_FLUSH_SECONDS=1", NULL});
    int idle = raw_connect(&s), upload = raw_connect(&s), head = raw_connect(&s);
    raw_post_head(upload, NULL, 1000);
    raw_text(head, "GET /hea");
    raw_text(idle, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"); /* it idles behind its answer */
    raw_read_answer(idle, &a);
    answer_free(&a);
    sleep_ms(20);
    assert_int_equal(server_stop(&s, SIGTERM), 0);
    assert_true(raw_wait_close(idle) && raw_wait_close(upload) && raw_wait_close(head));
    close(idle);
    close(upload);
    close(head);
}

static void test_service_manager(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    char *dir = temporary_folder(), setting[128], word[64];
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s/socket", dir);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timeval hang = {.tv_sec = HANG_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &hang, sizeof hang);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    snprintf(setting, sizeof setting, "NOTIFY_SOCKET=%s", at.sun_path);
    struct server_process s;
    server_start(&s, (const char *[]){setting, "FAKE_LOAD_HOLD=go", NULL});
    assert_int_equal(recv(fd, word, sizeof word, MSG_DONTWAIT),
                     -1); /* not before the model is there */
    server_release(&s, "go");
    ssize_t n = recv(fd, word, sizeof word, 0);
    assert_int_equal(n, 7);
    assert_memory_equal(word, "READY=1", 7);
    server_signal(&s, SIGTERM);
    n = recv(fd, word, sizeof word, 0);
    assert_int_equal(n, 10);
    assert_memory_equal(word, "STOPPING=1", 10);
    assert_int_equal(server_stop(&s, 0), 0);
    close(fd);
    remove_folder(dir);
}

static void test_passed_socket(void **state) {
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 10), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    char setting[64];
    snprintf(setting, sizeof setting, "TEST_PASS_SOCKET=%d", fd);
    struct server_process s;
    struct answer a;
    server_start_ready(&s, (const char *[]){setting, "PORT=1", NULL});
    assert_int_equal(s.port, ntohs(at.sin_port));
    http_get(&s, "/health", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    assert_int_equal(server_stop(&s, SIGTERM), 0);
    close(fd);
}

/* Descriptors and memory after many requests are what they were after a few. */
static void test_no_leak(void **state) {
    (void)state;
    struct server_process s;
    server_start_ready(&s, NULL);
    double fds = 0, memory = 0;
    for (int i = 0; i < 600; i++) {
        struct answer a;
        if (i % 3 == 0) {
            struct form f;
            form_edit(&f, i % 2 ? "night" : "fail=internal", "steps", "1", NULL);
            http_post_form(&s, &f, &a);
        } else if (i % 3 == 1) {
            http_get(&s, "/docs", &a);
        } else {
            struct form f;
            form_edit(&f, "night", "steps", "0", NULL);
            http_post_form(&s, &f, &a);
        }
        answer_free(&a);
        if (i != 300) continue;
        server_wait_metric(&s, "firered_http_connections", 1);
        fds = server_metric(&s, "process_open_fds");
        memory = server_metric(&s, "process_resident_memory_bytes");
    }
    server_wait_metric(&s, "firered_http_connections", 1);
    server_wait_metric(&s, "process_open_fds", fds);
    double after = server_metric(&s, "process_resident_memory_bytes");
    print_message("resident: %.0f, then %.0f\n", memory, after);
    assert_true(SANITIZED || after < memory + 2e6);
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

/* One warning, where strangers may come. */
static void test_open_to_strangers(void **state) {
    (void)state;
    static const struct {
        const char *host, *key;
        bool warned;
    } cases[] = {{"HOST=", "API_KEY=", true},
                 {"HOST=0.0.0.0", "API_KEY=", true},
                 {"HOST=localhost", "API_KEY=", false},
                 {"HOST=127.1.2.3", "API_KEY=", false},
                 {"HOST=0.0.0.0", "API_KEY=sesame", false},
                 {"HOST=127.0.0.1", "API_KEY=", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server_process s;
        server_start_ready(&s, (const char *[]){cases[i].host, cases[i].key, NULL});
        server_wait_log(&s, "listening");
        assert_int_equal(server_logged(&s, "set API_KEY"), cases[i].warned);
        assert_int_equal(server_stop(&s, SIGTERM), 0);
    }
}

/* By default every address answers, those of IPv6 too, and on one port. */
static void test_both_families(void **state) {
    (void)state;
    static const struct {
        const char *host;
        bool v4, v6;
    } cases[] = {{"HOST=", true, true},
                 {"HOST=0.0.0.0", true, true},
                 {"HOST=::", true, true},
                 {"HOST=[::1]", false, true},
                 {"HOST=127.0.0.1", true, false}};
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has_v6 = probe >= 0 && bind(probe, (struct sockaddr *)&to, sizeof to) == 0;
    if (probe >= 0) close(probe);
    if (!has_v6) skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server_process s;
        struct answer a;
        server_start(&s, (const char *[]){cases[i].host, NULL});
        int v4 = raw_connect(&s), v6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        to.sin6_port = htons((uint16_t)s.port);
        assert_int_equal(v4 >= 0, cases[i].v4);
        assert_int_equal(connect(v6, (struct sockaddr *)&to, sizeof to) == 0, cases[i].v6);
        for (int k = 0; k < 2; k++) {
            if (!(k ? cases[i].v6 : cases[i].v4)) continue;
            raw_text(k ? v6 : v4, "GET /health HTTP/1.1\r\nHost: [::1]\r\n\r\n");
            raw_read_answer(k ? v6 : v4, &a);
            assert_int_equal(a.status, 200);
            answer_free(&a);
        }
        if (v4 >= 0) close(v4);
        close(v6);
        assert_int_equal(server_stop(&s, SIGTERM), 0);
    }
}

/* A terminal that is closed, and signals that other servers reopen their logs by. */
static void test_harmless_signals(void **state) {
    (void)state;
    struct server_process s;
    struct answer a;
    server_start_ready(&s, NULL);
    for (int i = 0; i < 3; i++) {
        server_signal(&s, (const int[]){SIGHUP, SIGUSR1, SIGUSR2}[i]);
        http_get(&s, "/ready", &a);
        assert_int_equal(a.status, 200);
        answer_free(&a);
    }
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loading),
        cmocka_unit_test(test_changed_files),
        cmocka_unit_test(test_a_lost_device),
        cmocka_unit_test(test_bad_model),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_timeout_too_short),
        cmocka_unit_test(test_thread_refused),
        cmocka_unit_test(test_port_taken),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_has_an_end),
        cmocka_unit_test(test_second_signal),
        cmocka_unit_test(test_stop_while_loading),
        cmocka_unit_test(test_stop_with_open_connections),
        cmocka_unit_test(test_service_manager),
        cmocka_unit_test(test_passed_socket),
        cmocka_unit_test(test_harmless_signals),
        cmocka_unit_test(test_both_families),
        cmocka_unit_test(test_open_to_strangers),
        cmocka_unit_test(test_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
