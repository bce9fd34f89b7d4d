/*
 * firered edit --server: the picture that the service makes, with its bar, its refusals, and its job
 * gone when the user has had enough.
 */
#include "support/unit_test.h"

#include <signal.h>

#include "http/harness.h"
#include "program/program.h"

static struct server_process server;
static struct command_line line;
static struct child child;
static char url[64];

static int start_server(void **state) {
    if (scene_enter(state) != 0) return -1;
    setenv("FIRERED_SERVER", FIRERED_PROGRAM, 1);
    server_start_ready(&server, (const char *const[]){"MODEL_ID=" TINY_MODEL, "DTYPE=float32",
                                                      "API_KEY=sesame", NULL});
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", server.port);
    return 0;
}

static int stop_server(void **state) {
    int status = server_stop(&server, SIGTERM);
    return scene_leave(state) == 0 ? status : -1;
}

static void start_edit(const char *steps) {
    line_start(&line, "edit");
    line_add(&line, "--image", "%s", TEST_DATA "/decode/rgb.png");
    line_add(&line, "--prompt", "a red hat");
    line_add(&line, "--steps", "%s", steps);
    line_add(&line, "--guidance-scale", "3");
    line_add(&line, "--negative-prompt", "blurry");
    line_add(&line, "--seed", "18446744073709551615");
}

static void at_server(void) {
    line_add(&line, "--server", "%s", url);
    line_add(&line, "--api-key", "sesame");
}

static void test_same_bytes(void **state) {
    (void)state;
    static const char *const sizes[] = {"model", "input", "96x80"};
    for (size_t i = 0; i < 3; i++) {
        start_edit("3");
        line_add(&line, "--size", "%s", sizes[i]);
        line_add(&line, "--output", "out/there-%s.png", sizes[i]);
        at_server();
        line_run_well(&line, &child);
        assert_non_null(strstr(child.out, ", seed 18446744073709551615, steps 3, guidance 3, "));
        start_edit("3");
        line_add(&line, "--size", "%s", sizes[i]);
        line_add(&line, "--output", "out/here-%s.png", sizes[i]);
        line_add(&line, "--model", "%s", TINY_MODEL);
        line_add(&line, "--dtype", "float32");
        line_run_well(&line, &child);
        char here[64], there[64];
        snprintf(here, sizeof here, "out/here-%s.png", sizes[i]);
        snprintf(there, sizeof there, "out/there-%s.png", sizes[i]);
        assert_true(same_files(here, there));
    }
}

static void test_format(void **state) {
    (void)state;
    struct buffer file;
    start_edit("1");
    line_add(&line, "--output", "out/a.webp");
    at_server();
    line_run_well(&line, &child);
    file = read_bytes("out/a.webp");
    assert_memory_equal(file.data + 8, "WEBP", 4);
    buffer_free(&file);
}

/* What the service says of an edit is said here as well. */
static void test_change_and_note(void **state) {
    (void)state;
    double there, here;
    start_edit("1");
    line_add(&line, "--output", "out/there.png");
    line_add_switch(&line, "--json");
    at_server();
    line_run_well(&line, &child);
    assert_int_equal(sscanf(strstr(child.out, "\"change\": "), "\"change\": %lf", &there), 1);
    start_edit("1");
    line_add(&line, "--output", "out/here.png");
    line_add_switch(&line, "--json");
    line_add(&line, "--model", "%s", TINY_MODEL);
    line_add(&line, "--dtype", "float32");
    line_run_well(&line, &child);
    assert_int_equal(sscanf(strstr(child.out, "\"change\": "), "\"change\": %lf", &here), 1);
    assert_true(there == here && there > 0.5);
    start_edit("1");
    line_add(&line, "--image", "out/here.png");
    line_add(&line, "--output", "out/again.png");
    at_server();
    line_run(&line, &child);
    assert_int_equal(child.status, 0);
    assert_non_null(strstr(child.err, "A picture was made with this very seed"));
}

static void test_progress(void **state) {
    (void)state;
    start_edit("60"); /* so that a client on a busy machine still sees some of them */
    line_add(&line, "--output", "out/a.png");
    at_server();
    child_run_on_terminal(&child, FIRERED_PROGRAM, line.words);
    assert_int_equal(child.status, 0);
    assert_non_null(strstr(child.out, "denoise  ["));
    assert_non_null(strstr(child.out, "/60"));
    assert_non_null(strstr(child.out, "\r\033[Kout/a.png: "));
}

static void test_refusals(void **state) {
    (void)state;
    start_edit("1");
    line_add(&line, "--output", "out/a.png");
    line_add(&line, "--server", "%s", url);
    line_run_badly(&line, "the server refuses: send the server's key as");
    line_add(&line, "--api-key", "wrong");
    line_run_badly(&line, "the server refuses: ");
    start_edit("1000");
    line_add(&line, "--output", "out/a.png");
    at_server();
    line_run_badly(&line, "the server refuses: steps");
    start_edit("1");
    line_add(&line, "--image", "%s", TEST_DATA "/decode/bad-half.png");
    line_add(&line, "--output", "out/a.png");
    at_server();
    line_run_badly(&line, "the server's edit failed: image 2: the PNG picture is truncated");
    line_add(&line, "--lora", "x");
    line_run_badly(&line, "--lora is for edits on this machine");
    start_edit("1");
    line_add(&line, "--server", "%s", "localhost:7000");
    line_run_badly(&line, "must be a URL");
    line_add(&line, "--server", "%s", "http://127.0.0.1:1");
    line_run_badly(&line, "no answer from http://127.0.0.1:1: ");
    assert_int_equal(count_files("out"), 0);
}

static void test_interrupt(void **state) {
    (void)state;
    start_edit("100");
    line_add(&line, "--size", "1024x1024");
    line_add(&line, "--output", "out/a.png");
    at_server();
    child_start(&child, FIRERED_PROGRAM, line.words);
    server_wait_log(&server, "/v1/jobs");
    sleep_ms(500);
    kill(child.pid, SIGINT);
    child_wait(&child);
    assert_int_equal(child.status, 130);
    assert_string_equal(child.err, "firered edit: interrupted; nothing was written\n");
    server_wait_log(&server, "outcome=cancelled");
    assert_int_equal(count_files("out"), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, scene_reset)
    const struct CMUnitTest tests[] = {
        TEST(test_same_bytes), TEST(test_format),   TEST(test_change_and_note),
        TEST(test_progress),   TEST(test_refusals), TEST(test_interrupt),
    };
#undef TEST
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
