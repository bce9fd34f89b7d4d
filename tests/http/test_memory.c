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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_large_then_small)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
