/*
 * Memory that the system refuses: the edit that needs it gets 503 gpu_oom, and the same process
 * goes on to do a smaller one.
 *
 * How much address space the program takes depends on the machine (its libraries, its cores), so it
 * is measured on one that runs freely; the one under test gets that and some more, enough for a
 * small edit and far from enough for a large one (2048 x 2048 takes more than 100 MB with the tiny
 * model).  A fixed limit does not do: whether a thread still starts under it is chance then.
 */
#include "support/unit_test.h"

#include <sys/resource.h>

#include "firered.h"
#include "http/harness.h"
#include "support/child.h"

enum { SPARE_MB = 64 };

/* One arena: how many glibc reserves, at 64 MB of address space each, is a matter of timing. */
static const char *const environment[] = {"MODEL_ID=" TEST_DATA "/tiny-edit/model", "THREADS=2",
                                          "MALLOC_ARENA_MAX=1", NULL};

static rlim_t address_space(const struct server_process *s) {
    return (rlim_t)child_fact(s->pid, "VmPeak") << 10;
}

/* The limit is this process's own while it forks; it gets its old one back. */
static void start_limited(struct server_process *s, rlim_t limit) {
    struct rlimit old, new;
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    new = old;
    new.rlim_cur = limit;
    assert_int_equal(setrlimit(RLIMIT_AS, &new), 0);
    server_start(s, environment);
    assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
    server_wait_log(s, " ready ");
}

static void edit(struct server_process *s, const char *side, struct answer *a) {
    struct form f;
    form_edit(&f, "make it night", "steps", "1", "width", side, "height", side, NULL);
    http_post_form(s, &f, a);
}

static void expect_small_edit(struct server_process *s) {
    struct answer a;
    edit(s, "64", &a);
    if (a.status != 200)
        fail_msg("wanted 200, got %d %s", a.status, a.body.data ? a.body.data : "");
    assert_true(a.body.size > 8 && memcmp(a.body.data, "\x89PNG", 4) == 0);
    answer_free(&a);
}

static void test_large_then_small(void **state) {
    (void)state;
    struct server_process s;
    struct answer a;
    server_start_ready(&s, environment);
    expect_small_edit(&s);
    rlim_t limit = address_space(&s) + ((rlim_t)SPARE_MB << 20);
    assert_int_equal(server_stop(&s, 15), 0);

    start_limited(&s, limit);
    for (int i = 0; i < 2; i++) { /* refusing takes nothing that the next one needs */
        edit(&s, "2048", &a);
        assert_error(&a, 503, "gpu_oom");
        answer_free(&a);
        expect_small_edit(&s);
    }
    assert_true(server_metric(&s, "firered_edits_total{outcome=\"gpu_oom\"}") == 2);
    http_get(&s, "/health", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* ---- large pictures ---- */

enum { LARGE = 5000, CLIENTS = 3 }; /* pixels a side: 75 MB decoded */

static struct buffer large;

/* An edit of several of them. */
static void large_edit(struct form *f, int pictures) {
    *f = (struct form){0};
    for (int i = 0; i < pictures; i++) form_file(f, "image", "a.png", large.data, large.size);
    form_field(f, "prompt", "make it night");
    form_field(f, "steps", "1");
    form_field(f, "width", "64");
    form_field(f, "height", "64");
    form_end(f);
}

struct client {
    struct server_process *server;
    pthread_t thread;
    int status;
};

static void *post_large(void *arg) {
    struct client *c = arg;
    struct form f;
    struct answer a;
    large_edit(&f, 1);
    http_post_form(c->server, &f, &a);
    c->status = a.status;
    answer_free(&a);
    return NULL;
}

static int64_t peak(const struct server_process *s) {
    return (int64_t)child_fact(s->pid, "VmHWM") << 10;
}

/* Three pictures of one edit are decoded one after the other, and so are those of three edits at a
 * time: either way no more than one is in memory. */
static void test_one_large_picture_at_a_time(void **state) {
    (void)state;
    if (SANITIZED) skip();
    struct server_process s;
    struct answer a;
    struct form f;
    struct client clients[CLIENTS];
    make_png(&large, LARGE, LARGE);
    server_start_ready(&s, (const char *[]){environment[0], "THREADS=2", "MAX_CONCURRENT_JOBS=3",
                                            "MAX_IMAGE_PIXELS=25000000", NULL});
    expect_small_edit(&s);
    int64_t before = peak(&s), decoded = (int64_t)LARGE * LARGE * 3;
    large_edit(&f, FIRERED_MAX_PICTURES);
    http_post_form(&s, &f, &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    print_message("three in one edit: %.1f MB on top\n", (double)(peak(&s) - before) / 1e6);
    assert_true(peak(&s) - before > decoded * 9 / 10); /* or there is nothing to measure */
    assert_true(peak(&s) - before < decoded + (48 << 20));

    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.server = &s};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, post_large, &clients[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
        assert_int_equal(clients[i].status, 200);
    }
    print_message("three edits: %.1f MB on top\n", (double)(peak(&s) - before) / 1e6);
    assert_true(peak(&s) - before < decoded + (48 << 20));
    assert_int_equal(server_stop(&s, 15), 0);
    buffer_free(&large);
}

/* What decoding will take is looked up before it begins: beyond the limit no pixel is decoded. */
static void test_a_picture_beyond_the_limit(void **state) {
    (void)state;
    if (SANITIZED) skip();
    struct server_process s;
    struct answer a;
    struct form f;
    make_png(&large, LARGE, LARGE);
    server_start_ready(&s, (const char *[]){environment[0], "THREADS=2", "MAX_CONCURRENT_JOBS=1",
                                            "MEMORY_LIMIT=60M", NULL});
    expect_small_edit(&s);
    int64_t before = peak(&s);
    large_edit(&f, 1);
    http_post_form(&s, &f, &a);
    assert_error(&a, 503, "gpu_oom");
    answer_free(&a);
    assert_true(peak(&s) - before < 24 << 20);
    expect_small_edit(&s);
    assert_int_equal(server_stop(&s, 15), 0);
    buffer_free(&large);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_then_small),
        cmocka_unit_test(test_one_large_picture_at_a_time),
        cmocka_unit_test(test_a_picture_beyond_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
