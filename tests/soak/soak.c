/*
 * Good and bad requests mixed, from several clients at once, for as many seconds as the argument
 * says (60): afterwards the server holds no more memory and no more descriptors than after a tenth
 * of that time.
 *
 *     soak [SECONDS]        the program is $FIRERED_SERVER, else the server with the stand-in
 * engine
 */
#include "support/unit_test.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/harness.h"

enum { CLIENTS = 6 };

static struct server_process server;
static int64_t end_ms;
static int seconds = 60;

static void leave_in_the_middle(unsigned *seed) {
    struct form f;
    int fd = raw_connect(&server);
    if (fd < 0) return;
    form_edit(&f, "step-ms=2", "steps", "4", NULL);
    raw_post_head(fd, NULL, f.body.size);
    raw_try_send(fd, f.body.data, (size_t)rand_r(seed) % (f.body.size + 1));
    close(fd);
    form_free(&f);
}

static void one_request(unsigned *seed) {
    struct answer a = {0};
    struct form f;
    switch (rand_r(seed) % 8) {
    case 0: http_get(&server, "/metrics", &a); break;
    case 1: http_get(&server, "/nope", &a); break;
    case 2:
        form_edit(&f, "night", "steps", "0", NULL);
        http_post_form(&server, &f, &a);
        break;
    case 3: http_edit(&server, "fail=internal", &a); break;
    case 4: leave_in_the_middle(seed); break;
    case 5:
        form_edit(&f, "night", "width", "512", "height", "512", "steps", "2", NULL);
        http_post_form(&server, &f, &a);
        break;
    default: form_edit(&f, "step-ms=1", "steps", "3", NULL); http_post_form(&server, &f, &a);
    }
    answer_free(&a);
}

static void *client(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg;
    while (now_ms() < end_ms) one_request(&seed);
    return NULL;
}

static void load(int ms) {
    pthread_t threads[CLIENTS];
    end_ms = now_ms() + ms;
    for (uintptr_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, client, (void *)(i + 1)), 0);
    for (int i = 0; i < CLIENTS; i++) pthread_join(threads[i], NULL);
    server_wait_metric(&server, "firered_edits_running", 0);
    server_wait_metric(&server, "firered_queue_depth", 0);
    server_wait_metric(&server, "firered_http_connections", 1);
    server_wait_metric(&server, "firered_upload_bytes", 0);
}

static void test_soak(void **state) {
    (void)state;
    server_start_ready(&server, NULL);
    load(seconds * 100);
    double memory = server_metric(&server, "process_resident_memory_bytes");
    double files = server_metric(&server, "process_open_fds");
    load(seconds * 900);
    double after = server_metric(&server, "process_resident_memory_bytes");
    print_message("resident %.2f MB, then %.2f MB; %.0f edits\n", memory / 1e6, after / 1e6,
                  server_metric(&server, "firered_edits_total{outcome=\"ok\"}"));
    server_wait_metric(&server, "process_open_fds", files);
    assert_true(getenv("FIRERED_SANITIZED") || after < memory * 1.02 + 1e6);
    assert_int_equal(server_stop(&server, 15), 0);
}

int main(int argc, char **argv) {
    if (argc > 1) seconds = atoi(argv[1]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_soak)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
