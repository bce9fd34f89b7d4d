/* Which row of the table a request is for; and that a new row is all that a new route takes, whatever
 * its method and its body are. */
#include "support/unit_test.h"

#include "http/harness.h"
#include "http/routes.h"

#define FIFTY "12345678901234567890123456789012345678901234567890"
#define LONG  FIFTY FIFTY FIFTY FIFTY FIFTY "12345" /* ID_IN_PATH_SIZE - 1 */

static void test_matches(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *path, *id; /* id NULL: no match */
    } cases[] = {
        {"/edit", "/edit", ""},
        {"/edit", "/edit/", NULL},
        {"/edit", "/edi", NULL},
        {"/v1/jobs/{id}", "/v1/jobs/abc", "abc"},
        {"/v1/jobs/{id}", "/v1/jobs/{id}", "{id}"},
        {"/v1/jobs/{id}", "/v1/jobs/", NULL},
        {"/v1/jobs/{id}", "/v1/jobs", NULL},
        {"/v1/jobs/{id}", "/v1/jobs/abc/", NULL},
        {"/v1/jobs/{id}", "/v1/jobs/abc/events", NULL},
        {"/v1/jobs/{id}", "/v2/jobs/abc", NULL},
        {"/v1/jobs/{id}", "", NULL},
        {"/v1/jobs/{id}/events", "/v1/jobs/abc/events", "abc"},
        {"/v1/jobs/{id}/events", "/v1/jobs/abc/event", NULL},
        {"/v1/jobs/{id}/events", "/v1/jobs/abc/events/", NULL},
        {"/v1/jobs/{id}/events", "/v1/jobs//events", NULL},
        {"/v1/jobs/{id}/events", "/v1/jobs/events", NULL},
        {"/v1/jobs/{id}", "/v1/jobs/" LONG, LONG},
        {"/v1/jobs/{id}", "/v1/jobs/" LONG "6", NULL},
        {"/v1/models/{rest}", "/v1/models/a", "a"},
        {"/v1/models/{rest}", "/v1/models/a/b/", "a/b/"},
        {"/v1/models/{rest}", "/v1/models/", NULL},
        {"/v1/models/{rest}", "/v1/models", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char id[ID_IN_PATH_SIZE] = "";
        bool matches = path_matches(cases[i].pattern, cases[i].path, id);
        if (matches != (cases[i].id != NULL))
            fail_msg("%s and %s: %d", cases[i].pattern, cases[i].path, matches);
        if (matches) assert_string_equal(id, cases[i].id);
    }
}

static void test_rows(void **state) {
    (void)state;
    static const struct route more[] = {{"PATCH", "/edit", .open = true},
                                        {"POST", "/more", .open = true},
                                        {NULL, NULL, .open = false}};
    static const struct {
        const struct route *more;
        const char *method, *path, *row, *allow; /* row NULL: unknown */
        bool takes;
    } cases[] = {
        {NULL, "POST", "/edit", "/edit", "POST, OPTIONS", true},
        {NULL, "GET", "/edit", "/edit", "POST, OPTIONS", false},
        {NULL, "PATCH", "/edit", "/edit", "POST, OPTIONS", false},
        {more, "PATCH", "/edit", "/edit", "POST, PATCH, OPTIONS", true},
        {more, "POST", "/more", "/more", "POST, OPTIONS", true},
        {NULL, "POST", "/more", NULL, "OPTIONS", false},
        {NULL, "HEAD", "/health", "/health", "GET, HEAD, OPTIONS", true},
        {NULL, "OPTIONS", "/health", "/health", "GET, HEAD, OPTIONS", false},
        {NULL, "DELETE", "/v1/jobs/a", "/v1/jobs/{id}", "GET, HEAD, DELETE, OPTIONS", true},
        {NULL, "HEAD", "/v1/jobs/a", "/v1/jobs/{id}", "GET, HEAD, DELETE, OPTIONS", true},
        {NULL, "POST", "/v1/jobs/a", "/v1/jobs/{id}", "GET, HEAD, DELETE, OPTIONS", false},
        {NULL, "GET", "/", "/", "GET, HEAD, OPTIONS", true},
        {NULL, "GET", "/app.js", "/", "GET, HEAD, OPTIONS", true},
        {NULL, "GET", "/nothing", NULL, "OPTIONS", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char id[ID_IN_PATH_SIZE], allow[ROUTE_ALLOW_SIZE];
        const struct route *r = route_find(cases[i].more, cases[i].method, cases[i].path, id);
        if (!cases[i].row) assert_ptr_equal(r, &route_unknown);
        if (cases[i].row) assert_string_equal(r->path, cases[i].row);
        assert_int_equal(route_takes(r, cases[i].method), cases[i].takes);
        route_allow(cases[i].more, r, allow);
        assert_string_equal(allow, cases[i].allow);
    }
}

/* The server's rows of fake_server.c: a POST that is no form begins, takes its body and ends by
 * functions of its own, with no edit and no queue in it. */
static void test_body_of_another_kind(void **state) {
    (void)state;
    static const char body[] = "{\"add\": [1, 2, 39]}";
    struct server_process s;
    struct answer a;
    server_start(&s, (const char *[]){"FAKE_LOAD_HOLD=load", NULL}); /* an edit would be refused */
    http_request(&s, "POST", "/test/json", NULL, body, sizeof body - 1, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body.data, "{\"sum\":42,\"bytes\":19}");
    answer_free(&a);
    server_wait_log(&s, "json_bytes=19");
    http_request(&s, "POST", "/test/json", NULL, "{", 1, &a);
    assert_error(&a, 400, "invalid_request");
    answer_free(&a);
    static char large[5000];
    memset(large, '1', sizeof large);
    http_request(&s, "POST", "/test/json", NULL, large, sizeof large, &a);
    assert_error(&a, 413, "payload_too_large");
    answer_free(&a);
    http_request(&s, "GET", "/test/json", NULL, NULL, 0, &a);
    assert_error(&a, 405, "method_not_allowed");
    assert_string_equal(answer_header(&a, "Allow"), "POST, OPTIONS");
    answer_free(&a);
    assert_true(
        server_metric(&s, "firered_http_requests_total{route=\"/test/json\",status=\"413\"}") == 1);
    assert_int_equal(server_stop(&s, 9), 128 + 9);
}

static void test_other_methods(void **state) {
    (void)state;
    struct server_process s;
    struct answer a;
    server_start(&s, (const char *[]){"API_KEY=sesame", NULL});
    http_request(&s, "PUT", "/test/things/7", NULL, "ignored", 7, &a);
    assert_error(&a, 401, "unauthorized");
    answer_free(&a);
    static const char *const methods[] = {"PUT", "DELETE"};
    for (int i = 0; i < 2; i++) {
        http_request(&s, methods[i], "/test/things/7", "X-API-Key: sesame\r\n", "ignored", 7, &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(answer_string(&a, "id"), "7");
        assert_string_equal(answer_string(&a, "method"), methods[i]);
        answer_free(&a);
    }
    http_request(&s, "OPTIONS", "/test/things/7", NULL, NULL, 0, &a);
    assert_int_equal(a.status, 204);
    assert_string_equal(answer_header(&a, "Allow"), "PUT, DELETE, OPTIONS");
    answer_free(&a);
    assert_int_equal(server_stop(&s, 9), 128 + 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matches), cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_body_of_another_kind),
                                       cmocka_unit_test(test_other_methods)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
