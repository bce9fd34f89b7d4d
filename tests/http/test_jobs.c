/*
 * /v1/jobs: who is answered what, what listeners are told, and what is kept for how long.
 */
#include "support/unit_test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "http/events.h"
#include "http/harness.h"

enum { ID_DIGITS = 32, PATH_SIZE = 96 };

struct posted {
    char self[PATH_SIZE], events[PATH_SIZE], result[PATH_SIZE], id[ID_DIGITS + 1];
    char request_id[129];
};

static void post(struct server_process *s, struct form *f, const char *headers,
                 struct answer *out) {
    struct buffer all = {0};
    buffer_printf(&all, "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n%s",
                  headers ? headers : "");
    http_request(s, "POST", "/v1/jobs", all.data, f->body.data, f->body.size, out);
    buffer_free(&all);
    form_free(f);
}

static struct posted paths_of(const char *id) {
    struct posted p = {0};
    snprintf(p.id, sizeof p.id, "%s", id);
    snprintf(p.self, sizeof p.self, "/v1/jobs/%s", p.id);
    snprintf(p.events, sizeof p.events, "/v1/jobs/%s/events", p.id);
    snprintf(p.result, sizeof p.result, "/v1/jobs/%s/result", p.id);
    return p;
}

/* Posts the form, and checks everything about the 202. */
static struct posted post_job_form(struct server_process *s, struct form *f) {
    struct answer a;
    struct posted p;
    post(s, f, NULL, &a);
    if (a.status != 202) fail_msg("%d %s", a.status, a.body.data ? a.body.data : "");
    p = paths_of(answer_string(&a, "id"));
    assert_int_equal(strlen(answer_string(&a, "id")), ID_DIGITS);
    assert_int_equal(strspn(p.id, "0123456789abcdef"), ID_DIGITS);
    snprintf(p.request_id, sizeof p.request_id, "%s", answer_header(&a, "X-Request-ID"));
    assert_string_equal(answer_header(&a, "Location"), p.self);
    assert_string_equal(answer_string(&a, "status"), "queued");
    assert_string_equal(answer_string(&a, "request_id"), p.request_id);
    json_t *root = json_loadb(a.body.data, a.body.size, 0, NULL);
    json_t *urls = json_object_get(root, "urls");
    assert_string_equal(json_string_value(json_object_get(urls, "self")), p.self);
    assert_string_equal(json_string_value(json_object_get(urls, "events")), p.events);
    assert_string_equal(json_string_value(json_object_get(urls, "result")), p.result);
    assert_true(json_integer_value(json_object_get(root, "position")) >= 1);
    json_decref(root);
    answer_free(&a);
    return p;
}

static struct posted post_job(struct server_process *s, const char *prompt) {
    struct form f;
    form_edit(&f, prompt, "steps", "3", "seed", "7", NULL);
    return post_job_form(s, &f);
}

/* GET of a job, as JSON. */
static json_t *look(struct server_process *s, const struct posted *p) {
    struct answer a;
    http_get(s, p->self, &a);
    assert_int_equal(a.status, 200);
    json_t *root = json_loadb(a.body.data, a.body.size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    answer_free(&a);
    return root;
}

static void expect_status(struct server_process *s, const struct posted *p, const char *status) {
    json_t *root = look(s, p);
    assert_string_equal(json_string_value(json_object_get(root, "status")), status);
    json_decref(root);
}

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void expect_error(struct server_process *s, const char *method, const char *path, int status,
                         const char *code) {
    struct answer a;
    http_request(s, method, path, NULL, NULL, 0, &a);
    assert_error(&a, status, code);
    answer_free(&a);
}

static void drop(struct server_process *s, const struct posted *p) {
    struct answer a;
    http_request(s, "DELETE", p->self, NULL, NULL, 0, &a);
    assert_int_equal(a.status, 204);
    assert_int_equal(a.body.size, 0);
    assert_null(answer_header(&a, "Content-Type"));
    answer_free(&a);
}

/* Listens to the end, which is this event. */
static void wait_for_end(struct server_process *s, const struct posted *p, const char *name) {
    struct listener l;
    struct event last;
    listener_open(&l, s, p->events);
    listener_finish(&l, &last);
    assert_string_equal(last.name, name);
    event_free(&last);
    listener_close(&l);
}

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
                                          "/v1/jobs/0123456789abcdef0123456789abcdef/",
                                          "/v1/jobs/0123456789abcdef0123456789abcdef/other",
                                          "/v1/jobs/0123456789abcdef0123456789abcdef/events/",
                                          "/v1/jobs/x",
                                          "/v1/jobs/",
                                          "/v1/jobs//events",
                                          "/v1/jobs/%2e%2e/result",
                                          "/v1/jobs/%s%s%n",
                                          "/v1",
                                          "/v1/"};
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
        cmocka_unit_test(test_from_post_to_picture),
        cmocka_unit_test(test_order_of_events),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_late_listeners),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_paths_and_methods),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_seed_over_doubles),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_many_listeners),
        cmocka_unit_test(test_heartbeat),
        cmocka_unit_test(test_shutdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
