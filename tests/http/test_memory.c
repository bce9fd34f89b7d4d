/* The real program with too little memory for a large edit: that one is refused, a smaller one is
 * not. */
#include "support/unit_test.h"

#include "http/harness.h"

static void test_memory_refused(void **state) {
    (void)state;
    struct server_process s;
    struct form f;
    struct answer a;
    server_start_ready(&s, (const char *[]){"TEST_MEMORY_MB=200", "MAX_CONCURRENT_JOBS=1", NULL});
    for (int i = 0; i < 2; i++) {
        form_edit(&f, "night", "width", "2048", "height", "2048", "steps", "1", NULL);
        http_post_form(&s, &f, &a);
        assert_error(&a, 503, "gpu_oom");
        answer_free(&a);
        form_edit(&f, "night", "width", "64", "height", "64", "steps", "1", NULL);
        http_post_form(&s, &f, &a);
        assert_int_equal(a.status, 200);
        answer_free(&a);
    }
    assert_int_equal(server_stop(&s, 15), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
