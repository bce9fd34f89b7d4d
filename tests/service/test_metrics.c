/* The page of the metrics, number by number. */
#include "support/unit_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/metrics.h"

static char *page_of(struct metrics *m, const struct metrics_now *now) {
    struct buffer page = {0};
    assert_int_equal(metrics_write(m, now, &page, NULL), STATUS_OK);
    return page.data;
}

static void assert_has(const char *page, const char *line) {
    char all[512];
    snprintf(all, sizeof all, "\n%s\n", line);
    if (!strstr(page, all)) fail_msg("no line: %s\n%s", line, page);
}

static void test_page(void **state) {
    (void)state;
    struct metrics *m = metrics_create();
    assert_non_null(m);
    metrics_request(m, "/edit", 200, 0.3);
    metrics_request(m, "/edit", 200, 700);
    metrics_request(m, "/edit", 503, 0.3);
    metrics_request(m, "/health", 200, 0.001);
    metrics_edit(m, "ok");
    metrics_edit(m, "timeout");
    metrics_edit(m, "ok");
    metrics_queue_wait(m, 0);
    metrics_step(m, 0.25);
    metrics_time(m, METRICS_DENOISE, 5);
    struct firered_info info = {.device = "cpu",
                                .dtype = "bfloat16",
                                .kernels = "a\"b\\c\nd",
                                .weight_bytes = 123,
                                .parameters = 45};
    struct metrics_now now = {.ready = true,
                              .loading_share = 1,
                              .queue_depth = 3,
                              .queue_limit = 64,
                              .edits_running = 2,
                              .edits_limit = 2,
                              .connections = 7,
                              .upload_bytes = 99,
                              .model = "m",
                              .info = &info};
    char *page = page_of(m, &now);
    assert_has(page, "# TYPE firered_http_requests_total counter");
    assert_has(page, "firered_http_requests_total{route=\"/edit\",status=\"200\"} 2");
    assert_has(page, "firered_http_requests_total{route=\"/edit\",status=\"503\"} 1");
    assert_has(page, "firered_http_requests_total{route=\"/health\",status=\"200\"} 1");
    assert_has(page, "firered_edits_total{outcome=\"ok\"} 2");
    assert_has(page, "firered_edits_total{outcome=\"timeout\"} 1");
    assert_has(page, "firered_http_request_seconds_bucket{route=\"/edit\",le=\"0.25\"} 0");
    assert_has(page, "firered_http_request_seconds_bucket{route=\"/edit\",le=\"0.5\"} 2");
    assert_has(page, "firered_http_request_seconds_bucket{route=\"/edit\",le=\"600\"} 2");
    assert_has(page, "firered_http_request_seconds_bucket{route=\"/edit\",le=\"+Inf\"} 3");
    assert_has(page, "firered_http_request_seconds_sum{route=\"/edit\"} 700.6");
    assert_has(page, "firered_http_request_seconds_count{route=\"/edit\"} 3");
    assert_has(
        page,
        "firered_http_request_seconds_bucket{route=\"other\",le=\"0.001\"} 1"); /* a bound is in its
                                                                                   bucket */
    assert_has(page, "firered_queue_wait_seconds_count 1");
    assert_has(page, "firered_step_seconds_bucket{le=\"0.25\"} 1");
    assert_has(page, "firered_step_seconds_bucket{le=\"0.1\"} 0");
    assert_has(page, "firered_stage_seconds_sum{stage=\"denoise\"} 5");
    assert_has(page, "firered_stage_seconds_count{stage=\"read\"} 0");
    assert_has(page, "firered_queue_depth 3");
    assert_has(page, "firered_edits_running 2");
    assert_has(page, "firered_http_connections 7");
    assert_has(page, "firered_upload_bytes 99");
    assert_has(page, "firered_model_info{model=\"m\",device=\"cpu\",dtype=\"bfloat16\",kernels="
                     "\"a\\\"b\\\\c\\nd\",version=\"" FIRERED_VERSION "\"} 1");
    assert_has(page, "firered_model_weight_bytes{device=\"cpu\"} 123");
    assert_has(page, "firered_model_parameters 45");
    free(page);
    now.info = NULL;
    page = page_of(m, &now);
    assert_null(strstr(page, "firered_model"));
    free(page);
    metrics_destroy(m);
}

/* More kinds than there are slots for are dropped, not written past the end; nobody can bring that
 * about from outside. */
static void test_room(void **state) {
    (void)state;
    struct metrics *m = metrics_create();
    for (int status = 0; status < 1000; status++) metrics_request(m, "/edit", status, 0);
    struct metrics_now now = {0};
    char *page = page_of(m, &now);
    assert_has(page, "firered_http_request_seconds_count{route=\"/edit\"} 1000");
    free(page);
    metrics_destroy(m);
    metrics_request(NULL, "/edit", 200, 0);
    metrics_edit(NULL, "ok");
    metrics_step(NULL, 1);
    metrics_time(NULL, METRICS_READ, 1);
    metrics_queue_wait(NULL, 1);
    metrics_destroy(NULL);
}

static void *count(void *arg) {
    for (int i = 0; i < 1000; i++) {
        metrics_request(arg, "/edit", 200, 1);
        metrics_step(arg, 1);
    }
    return NULL;
}

static void test_many_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    struct metrics *m = metrics_create();
    struct metrics_now now = {0};
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, count, m), 0);
    for (int i = 0; i < 10; i++) free(page_of(m, &now));
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    char *page = page_of(m, &now);
    assert_has(page, "firered_http_requests_total{route=\"/edit\",status=\"200\"} 4000");
    assert_has(page, "firered_step_seconds_sum 4000");
    free(page);
    metrics_destroy(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_page), cmocka_unit_test(test_room),
                                       cmocka_unit_test(test_many_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
