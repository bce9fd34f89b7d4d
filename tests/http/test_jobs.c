/*
 * /v1/jobs: who is answered what.
 */
#include "support/unit_test.h"

#include <unistd.h>

#include "http/jobs_client.h"

static void test_from_post_to_picture(void **state) {
    (void)state;
    struct server_process s;
    server_start_ready(&s, NULL);
    struct posted p = post_job(&s, "night");
    wait_for_end(&s, &p, "done");

    json_t *root = look(&s, &p);
    assert_string_equal(json_string_value(json_object_get(root, "status")), "done");
    assert_string_equal(json_string_value(json_object_get(root, "id")), p.id);
    assert_string_equal(json_string_value(json_object_get(root, "result")), p.result);
    assert_string_equal(json_string_value(json_object_get(root, "content_type")), "image/png");
    assert_true(number(root, "seed") == 7 && number(root, "steps") == 3);
    assert_true(number(root, "width") > 0 && number(root, "height") > 0);
    assert_true(number(root, "expires_in") > 0 && number(root, "expires_in") <= 600);

    struct answer result, head, edit;
    struct form f;
    form_edit(&f, "night", "steps", "3", "seed", "7", NULL);
    http_post_form(&s, &f, &edit);
    http_get(&s, p.result, &result);
    assert_int_equal(edit.status, 200);
    assert_int_equal(result.status, 200);
    assert_int_equal(result.body.size, edit.body.size);
    assert_int_equal(number(root, "bytes"), edit.body.size);
    assert_memory_equal(result.body.data, edit.body.data, edit.body.size);
    static const char *const headers[] = {"Content-Type", "X-Seed", "X-Steps", "X-Guidance-Scale",
                                          "X-Model"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        assert_string_equal(answer_header(&result, headers[i]), answer_header(&edit, headers[i]));
    assert_non_null(answer_header(&result, "Server-Timing"));
    http_request(&s, "HEAD", p.result, NULL, NULL, 0, &head);
    assert_int_equal(head.status, 200);
    assert_int_equal(atoi(answer_header(&head, "Content-Length")), edit.body.size);
    answer_free(&head);
    http_request(&s, "HEAD", p.events, NULL, NULL, 0, &head);
    assert_int_equal(head.status, 200);
    assert_string_equal(answer_header(&head, "Content-Type"), "text/event-stream");
    answer_free(&head);
    answer_free(&edit);
    answer_free(&result);
    json_decref(root);

    drop(&s, &p);
    expect_error(&s, "GET", p.self, 404, "not_found");
    expect_error(&s, "GET", p.events, 404, "not_found");
    expect_error(&s, "GET", p.result, 404, "not_found");
    expect_error(&s, "DELETE", p.self, 404, "not_found");
    server_wait_metric(&s, "firered_jobs_kept", 0);
    assert_true(server_metric(&s, "firered_result_bytes") == 0);
    server_wait_metric(&s, "firered_event_streams", 0);
    char *log = server_log(&s);
    assert_null(strstr(log, p.id)); /* who knows the id may see the picture */
    assert_non_null(strstr(log, p.request_id));
    free(log);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* What the server tells of a job, asked with this header: the prefix before every path of it. */
static void check_prefix(struct server_process *s, const char *said, const char *prefix) {
    char headers[400], location[300], *path = location + strlen(prefix);
    struct answer a;
    struct form f;
    form_edit(&f, "x", "steps", "1", NULL);
    snprintf(headers, sizeof headers, "X-Forwarded-Prefix: %s\r\n", said);
    post(s, &f, headers, &a);
    assert_int_equal(a.status, 202);
    snprintf(location, sizeof location, "%s", answer_header(&a, "Location"));
    if (strncmp(location, prefix, strlen(prefix)) != 0 || strncmp(path, "/v1/jobs/", 9) != 0)
        fail_msg("with the prefix %s the job is at %s", said, location);
    struct posted p = paths_of(path + 9);
    json_t *root = json_loadb(a.body.data, a.body.size, 0, NULL);
    const char *self, *events, *result;
    assert_int_equal(json_unpack(root, "{s:{s:s, s:s, s:s}}", "urls", "self", &self, "events",
                                 &events, "result", &result),
                     0);
    assert_string_equal(self, location);
    assert_memory_equal(events, location, strlen(location));
    assert_string_equal(events + strlen(location), "/events");
    assert_memory_equal(result, location, strlen(location));
    assert_string_equal(result + strlen(location), "/result");

    struct listener l;
    struct event last;
    listener_open_with(&l, s, p.events, headers);
    listener_finish(&l, &last);
    listener_close(&l);
    assert_string_equal(last.name, "done");
    assert_string_equal(json_string_value(json_object_get(last.data, "result")), result);
    event_free(&last);
    json_decref(root);
    answer_free(&a);
    drop(s, &p);
}

static void test_paths_follow_the_proxys_prefix(void **state) {
    (void)state;
    static const char *const good[][2] = {
        {"/fire", "/fire"}, {"/fire/", "/fire"}, {"/a/b-c_d.e~1", "/a/b-c_d.e~1"}, {"/", ""}};
    static const char *const hostile[] = {"//evil.example",
                                          "/fire//evil",
                                          "https://evil.example",
                                          "fire",
                                          "/..",
                                          "/fire/../x",
                                          "/./x",
                                          "/fire, /other",
                                          "/fire?x=",
                                          "/fire#x",
                                          "/fire%0d%0aX: y",
                                          "/f\"><script",
                                          "/fire\\x",
                                          "/fire;x=1",
                                          "/\xc3\xa9",
                                          "/fire ./x",
                                          "/@evil",
                                          "/a:b"};
    char longest[PATH_SIZE * 2];
    struct server_process s;
    server_start_ready(&s, NULL);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        check_prefix(&s, good[i][0], good[i][1]);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) check_prefix(&s, hostile[i], "");
    memset(longest, 'x', sizeof longest);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    check_prefix(&s, longest, "");
    assert_int_equal(server_stop(&s, 15), 0);
}

static void expect_cancelled(struct server_process *s, const struct posted *p, struct listener *l) {
    struct event last;
    listener_finish(l, &last);
    assert_string_equal(last.name, "error");
    assert_string_equal(json_string_value(json_object_get(last.data, "error")), "cancelled");
    assert_string_equal(json_string_value(json_object_get(last.data, "request_id")), p->request_id);
    assert_true(number(last.data, "http_status") == 499);
    event_free(&last);
    listener_close(l);
    expect_status(s, p, "cancelled");
    expect_error(s, "GET", p->result, 499, "cancelled");
    drop(s, p); /* now it is forgotten */
    expect_error(s, "GET", p->self, 404, "not_found");
}

static void test_cancel(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct listener on_running, on_waiting;
    server_start_ready(&s, (const char *[]){"MAX_CONCURRENT_JOBS=1", NULL});
    struct posted running = post_job(&s, "hold=never");
    server_wait_metric(&s, "firered_edits_running", 1);
    struct posted waiting = post_job(&s, "hold=never");
    assert_true(server_metric(&s, "firered_upload_bytes") > 0);
    listener_open(&on_running, &s, running.events);
    listener_open(&on_waiting, &s, waiting.events);
    drop(&s, &waiting);
    expect_cancelled(&s, &waiting, &on_waiting);
    drop(&s, &running);
    expect_cancelled(&s, &running, &on_running);
    server_wait_metric(&s, "firered_edits_running", 0);
    server_wait_metric(&s, "firered_upload_bytes", 0);
    assert_true(server_metric(&s, "firered_edits_total{outcome=\"cancelled\"}") == 2);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* What POST /edit would have answered, event, GET and result say of the job. */
static void test_failures(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    static const struct {
        const char *prompt, *code;
        int status;
    } cases[] = {{"fail=invalid", "invalid_request", 400},
                 {"fail=no-memory", "gpu_oom", 503},
                 {"fail=not-finite", "inference_error", 503},
                 {"fail=path", "invalid_request", 400},
                 {"hold=never", "timeout", 504}};
    struct server_process s;
    server_start_ready(&s, (const char *[]){"TIMEOUT_SECONDS=3", NULL});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct posted p = post_job(&s, cases[i].prompt);
        struct listener l;
        struct event last;
        listener_open(&l, &s, p.events);
        listener_finish(&l, &last);
        json_t *root = look(&s, &p);
        assert_string_equal(last.name, "error");
        assert_string_equal(json_string_value(json_object_get(root, "status")), "failed");
        const json_t *told[] = {last.data, root};
        for (int k = 0; k < 2; k++) {
            assert_string_equal(json_string_value(json_object_get(told[k], "error")),
                                cases[i].code);
            assert_true(number(told[k], "http_status") == cases[i].status);
            const char *detail = json_string_value(json_object_get(told[k], "detail"));
            assert_true(strlen(detail) > 0);
            assert_null(strstr(detail, "/secret"));
        }
        assert_true(number(root, "expires_in") > 0);
        expect_error(&s, "GET", p.result, cases[i].status, cases[i].code);
        event_free(&last);
        json_decref(root);
        listener_close(&l);
    }
    assert_int_equal(server_stop(&s, 15), 0);
}

static void test_paths_and_methods(void **state) {
    (void)state;
    struct server_process s;
    server_start(&s, NULL);
    static const char *const unknown[] = {"/v1/jobs/0123456789abcdef0123456789abcdef",
                                          "/v1/jobs/0123456789abcdef0123456789abcdef/events",
                                          "/v1/jobs/0123456789abcdef0123456789abcdef/result",
                                          "/v1/jobs/x",
                                          "/v1/jobs/%2e%2e/result",
                                          "/v1/jobs/%s%s%n",
                                          "/v1"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        expect_error(&s, "GET", unknown[i], 404, "not_found");
    static const struct {
        const char *path, *allow;
    } routes[] = {{"/v1/jobs", "POST, OPTIONS"},
                  {"/v1/jobs/x", "GET, HEAD, DELETE, OPTIONS"},
                  {"/v1/jobs/x/events", "GET, HEAD, OPTIONS"},
                  {"/v1/jobs/x/result", "GET, HEAD, OPTIONS"}};
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
            struct answer a;
            if (strstr(routes[i].allow, methods[m])) continue;
            http_request(&s, methods[m], routes[i].path, NULL, NULL, 0, &a);
            assert_int_equal(a.status, 405);
            assert_string_equal(answer_header(&a, "Allow"), routes[i].allow);
            answer_free(&a);
        }
    assert_int_equal(server_stop(&s, 9), 128 + 9);
}

/* What is refused to POST /edit is refused here, and leaves nothing behind. */
static void test_refusals(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct form f;
    struct answer a;
    server_start(&s, (const char *[]){"FAKE_LOAD_HOLD=load", "MAX_CONCURRENT_JOBS=1", "MAX_QUEUE=1",
                                      "MAX_UPLOAD_MB=1", NULL});
    form_edit(&f, "night", NULL);
    post(&s, &f, NULL, &a);
    assert_error(&a, 503, "model_loading");
    assert_non_null(answer_header(&a, "Retry-After"));
    answer_free(&a);
    server_release(&s, "load");
    server_wait_metric(&s, "firered_ready", 1);

    static const struct {
        const char *field, *value, *code;
    } bad[] = {{"steps", "0", "invalid_request"},
               {"seed", "x", "invalid_request"},
               {"output_format", "gif", "invalid_request"},
               {"image", "no picture", "invalid_file"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        form_edit(&f, "night", bad[i].field, bad[i].value, NULL);
        post(&s, &f, NULL, &a);
        assert_error(&a, 400, bad[i].code);
        answer_free(&a);
    }
    http_request(&s, "POST", "/v1/jobs", "Content-Type: text/plain\r\n", "hello", 5, &a);
    assert_error(&a, 400, "invalid_request");
    answer_free(&a);
    char *large = calloc(1, 2 << 20);
    http_request(&s, "POST", "/v1/jobs",
                 "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n", large, 2 << 20,
                 &a);
    assert_error(&a, 413, "payload_too_large");
    answer_free(&a);
    free(large);

    struct posted running = post_job(&s, "hold=a");
    server_wait_metric(&s, "firered_edits_running", 1);
    struct posted waiting = post_job(&s, "waits");
    form_edit(&f, "night", NULL);
    post(&s, &f, NULL, &a);
    assert_error(&a, 503, "queue_full");
    answer_free(&a);
    assert_true(server_metric(&s, "firered_jobs_kept") == 2);
    server_release(&s, "a");
    wait_for_end(&s, &waiting, "done");
    wait_for_end(&s, &running, "done");
    assert_int_equal(server_stop(&s, 15), 0);
}

static void test_keys(void **state) {
    (void)state;
    struct server_process s;
    struct form f;
    struct answer a;
    server_start_ready(&s, (const char *[]){"API_KEY=sesame", NULL});
    form_edit(&f, "night", NULL);
    post(&s, &f, NULL, &a);
    assert_error(&a, 401, "unauthorized");
    answer_free(&a);
    form_edit(&f, "night", "steps", "1", NULL);
    post(&s, &f, "Authorization: Bearer sesame\r\n", &a);
    assert_int_equal(a.status, 202);
    struct posted p = paths_of(answer_string(&a, "id"));
    answer_free(&a);
    const char *const paths[] = {p.self, p.events, p.result, "/v1/jobs/x"};
    for (int i = 0; i < 4; i++) expect_error(&s, "GET", paths[i], 401, "unauthorized");
    expect_error(&s, "DELETE", p.self, 401, "unauthorized");
    http_request(&s, "GET", p.self, "X-API-Key: sesame\r\n", NULL, 0, &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    assert_int_equal(server_stop(&s, 15), 0);
}

static void test_seed_over_doubles(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct form f;
    server_start_ready(&s, NULL);
    form_edit(&f, "night", "seed", "18446744073709551615", NULL);
    struct posted p = post_job_form(&s, &f);
    wait_for_end(&s, &p, "done");
    json_t *root = look(&s, &p);
    assert_string_equal(json_string_value(json_object_get(root, "seed")), "18446744073709551615");
    json_decref(root);
    assert_int_equal(server_stop(&s, 15), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_post_to_picture),
        cmocka_unit_test(test_paths_follow_the_proxys_prefix),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_paths_and_methods),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_seed_over_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
