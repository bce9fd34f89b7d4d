/*
 * The store on a service with the stand-in engine: what is kept and what is forgotten, what
 * listeners hear, and many threads at once.  How it looks to clients is in tests/http/test_jobs.c.
 */
#include "support/unit_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "image/encode.h"
#include "service/service.h"

enum { SIDE = 32 };

static struct config config;
static const struct log silent = {.min_level = LOG_ERROR, .fd = -1};
static struct service *service;

static int start(void **state) {
    (void)state;
    config = (struct config){.max_concurrent_jobs = 2,
                             .max_queue = 1000,
                             .max_upload_mb = 1,
                             .max_image_pixels = 1 << 20,
                             .default_guidance = -1,
                             .result_ttl_seconds = 600,
                             .result_max_mb = 1};
    if (service_create(&service, &config, "fake", "fake", &silent, NULL) != STATUS_OK) return -1;
    return service_load(service, NULL) == STATUS_OK ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    service_stop(service);
    service_destroy(service);
    return 0;
}

static struct edit_order order_of(const char *prompt) {
    uint8_t *rgb = calloc(1, SIDE * SIDE * 3);
    struct picture gray = {SIDE, SIDE, rgb};
    struct edit_order order = {.file_count = 1,
                               .prompt = strdup(prompt),
                               .negative_prompt = strdup(" "),
                               .guidance_scale = 1,
                               .steps = 2,
                               .format = PICTURE_PNG};
    assert_non_null(rgb);
    assert_int_equal(picture_encode(&order.files[0], &gray, PICTURE_PNG, NULL), STATUS_OK);
    free(rgb);
    return order;
}

static struct kept_job *submit(const char *prompt) {
    struct edit_order order = order_of(prompt);
    struct kept_job *job;
    assert_int_equal(job_store_submit(service_jobs(service), &order, "request",
                                      clock_now() + 60 * NANOSECONDS, &job),
                     QUEUE_ACCEPTED);
    assert_null(order.prompt); /* taken over */
    return job;
}

static enum job_status wait_for_end(struct kept_job *job) {
    struct job_view view;
    do {
        job_look(job, &view);
        if (view.status != JOB_QUEUED && view.status != JOB_RUNNING) return view.status;
        usleep(500);
    } while (true);
}

static void test_held_though_forgotten(void **state) {
    (void)state;
    struct job_store *store = service_jobs(service);
    struct kept_job *job = submit("night");
    assert_int_equal(wait_for_end(job), JOB_DONE);
    assert_ptr_equal(job_store_find(store, job_id(job)), job);
    job_release(job);
    job_drop(job);
    assert_null(job_store_find(store, job_id(job)));
    job_drop(job); /* harmless */
    int count;
    uint64_t bytes;
    job_store_count(store, &count, &bytes);
    assert_int_equal(count, 0);
    assert_int_equal(bytes, 0);
    assert_true(job_outcome(job)->file.size > 0);
    assert_string_equal(job_request_id(job), "request");
    job_release(job);
}

static void test_refused_order_is_the_callers(void **state) {
    (void)state;
    struct edit_order order = order_of("night");
    struct kept_job *job;
    service_stop(service);
    assert_int_equal(job_store_submit(service_jobs(service), &order, "r", INT64_MAX, &job),
                     QUEUE_CLOSED);
    assert_null(job);
    assert_string_equal(order.prompt, "night");
    int count;
    job_store_count(service_jobs(service), &count, NULL);
    assert_int_equal(count, 0);
    free(order.prompt);
    free(order.negative_prompt);
    buffer_free(&order.files[0]);
}

/* Failures have no result, but are no more than so many all the same. */
static void test_max_ended(void **state) {
    (void)state;
    enum { MORE = 20 };
    struct job_store *store = service_jobs(service);
    char first[JOB_ID_DIGITS + 1];
    for (int i = 0; i < JOB_STORE_MAX_ENDED + MORE; i++) {
        struct kept_job *job = submit("fail=invalid");
        if (i == 0) snprintf(first, sizeof first, "%s", job_id(job));
        assert_int_equal(wait_for_end(job), JOB_FAILED);
        job_release(job);
    }
    int count;
    job_store_count(store, &count, NULL);
    assert_int_equal(count, JOB_STORE_MAX_ENDED);
    assert_null(job_store_find(store, first));
}

static void on_change(void *arg) {
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void test_listeners(void **state) {
    (void)state;
    atomic_int heard = 0, unheard = 0;
    struct kept_job *job = submit("step-ms=200");
    struct job_listener a = {.changed = on_change, .arg = &heard},
                        b = {.changed = on_change, .arg = &unheard},
                        c = {.changed = on_change, .arg = &heard};
    job_listen(job, &a);
    job_listen(job, &b);
    job_listen(job, &c);
    job_unlisten(job, &b);
    int before = atomic_load(&unheard);
    assert_int_equal(wait_for_end(job), JOB_DONE);
    assert_int_equal(atomic_load(&unheard), before);
    assert_true(atomic_load(&heard) >= 2 * 2); /* at least the second step and the end */
    job_unlisten(job, &a);
    job_unlisten(job, &c);
    job_release(job);
}

static void *use(void *arg) {
    enum { ROUNDS = 60 };
    struct job_store *store = service_jobs(service);
    unsigned which = *(const unsigned *)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct job_view view;
        atomic_int heard = 0;
        struct job_listener listener = {.changed = on_change, .arg = &heard};
        struct kept_job *job = submit((i + which) % 3 ? "night" : "step-ms=5");
        struct kept_job *same = job_store_find(store, job_id(job));
        job_listen(job, &listener);
        if ((i + which) % 4 == 0) job_drop(job);
        job_look(job, &view);
        if (same) job_release(same); /* a flood may have swept it away */
        wait_for_end(job);
        job_unlisten(job, &listener);
        if (i % 2) job_drop(job);
        job_release(job);
        uint64_t bytes;
        job_store_count(store, NULL, &bytes);
        assert_true(bytes <= (uint64_t)config.result_max_mb << 20);
    }
    return NULL;
}

static void test_many_threads(void **state) {
    (void)state;
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    unsigned which[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        which[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, use, &which[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_held_though_forgotten, start, stop),
        cmocka_unit_test_setup_teardown(test_refused_order_is_the_callers, start, stop),
        cmocka_unit_test_setup_teardown(test_max_ended, start, stop),
        cmocka_unit_test_setup_teardown(test_listeners, start, stop),
        cmocka_unit_test_setup_teardown(test_many_threads, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
