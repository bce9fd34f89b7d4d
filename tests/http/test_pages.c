/* The routes beside /edit, unknown ones, methods, keys, origins, request ids: what every answer
 * has. */
#include "support/unit_test.h"

#include <jansson.h>
#include <unistd.h>

#include "http/harness.h"
#include "http/reply.h"

static struct server_process server;

static const char *const pages[] = {"/health", "/ready",        "/metrics",
                                    "/info",   "/openapi.json", "/docs"};
enum { PAGES = 6 };

static void check_common(const struct answer *a) {
    assert_non_null(answer_header(a, "X-Request-ID"));
    assert_string_equal(answer_header(a, "Cache-Control"), "no-store");
    assert_string_equal(answer_header(a, "X-Content-Type-Options"), "nosniff");
    assert_non_null(answer_header(a, "Date"));
}

static void test_pages(void **state) {
    (void)state;
    static const char *const types[] = {
        "application/json", "application/json", "text/plain; version=0.0.4; charset=utf-8",
        "application/json", "application/json", "text/html; charset=utf-8"};
    for (int i = 0; i < PAGES; i++) {
        struct answer a, head;
        http_get(&server, pages[i], &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(answer_header(&a, "Content-Type"), types[i]);
        assert_true(a.body.size > 0);
        check_common(&a);
        http_request(&server, "HEAD", pages[i], NULL, NULL, 0, &head);
        assert_int_equal(head.status, 200);
        check_common(&head);
        answer_free(&a);
        answer_free(&head);
    }
    struct answer a;
    http_get(&server, "/health?verbose=1", &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_string(&a, "status"), "ok");
    answer_free(&a);
    http_get(&server, "/ready", &a);
    assert_string_equal(answer_string(&a, "status"), "ready");
    assert_string_equal(answer_string(&a, "model"), server_model());
    answer_free(&a);
}

static void test_not_found(void **state) {
    (void)state;
    static const char *const paths[] = {
        "/page/",         "/nope",           "/edit/",   "/edit/x",    "/EDIT",       "//edit",
        "/../etc/passwd", "/health/../edit", "/%2e%2e/", "/docs.html", "/static/x.js"};
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++)
        for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
            struct answer a;
            http_request(&server, methods[m], paths[p], NULL, NULL, 0, &a);
            assert_error(&a, 404, "not_found");
            check_common(&a);
            answer_free(&a);
        }
    char path[4001] = "/";
    struct answer a;
    memset(path + 1, 'a', 3999);
    http_get(&server, path, &a);
    assert_error(&a, 404, "not_found");
    answer_free(&a);
}

static void test_methods(void **state) {
    (void)state;
    static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "PATCH", "BREW"};
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        struct answer a;
        http_request(&server, methods[m], "/edit", NULL, NULL, 0, &a);
        assert_int_equal(a.status, 405);
        if (strcmp(methods[m], "HEAD") != 0) assert_error(&a, 405, "method_not_allowed");
        assert_string_equal(answer_header(&a, "Allow"), "POST, OPTIONS");
        answer_free(&a);
    }
    for (int i = 0; i < PAGES; i++) {
        static const char *const others[] = {"POST", "PUT", "DELETE", "PATCH"};
        for (int m = 0; m < 4; m++) {
            struct answer a;
            http_request(&server, others[m], pages[i], NULL, "body", 4, &a);
            assert_error(&a, 405, "method_not_allowed");
            assert_string_equal(answer_header(&a, "Allow"), "GET, HEAD, OPTIONS");
            answer_free(&a);
        }
        struct answer a;
        http_request(&server, "OPTIONS", pages[i], NULL, NULL, 0, &a);
        assert_int_equal(a.status, 204);
        assert_string_equal(answer_header(&a, "Allow"), "GET, HEAD, OPTIONS");
        assert_null(answer_header(&a, "Access-Control-Allow-Origin"));
        answer_free(&a);
    }
}

static void test_request_ids(void **state) {
    (void)state;
    char longest[160];
    snprintf(longest, sizeof longest, "X-Request-ID: %0128d\r\n", 7);
    static const char *const own[] = {"X-Request-ID: a\r\n", "X-Request-ID: A-z.0_9\r\n",
                                      "x-request-id: lower\r\n"};
    static const char *const bad[] = {
        "X-Request-ID: \r\n",     "X-Request-ID: a b\r\n",         "X-Request-ID: a/b\r\n",
        "X-Request-ID: \"\"\r\n", "X-Request-ID: caf\xc3\xa9\r\n", "X-Request-ID: a;b\r\n"};
    for (int i = 0; i < 4; i++) {
        struct answer a;
        const char *header = i < 3 ? own[i] : longest, *value = strchr(header, ' ') + 1;
        http_request(&server, "GET", i % 2 ? "/nope" : "/health", header, NULL, 0, &a);
        assert_int_equal(strlen(answer_header(&a, "X-Request-ID")), strcspn(value, "\r"));
        assert_memory_equal(answer_header(&a, "X-Request-ID"), value, strcspn(value, "\r"));
        answer_free(&a);
    }
    snprintf(longest, sizeof longest, "X-Request-ID: %0129d\r\n", 7);
    for (int i = 0; i < 7; i++) {
        struct answer a;
        http_request(&server, "GET", "/nope", i < 6 ? bad[i] : longest, NULL, 0, &a);
        assert_error(&a, 404, "not_found");
        assert_int_equal(strlen(answer_header(&a, "X-Request-ID")), 32);
        answer_free(&a);
    }
}

static void test_no_forged_log_lines(void **state) {
    (void)state;
    struct answer a;
    http_get(&server, "/x%0A2026-01-01T00:00:00.000Z%20info%20%20forged%22", &a);
    assert_error(&a, 404, "not_found");
    answer_free(&a);
    server_wait_log(&server, "\\u000a2026");
    assert_false(server_logged(&server, "\n2026-01-01"));
}

static void test_info(void **state) {
    (void)state;
    struct answer a;
    http_get(&server, "/info", &a);
    json_t *root = json_loadb(a.body.data, a.body.size, 0, NULL);
    const char *name, *version, *status, *model, *device, *dtype, *format;
    int steps, jobs, queue, upload, max_steps;
    double guidance, timeout;
    assert_int_equal(
        json_unpack(
            root,
            "{s:s, s:s, s:s, s:{s:s, s:s, s:s, s:{s:i, s:F, s:s}}, s:{s:i, s:i, s:i, s:i, s:F}}",
            "name", &name, "version", &version, "status", &status, "model", "name", &model,
            "device", &device, "dtype", &dtype, "defaults", "steps", &steps, "guidance_scale",
            &guidance, "output_format", &format, "limits", "max_concurrent_jobs", &jobs,
            "max_queue", &queue, "max_upload_mb", &upload, "max_steps", &max_steps,
            "timeout_seconds", &timeout),
        0);
    assert_string_equal(name, "firered");
    assert_string_equal(version, FIRERED_VERSION);
    assert_string_equal(status, "ready");
    assert_string_equal(model, server_model());
    assert_string_equal(format, "png");
    assert_int_equal(steps, 28);
    assert_true(guidance == 7.0 && timeout == 120.0);
    assert_int_equal(jobs, 2);
    assert_int_equal(queue, 64);
    assert_int_equal(upload, 32);
    assert_int_equal(max_steps, 100);
    const json_t *served = json_object_get(root, "model");
    const json_t *examples = json_object_get(served, "examples");
    assert_true(json_is_array(examples));
    assert_int_equal(json_array_size(examples), server_is_real() ? 0 : 2);
    if (!server_is_real())
        assert_string_equal(json_string_value(json_array_get(examples, 1)), "f\xc3\xa4rbe es blau");
    assert_int_equal(json_integer_value(json_object_get(served, "reference_limit")), 3);
    assert_int_equal(json_integer_value(json_object_get(served, "max_pictures")), 3);
    assert_true(json_is_null(json_object_get(served, "note")));
    double estimated = json_real_value(json_object_get(served, "estimated_seconds"));
    assert_true(server_is_real() ? estimated > 0 : estimated == 14.0);
    json_decref(root);
    answer_free(&a);
}

static void test_info_of_a_model_with_a_note(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct answer a;
    const char *note;
    int max, older, limit;
    server_start_ready(
        &s, (const char *[]){"FAKE_NOTE=It mirrors, f\xc3\xbcrwahr.", "FAKE_MAX_PICTURES=2", NULL});
    http_get(&s, "/info", &a);
    json_t *root = json_loadb(a.body.data, a.body.size, 0, NULL);
    assert_int_equal(json_unpack(root, "{s:{s:s, s:i, s:i}, s:{s:i}}", "model", "note", &note,
                                 "max_pictures", &max, "reference_limit", &older, "limits",
                                 "max_images", &limit),
                     0);
    assert_string_equal(note, "It mirrors, f\xc3\xbcrwahr.");
    assert_true(max == 2 && older == 2 && limit == 2);
    json_decref(root);
    answer_free(&a);
    assert_int_equal(server_stop(&s, 15), 0);
}

static void test_docs(void **state) {
    (void)state;
    struct answer a;
    http_get(&server, "/docs", &a);
    static const char *const words[] = {"image",
                                        "prompt",
                                        "seed",
                                        "guidance_scale",
                                        "steps",
                                        "negative_prompt",
                                        "width",
                                        "height",
                                        "output_format",
                                        "X-Request-ID",
                                        "X-API-Key",
                                        "Retry-After",
                                        "POST /v1/jobs",
                                        "GET /v1/jobs/{id}",
                                        "GET /v1/jobs/{id}/events",
                                        "GET /v1/jobs/{id}/result",
                                        "DELETE /v1/jobs/{id}"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strstr(a.body.data, words[i])) fail_msg("the docs do not name %s", words[i]);
    for (int e = 0; e < HTTP_ERRORS; e++)
        assert_non_null(strstr(a.body.data, http_error_kind((enum http_error)e)->code));
    for (int i = 0; i < PAGES; i++) assert_non_null(strstr(a.body.data, pages[i]));
    assert_null(strstr(a.body.data, "src="));
    assert_null(strstr(a.body.data, "href=\"http"));
    assert_null(strstr(a.body.data, "<script"));
    assert_null(strstr(a.body.data, "NONCE"));
    const char *policy = answer_header(&a, "Content-Security-Policy"),
               *nonce = strstr(policy, "'nonce-");
    char attribute[40];
    assert_memory_equal(policy, "default-src 'none';", 19);
    assert_non_null(nonce);
    snprintf(attribute, sizeof attribute, "nonce=\"%.16s\"", nonce + 7);
    assert_non_null(strstr(a.body.data, attribute));
    answer_free(&a);
}

static void test_keys(void **state) {
    (void)state;
    struct server_process s;
    server_start(&s, (const char *[]){"API_KEY=sesame-0123456789", NULL});
    server_wait_log(&s, " ready ");
    static const char *const good[] = {"Authorization: Bearer sesame-0123456789\r\n",
                                       "X-API-Key: sesame-0123456789\r\n",
                                       "authorization: bearer sesame-0123456789\r\n"};
    static const char *const bad[] = {"",
                                      "Authorization: Bearer wrong\r\n",
                                      "Authorization: Basic sesame-0123456789\r\n",
                                      "X-API-Key: sesame-012345678\r\n",
                                      "X-API-Key: sesame-01234567890\r\n",
                                      "X-API-Key:\r\n",
                                      "Authorization: sesame-0123456789\r\n",
                                      "Cookie: X-API-Key=sesame-0123456789\r\n"};
    for (int i = 0; i < PAGES; i++) {
        struct answer a;
        bool open = i < 2; /* /health and /ready */
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            http_request(&s, "GET", pages[i], bad[k], NULL, 0, &a);
            if (open)
                assert_int_equal(a.status, 200);
            else
                assert_error(&a, 401, "unauthorized");
            if (!open) assert_non_null(answer_header(&a, "WWW-Authenticate"));
            answer_free(&a);
        }
        for (int k = 0; k < 3; k++) {
            http_request(&s, "GET", pages[i], good[k], NULL, 0, &a);
            assert_int_equal(a.status, 200);
            answer_free(&a);
        }
    }
    struct form f;
    struct answer a;
    http_edit(&s, "night", &a);
    assert_error(&a, 401, "unauthorized");
    answer_free(&a);
    form_edit(&f, "night", NULL);
    http_request(
        &s, "POST", "/edit",
        "X-API-Key: sesame-0123456789\r\nContent-Type: multipart/form-data; boundary=" BOUNDARY
        "\r\n",
        f.body.data, f.body.size, &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    form_free(&f);
    http_get(&s, "/nope", &a);
    assert_error(&a, 404, "not_found");
    answer_free(&a);
    assert_false(server_logged(&s, "sesame"));
    assert_int_equal(server_stop(&s, 15), 0);
}

static void test_origins(void **state) {
    (void)state;
    struct server_process s;
    struct answer a;
    static const char preflight[] =
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-api-key\r\n";
    char headers[256];
    server_start_ready(&s, (const char *[]){"CORS_ORIGINS=https://a.example,http://localhost:3000",
                                            "API_KEY=sesame", NULL});
    snprintf(headers, sizeof headers, "Origin: https://a.example\r\n%s", preflight);
    http_request(&s, "OPTIONS", "/edit", headers, NULL, 0, &a); /* browsers send no key with it */
    assert_int_equal(a.status, 204);
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"), "https://a.example");
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Methods"), "POST, OPTIONS");
    assert_non_null(strstr(answer_header(&a, "Access-Control-Allow-Headers"), "X-API-Key"));
    assert_string_equal(answer_header(&a, "Vary"), "Origin");
    answer_free(&a);
    /* OpenAI's SDK in a browser brings headers of its own. */
    http_request(&s, "OPTIONS", "/v1/images/edits",
                 "Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n"
                 "Access-Control-Request-Headers: user-agent,x-stainless-os\r\n",
                 NULL, 0, &a);
    assert_non_null(
        strstr(answer_header(&a, "Access-Control-Allow-Headers"), "user-agent,x-stainless-os"));
    answer_free(&a);
    static const char *const paths[] = {"/edit", "/v1/jobs", "/v1/images/edits"};
    for (int i = 0; i < 3; i++) {
        http_request(&s, "POST", paths[i],
                     "X-API-Key: sesame\r\nSec-Fetch-Site: cross-site\r\n"
                     "Origin: https://evil.example\r\n",
                     NULL, 0, &a);
        assert_int_equal(a.status, 403);
        answer_free(&a);
        http_request(&s, "POST", paths[i],
                     "X-API-Key: sesame\r\nSec-Fetch-Site: cross-site\r\n"
                     "Origin: https://a.example\r\n",
                     NULL, 0, &a);
        assert_int_equal(a.status, 400); /* no form: it may, and asks for nothing */
        answer_free(&a);
    }
    http_request(&s, "GET", "/health", "Sec-Fetch-Site: cross-site\r\n", NULL, 0, &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    http_request(&s, "GET", "/health", "Origin: http://localhost:3000\r\n", NULL, 0, &a);
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"), "http://localhost:3000");
    answer_free(&a);
    http_request(&s, "GET", "/info", "Origin: http://localhost:3000\r\n", NULL, 0, &a);
    assert_error(&a, 401, "unauthorized"); /* which the page may read */
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"), "http://localhost:3000");
    answer_free(&a);
    static const char *const others[] = {"", "Origin: https://evil.example\r\n", "Origin: null\r\n",
                                         "Origin: https://a.example.evil\r\n"};
    for (int i = 0; i < 4; i++) {
        http_request(&s, "GET", "/health", others[i], NULL, 0, &a);
        assert_int_equal(a.status, 200);
        assert_null(answer_header(&a, "Access-Control-Allow-Origin"));
        assert_string_equal(answer_header(&a, "Vary"), "Origin");
        answer_free(&a);
    }
    assert_int_equal(server_stop(&s, 15), 0);

    server_start_ready(&s, (const char *[]){"CORS_ORIGINS=*", NULL});
    http_request(&s, "GET", "/health", "Origin: https://any.example\r\n", NULL, 0, &a);
    assert_string_equal(answer_header(&a, "Access-Control-Allow-Origin"), "*");
    assert_null(answer_header(&a, "Vary"));
    answer_free(&a);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* An allowed page may read every header of ours, whatever the answer. */
static void test_every_header_is_exposed(void **state) {
    (void)state;
    static const struct {
        const char *method, *path;
        int status;
    } requests[] = {{"GET", "/health", 200}, {"POST", "/edit", 200}, {"POST", "/v1/jobs", 202},
                    {"PUT", "/edit", 405},   {"GET", "/nope", 404},  {"GET", "/info", 401},
                    {"GET", "/app.js", 200}};
    static const char *const not_ours[] = {"Connection", "Date",       "Content-Length",
                                           "Vary",       "Keep-Alive", "Access-Control-"};
    struct server_process s;
    server_start_ready(&s, (const char *[]){"CORS_ORIGINS=https://a.example", "API_KEY=k", NULL});
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct answer a;
        struct form f = {0};
        char exposed[1000], line[1000];
        bool form = strcmp(requests[i].method, "POST") == 0;
        if (form) form_edit(&f, "night", "steps", "1", NULL);
        snprintf(line, sizeof line, "Origin: https://a.example\r\n%s%s",
                 requests[i].status == 401 ? "" : "X-API-Key: k\r\n",
                 form ? "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n" : "");
        http_request(&s, requests[i].method, requests[i].path, line, f.body.data, f.body.size, &a);
        assert_int_equal(a.status, requests[i].status);
        snprintf(exposed, sizeof exposed, ", %s,",
                 answer_header(&a, "Access-Control-Expose-Headers"));
        for (char *name = strstr(a.head.data, "\r\n") + 2, *end; *name != '\r'; name = end + 2) {
            end = strstr(name, "\r\n");
            bool ours = true;
            for (size_t k = 0; k < sizeof not_ours / sizeof *not_ours; k++)
                ours &= strncmp(name, not_ours[k], strlen(not_ours[k])) != 0;
            snprintf(line, sizeof line, ", %.*s,", (int)strcspn(name, ":"), name);
            if (ours && !strstr(exposed, line)) fail_msg("'%s' is not in '%s'", line, exposed);
        }
        answer_free(&a);
        form_free(&f);
    }
    assert_int_equal(server_stop(&s, 15), 0);
}

/* A page that had its own name lead here may not read us; probes call by address. */
static void test_allowed_hosts(void **state) {
    (void)state;
    static const struct {
        const char *host, *path;
        int status;
    } cases[] = {{"edit.example.org", "/info", 200},      {"EDIT.example.org.:7000", "/", 200},
                 {"evil.example", "/info", 403},          {"evil.example:7000", "/", 403},
                 {"evil.example", "/nope", 403},          {"evil.example", "/v1/models", 403},
                 {"edit.example.org.evil", "/info", 403}, {"10.1.2.3:7000", "/health", 200},
                 {"10.1.2.3:7000", "/ready", 200},        {"10.1.2.3:7000", "/metrics", 403}};
    struct server_process s;
    server_start(&s, (const char *[]){"ALLOWED_HOSTS=test, edit.example.org", NULL});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer a;
        char request[300];
        int fd = raw_connect(&s);
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].path,
                 cases[i].host);
        do { /* /ready, until it is */
            raw_text(fd, request);
            raw_read_answer(fd, &a);
            if (a.status != 503) break;
            answer_free(&a);
            sleep_ms(20);
        } while (true);
        if (a.status != cases[i].status)
            fail_msg("%s %s: %d", cases[i].host, cases[i].path, a.status);
        if (a.status == 403 && strcmp(cases[i].path, "/v1/models") != 0)
            assert_error(&a, 403, "forbidden");
        if (strcmp(cases[i].path, "/v1/models") == 0)
            assert_non_null(strstr(a.body.data, "\"code\":\"forbidden\""));
        answer_free(&a);
        close(fd);
    }
    assert_int_equal(server_stop(&s, 15), 0);
}

/* Prometheus' text format: every sample belongs to a family that was announced, every histogram is
 * cumulative. */
static void test_metrics(void **state) {
    (void)state;
    struct answer a;
    http_edit(&server, "night", &a);
    answer_free(&a);
    http_get(&server, "/metrics", &a);
    char family[128] = "", type[32] = "", bucket_of[256] = "";
    double last = 0;
    char *rest, *text = strdup(a.body.data);
    assert_int_equal(text[strlen(text) - 1], '\n');
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[256];
        double value;
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line, "# HELP %127s %*s", family), 1);
            continue;
        }
        if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_int_equal(sscanf(line, "# TYPE %255s %31s", name, type), 2);
            assert_string_equal(name, family);
            assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
                        strcmp(type, "histogram") == 0);
            continue;
        }
        char *space = strrchr(line, ' ');
        assert_non_null(space);
        assert_int_equal(sscanf(space, "%lf", &value), 1);
        assert_memory_equal(line, family, strlen(family));
        if (strcmp(type, "counter") == 0)
            assert_string_equal(family + strlen(family) - 6, "_total");
        char *le = strstr(line, "le=\"");
        if (!le) continue;
        bool same = strncmp(bucket_of, line, (size_t)(le - line)) == 0 &&
                    strlen(bucket_of) == (size_t)(le - line);
        assert_true(!same || value >= last);
        last = value;
        snprintf(bucket_of, sizeof bucket_of, "%.*s", (int)(le - line), line);
    }
    free(text);
    answer_free(&a);
    assert_true(server_metric(&server, "firered_ready") == 1);
    assert_true(server_metric(&server, "firered_edits_total{outcome=\"ok\"}") >= 1);
    assert_true(server_metric(&server, "firered_step_seconds_count") >= 28);
    assert_true(server_metric(&server, "firered_queue_wait_seconds_count") >= 1);
    assert_true(server_metric(&server, "firered_stage_seconds_count{stage=\"denoise\"}") >= 1);
    assert_true(server_metric(&server, "process_resident_memory_bytes") > 1e6);
    if (!server_is_real())
        assert_true(server_metric(&server,
                                  "firered_model_info{model=\"fake-model\",device=\"cpu\",dtype="
                                  "\"float32\",kernels=\"none\",version=\"" FIRERED_VERSION
                                  "\"}") == 1);
    double before =
        server_metric(&server, "firered_http_requests_total{route=\"unknown\",status=\"404\"}");
    http_get(&server, "/another", &a);
    answer_free(&a);
    assert_true(
        server_metric(&server, "firered_http_requests_total{route=\"unknown\",status=\"404\"}") ==
        before + 1);
}

static int start(void **state) {
    (void)state;
    server_start_ready(&server, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    return server_stop(&server, 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_request_ids),
        cmocka_unit_test(test_no_forged_log_lines),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_info_of_a_model_with_a_note),
        cmocka_unit_test(test_docs),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_every_header_is_exposed),
        cmocka_unit_test(test_allowed_hosts),
        cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
