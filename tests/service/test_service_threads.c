/* A service whose n-th thread cannot be started is none: it says so at once, and leaves neither a
 * thread nor memory behind. */
#include "support/unit_test.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "service/service.h"

static int until_refused; /* so many may start */
static int started;

/* The linker sends every call of pthread_create here. */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*work)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*work)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*work)(void *), void *arg) {
    if (until_refused == started) return EAGAIN;
    started++;
    return __real_pthread_create(thread, attributes, work, arg);
}

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
    for (until_refused = 0; until_refused < THREADS; until_refused++) {
        struct error err = {0};
        started = 0;
        assert_int_equal(service_create(&service, &config, "fake", "fake", NULL, &err), STATUS_IO);
        assert_null(service);
        assert_int_equal(started, until_refused);
        assert_non_null(strstr(err.text, "thread"));
    }
    started = 0;
    assert_int_equal(service_create(&service, &config, "fake", "fake", NULL, NULL), STATUS_OK);
    service_destroy(service);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_thread_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
