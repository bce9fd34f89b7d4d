/*
 * Ctrl-C during an edit: it ends within a step, with status 130, and leaves nothing behind.
 */
#include "support/unit_test.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "program/program.h"

static void sleep_seconds(double s) {
    nanosleep(&(struct timespec){(time_t)s, (long)((s - (double)(time_t)s) * 1e9)}, NULL);
}

/* An edit that would take minutes, `after` seconds from its start. */
static void start_long_edit(struct child *c, double after) {
    static struct command_line line;
    line_start_small_edit(&line, TINY_MODEL);
    line_add(&line, "--steps", "1000");
    line_add(&line, "--width", "1024");
    line_add(&line, "--height", "1024");
    line_add(&line, "--output", "out/edited.png");
    line_add_switch(&line, "--force");
    child_start(c, FIRERED_PROGRAM, line.words);
    sleep_seconds(after);
    assert_false(child_ended(c));
}

static void assert_interrupted(struct child *c, double since, double max_seconds) {
    child_wait(c);
    double took = clock_now_seconds() - since;
    if (c->status != 130) fail_msg("status %d: %s", c->status, c->err);
    if (took > max_seconds * (SANITIZED ? 10 : 1)) fail_msg("it took %.2f s to stop", took);
    assert_int_equal(count_files("out"), 0);
    assert_string_equal(c->out, "");
}

static void interrupt_with(int signal, double after) {
    static struct child c;
    start_long_edit(&c, after);
    double since = clock_now_seconds();
    kill(c.pid, signal);
    assert_interrupted(&c, since, 10);
    if (after >= 0.5) assert_non_null(strstr(c.err, "interrupted"));
}

static void test_while_editing(void **state) {
    (void)state;
    interrupt_with(SIGINT, 2);
    interrupt_with(SIGINT, 1.3);
    interrupt_with(SIGTERM, 1);
}

/* Wherever it strikes: while the program starts, loads, plans, encodes. */
static void test_at_any_moment(void **state) {
    (void)state;
    for (int i = 1; i <= 20; i++) {
        static struct child c;
        start_long_edit(&c, 0.012 * i);
        double since = clock_now_seconds();
        kill(c.pid, SIGINT);
        child_wait(&c);
        bool before_it_listened =
            c.status == 128 + SIGINT; /* the system's own way, in the first milliseconds */
        if (c.status != 130 && !before_it_listened) fail_msg("status %d: %s", c.status, c.err);
        assert_true(clock_now_seconds() - since < 10 * (SANITIZED ? 10 : 1));
        assert_int_equal(count_files("out"), 0);
    }
}

/* A second one does not wait for the step to end. */
static void test_twice(void **state) {
    (void)state;
    static struct child c;
    start_long_edit(&c, 1.5);
    double since = clock_now_seconds();
    kill(c.pid, SIGINT);
    sleep_seconds(0.005);
    kill(c.pid, SIGINT);
    assert_interrupted(&c, since, 1);
}

/* A picture that was there before stays as it was. */
static void test_old_picture_stays(void **state) {
    (void)state;
    static struct child c;
    write_text("out/edited.png", "the old one");
    start_long_edit(&c, 1);
    kill(c.pid, SIGINT);
    child_wait(&c);
    assert_int_equal(c.status, 130);
    assert_int_equal(count_files("out"), 1);
    struct buffer b = read_bytes("out/edited.png");
    assert_string_equal(b.data, "the old one");
    buffer_free(&b);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, scene_reset)
    const struct CMUnitTest tests[] = {
        TEST(test_while_editing),
        TEST(test_at_any_moment),
        TEST(test_twice),
        TEST(test_old_picture_stays),
    };
#undef TEST
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
