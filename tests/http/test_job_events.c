/*
 * What listeners to a job are told: in order, late, many at once, slow ones and at the end of the server.
 */
#include "support/unit_test.h"

#include "http/jobs_client.h"

static void test_order_of_events(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct listener l;
    struct event last;
    server_start_ready(&s, (const char *[]){"MAX_CONCURRENT_JOBS=1", NULL});
    struct posted before = post_job(&s, "hold=a");
    server_wait_metric(&s, "firered_edits_running", 1);
    struct posted p = post_job(&s, "hold-encode=b hold=c hold-decode=d step-ms=20");
    listener_open(&l, &s, p.events);
    expect_event(&l, "queued", "position", 1);
    server_release(&s, "a");
    expect_word(&l, "stage", "stage", "encode");
    server_release(&s, "b");
    expect_word(&l, "stage", "stage", "denoise");
    server_release(&s, "c");
    double step = 0; /* one may be skipped, by a listener that was slow for a moment */
    for (listener_next(&l, &last); strcmp(last.name, "step") == 0; listener_next(&l, &last)) {
        assert_true(number(last.data, "step") > step && number(last.data, "of") == 3);
        assert_true(number(last.data, "seconds_left") >= 0);
        step = number(last.data, "step");
        event_free(&last);
    }
    assert_string_equal(json_string_value(json_object_get(last.data, "stage")), "decode");
    event_free(&last);
    json_t *root = look(&s, &p);
    assert_string_equal(json_string_value(json_object_get(root, "stage")), "decode");
    assert_true(number(root, "step") == 3 && number(root, "seconds_left") >= 0);
    json_decref(root);
    server_release(&s, "d");
    listener_finish(&l, &last);
    assert_string_equal(last.name, "done");
    assert_string_equal(json_string_value(json_object_get(last.data, "result")), p.result);
    assert_string_equal(json_string_value(json_object_get(last.data, "content_type")), "image/png");
    assert_true(number(last.data, "width") == 48 && number(last.data, "height") == 32);
    assert_true(number(last.data, "seed") == 7 && number(last.data, "steps") == 3);
    assert_true(number(last.data, "bytes") > 0 && number(last.data, "guidance_scale") == 7);
    event_free(&last);
    listener_close(&l);
    expect_status(&s, &before, "done");
    assert_int_equal(server_stop(&s, 15), 0);
}

/* Those who wait hear that they move up, whether who was before them runs or gave up. */
static void test_positions(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct listener l;
    server_start_ready(&s, (const char *[]){"MAX_CONCURRENT_JOBS=1", NULL});
    struct posted running = post_job(&s, "hold=a");
    server_wait_metric(&s, "firered_edits_running", 1);
    struct posted first = post_job(&s, "hold=b"), second = post_job(&s, "hold=b"),
                  third = post_job(&s, "third");
    listener_open(&l, &s, third.events);
    expect_event(&l, "queued", "position", 3);
    json_t *root = look(&s, &second);
    assert_true(number(root, "position") == 2);
    json_decref(root);
    drop(&s, &first);
    expect_event(&l, "queued", "position", 2);
    server_release(&s, "a");
    wait_for_end(&s, &running, "done");
    expect_event(&l, "queued", "position", 1);
    listener_close(&l);
    server_release(&s, "b");
    wait_for_end(&s, &third, "done"); /* though nobody listened for a while */
    expect_status(&s, &second, "done");
    expect_status(&s, &first, "cancelled");
    assert_int_equal(server_stop(&s, 15), 0);
}

/* A listener that comes late, or comes back, is told first how the job stands. */
static void test_late_listeners(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct listener early, late;
    server_start_ready(&s, NULL);
    struct posted p = post_job(&s, "hold=a");
    listener_open(&early, &s, p.events);
    server_wait_metric(&s, "firered_edits_running", 1);
    listener_close(&early);
    for (int i = 0; i < 2; i++) {
        json_t *root;
        do {
            root = look(&s, &p);
            const char *stage = json_string_value(json_object_get(root, "stage"));
            if (stage && strcmp(stage, "denoise") == 0) break;
            json_decref(root);
            sleep_ms(5);
        } while (true);
        assert_string_equal(json_string_value(json_object_get(root, "status")), "running");
        assert_true(number(root, "step") == 0 && number(root, "of") == 3);
        assert_true(json_is_null(json_object_get(root, "seconds_left")));
        json_decref(root);
        listener_open(&late, &s, p.events);
        expect_word(&late, "stage", "stage", "denoise");
        if (i == 0) listener_close(&late);
    }
    expect_error(&s, "GET", p.result, 409, "not_finished");
    server_release(&s, "a");
    struct event last;
    listener_finish(&late, &last);
    assert_string_equal(last.name, "done");
    event_free(&last);
    listener_close(&late);
    listener_open(&late, &s, p.events);
    expect_word(&late, "done", "result", p.result);
    expect_event(&late, "", NULL, 0);
    listener_close(&late);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* One of them never reads: edits and all others go on, and in the end it finds the end. */
static void test_many_listeners(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    enum { LISTENERS = 50, EDITS = 5 };
    struct server_process s;
    struct listener slow, l[LISTENERS];
    struct event last;
    server_start_ready(&s, (const char *[]){"MAX_STEPS=1000", NULL});
    struct form f;
    form_edit(&f, "hold=a", "steps", "1000", NULL);
    struct posted p = post_job_form(&s, &f);
    listener_open(&slow, &s, p.events);
    for (int i = 0; i < LISTENERS; i++) listener_open(&l[i], &s, p.events);
    server_wait_metric(&s, "firered_event_streams", LISTENERS + 1);
    server_release(&s, "a");
    for (int i = 0; i < EDITS; i++) {
        struct answer a;
        http_edit(&s, "step-ms=1", &a);
        assert_int_equal(a.status, 200);
        answer_free(&a);
    }
    for (int i = 0; i < LISTENERS; i++) {
        listener_finish(&l[i], &last);
        assert_string_equal(last.name, "done");
        event_free(&last);
        listener_close(&l[i]);
    }
    expect_status(&s, &p, "done");
    listener_finish(&slow, &last);
    assert_string_equal(last.name, "done");
    event_free(&last);
    listener_close(&slow);
    server_wait_metric(&s, "firered_event_streams", 0);
    assert_int_equal(server_stop(&s, 15), 0);
}

static void test_heartbeat(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct listener l, gone;
    struct event last;
    server_start_ready(&s, (const char *[]){"LIMIT_HEARTBEAT_SECONDS=1", NULL});
    struct posted p = post_job(&s, "hold=a");
    listener_open(&l, &s, p.events);
    listener_open(&gone, &s, p.events);
    server_wait_metric(&s, "firered_event_streams", 2);
    listener_close(&gone);
    server_wait_metric(&s, "firered_event_streams", 1);
    listener_await_comment(&l); /* nothing else happens while the edit is held */
    server_release(&s, "a");
    listener_finish(&l, &last);
    assert_string_equal(last.name, "done");
    event_free(&last);
    listener_close(&l);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* What waits is told so, what runs ends, and no stream keeps the server. */
static void test_shutdown(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct listener on_running, on_waiting;
    struct event last;
    server_start_ready(&s, (const char *[]){"MAX_CONCURRENT_JOBS=1", NULL});
    struct posted running = post_job(&s, "hold=a");
    server_wait_metric(&s, "firered_edits_running", 1);
    struct posted waiting = post_job(&s, "hold=a");
    listener_open(&on_running, &s, running.events);
    listener_open(&on_waiting, &s, waiting.events);
    server_signal(&s, 15);
    listener_finish(&on_waiting, &last);
    assert_string_equal(last.name, "error");
    assert_string_equal(json_string_value(json_object_get(last.data, "error")), "shutting_down");
    assert_true(number(last.data, "http_status") == 503);
    event_free(&last);
    server_release(&s, "a");
    listener_finish(&on_running, &last);
    assert_string_equal(last.name, "done");
    event_free(&last);
    listener_close(&on_running);
    listener_close(&on_waiting);
    assert_int_equal(server_stop(&s, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_events), cmocka_unit_test(test_positions),
        cmocka_unit_test(test_late_listeners),  cmocka_unit_test(test_many_listeners),
        cmocka_unit_test(test_heartbeat),       cmocka_unit_test(test_shutdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
