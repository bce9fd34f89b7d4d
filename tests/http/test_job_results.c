/*
 * Under which ids jobs are kept, for how long, and in how much memory.
 */
#include "support/unit_test.h"

#include "http/jobs_client.h"

static int compare_ids(const void *a, const void *b) {
    return strcmp(a, b);
}

/* No two alike, and none of them like its neighbour in more than chance allows. */
static void test_ids(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    enum { JOBS = 200, MAX_ALIKE = 8 };
    static char ids[JOBS][ID_DIGITS + 1];
    struct server_process s;
    server_start_ready(&s, (const char *[]){"MAX_QUEUE=300", NULL});
    for (int i = 0; i < JOBS; i++) {
        struct posted p = post_job(&s, "night");
        memcpy(ids[i], p.id, sizeof p.id);
    }
    qsort(ids, JOBS, sizeof ids[0], compare_ids);
    for (int i = 1; i < JOBS; i++) assert_true(strncmp(ids[i - 1], ids[i], MAX_ALIKE) != 0);
    assert_int_equal(server_stop(&s, 15), 0);
}

static void test_expiry(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct answer a;
    server_start_ready(&s, (const char *[]){"RESULT_TTL_SECONDS=3.5", NULL});
    struct posted p = post_job(&s, "night"), failed = post_job(&s, "fail=invalid");
    wait_for_end(&s, &p, "done");
    wait_for_end(&s, &failed, "error");
    http_get(&s, p.result, &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    server_wait_metric(&s, "firered_jobs_kept", 0); /* without anybody asking for it */
    assert_true(server_metric(&s, "firered_result_bytes") == 0);
    http_get(&s, p.result, &a);
    assert_error(&a, 404, "not_found");
    assert_non_null(strstr(answer_string(&a, "detail"), "kept for 3.5 seconds"));
    answer_free(&a);
    expect_error(&s, "GET", failed.self, 404, "not_found");
    assert_int_equal(server_stop(&s, 15), 0);
}

static struct posted post_sized(struct server_process *s, const char *width, const char *height) {
    struct form f;
    form_edit(&f, "night", "width", width, "height", height, NULL);
    return post_job_form(s, &f);
}

/* The stand-in's pictures are noise, which no format makes smaller: 256x256 are 197 kB. */
static void test_flood(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    enum { JOBS = 12, FIT = 5 };
    struct server_process s;
    struct posted p[JOBS];
    server_start_ready(&s, (const char *[]){"RESULT_MAX_MB=1", NULL});
    for (int i = 0; i < JOBS; i++) {
        p[i] = post_sized(&s, "256", "256");
        wait_for_end(&s, &p[i], "done");
        assert_true(server_metric(&s, "firered_result_bytes") <= 1 << 20);
    }
    assert_true(server_metric(&s, "firered_result_bytes_limit") == 1 << 20);
    for (int i = 0; i < JOBS; i++) {
        if (i < JOBS - FIT)
            expect_error(&s, "GET", p[i].result, 404, "not_found");
        else
            expect_status(&s, &p[i], "done");
    }

    struct posted large = post_sized(&s, "1024", "1024");
    wait_for_end(&s, &large, "error");
    struct answer a;
    http_get(&s, large.result, &a);
    assert_error(&a, 400, "invalid_request");
    assert_non_null(strstr(answer_string(&a, "detail"), "this server keeps at most 1048576"));
    answer_free(&a);
    expect_status(&s, &p[JOBS - 1], "done"); /* nothing was given up for what cannot be kept */
    assert_int_equal(server_stop(&s, 15), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
