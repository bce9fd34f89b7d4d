/* A service whose n-th thread cannot be started is none: it says so at once, and leaves neither a
 * thread nor memory behind. */
#include "support/unit_test.h"

#include <string.h>

#include "service/service.h"
#include "support/failing_thread.h"

static void test_thread_refused(void **state) {
    (void)state;
    enum { WORKERS = 3, THREADS = WORKERS + 2 /* deadlines, old results */ };
    const struct config config = {.max_concurrent_jobs = WORKERS,
                                  .max_queue = 1,
                                  .max_upload_mb = 1,
                                  .default_guidance = -1,
                                  .result_ttl_seconds = 1,
                                  .result_max_mb = 1};
    struct service *service;
    for (int n = 1; n <= THREADS; n++) {
        struct error err = {0};
        threads_refuse(n);
        assert_int_equal(service_create(&service, &config, "fake", "fake", NULL, &err), STATUS_IO);
        assert_null(service);
        assert_int_equal(threads_asked(), n); /* none after the one that was refused */
        assert_non_null(strstr(err.text, "thread"));
    }
    threads_refuse(0);
    assert_int_equal(service_create(&service, &config, "fake", "fake", NULL, NULL), STATUS_OK);
    assert_int_equal(threads_asked(), THREADS);
    service_destroy(service);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_thread_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
