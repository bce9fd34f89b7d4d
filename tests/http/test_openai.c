/* The routes that OpenAI's clients know: what they get, and what they are refused. */
#include "support/unit_test.h"

#include <jansson.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "http/openai_client.h"
#include "image/decode.h"

static struct server_process server;

static void edit_with(struct server_process *s, const char *name, const char *value,
                      struct answer *a) {
    struct form f;
    form_edit(&f, "night", "steps", "2", name, value, NULL);
    openai_post(s, &f, a);
}

static void test_one(void **state) {
    (void)state;
    struct answer a;
    edit_with(&server, "seed", "42", &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "X-Model"), server_model());
    assert_string_equal(answer_header(&a, "X-Seed"), "42");
    assert_string_equal(answer_header(&a, "X-Steps"), "2");
    json_t *json = json_of(&a), *data = json_object_get(json, "data");
    time_t created = (time_t)json_integer_value(json_object_get(json, "created"));
    assert_true(created <= time(NULL) && created > time(NULL) - HANG_SECONDS);
    assert_int_equal(json_array_size(data), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(data, 0), "seed")), 42);
    assert_string_equal(string_of(json, "output_format"), "png");
    int width, height;
    assert_int_equal(sscanf(string_of(json, "size"), "%dx%d", &width, &height), 2);
    assert_same_as_edit(&server, string_of(json_array_get(data, 0), "b64_json"), "42");
    json_decref(json);
    answer_free(&a);
}

static void test_several(void **state) {
    (void)state;
    struct answer a;
    struct form f;
    form_edit(&f, "night", "steps", "2", "seed", "7", "n", "3", NULL);
    openai_post(&server, &f, &a);
    assert_int_equal(a.status, 200);
    json_t *json = json_of(&a), *data = json_object_get(json, "data");
    assert_int_equal(json_array_size(data), 3);
    for (int i = 0; i < 3; i++) {
        char seed[16];
        json_t *one = json_array_get(data, (size_t)i);
        snprintf(seed, sizeof seed, "%d", 7 + i);
        assert_int_equal(json_integer_value(json_object_get(one, "seed")), 7 + i);
        assert_same_as_edit(&server, string_of(one, "b64_json"), seed);
    }
    json_decref(json);
    answer_free(&a);
}

/* One to three pictures, under both names of the field; the last gives the size. */
static void test_pictures(void **state) {
    (void)state;
    struct buffer wide = {0}, high = {0};
    make_png(&wide, 48, 32);
    make_png(&high, 31, 65);
    for (int n = 1; n <= 4; n++) {
        struct form f = {0};
        struct answer a;
        for (int i = 1; i < n; i++)
            form_file(&f, i % 2 ? "image[]" : "image", "a.png", wide.data, wide.size);
        form_file(&f, "image[]", "b.png", high.data, high.size);
        form_field(&f, "prompt", "night");
        form_field(&f, "steps", "1");
        form_field(&f, "size", "input");
        form_end(&f);
        openai_post(&server, &f, &a);
        if (n == 4) {
            assert_openai_error(&a, 400, "invalid_request", "image");
        } else {
            json_t *json = json_of(&a);
            assert_string_equal(string_of(json, "size"), "31x65");
            json_decref(json);
        }
        answer_free(&a);
    }
    buffer_free(&wide);
    buffer_free(&high);
}

static size_t file_size_of(const char *format, const char *compression) {
    struct buffer file = {0};
    struct picture_header header;
    struct form f;
    struct answer a;
    form_edit(&f, "night", "seed", "1", "steps", "1", "output_format", format, "output_compression",
              compression, NULL);
    openai_post(&server, &f, &a);
    if (a.status != 200) fail_msg("%s at %s: %s", format, compression, a.body.data);
    json_t *json = json_of(&a);
    assert_string_equal(string_of(json, "output_format"), format);
    openai_decode(&file, string_of(json_array_get(json_object_get(json, "data"), 0), "b64_json"));
    json_decref(json);
    answer_free(&a);
    assert_int_equal(picture_probe(&header, file.data, file.size, NULL), STATUS_OK);
    size_t size = file.size;
    buffer_free(&file);
    return size;
}

static void test_compression(void **state) {
    (void)state;
    assert_true(file_size_of("jpeg", "0") < file_size_of("jpeg", "50"));
    assert_true(file_size_of("jpeg", "50") < file_size_of("jpeg", ""));
    assert_true(file_size_of("jpeg", "") < file_size_of("jpeg", "100"));
    assert_true(file_size_of("webp", "0") < file_size_of("webp", "90"));
    assert_int_equal(file_size_of("webp", "100"), file_size_of("webp", ""));
    assert_int_equal(file_size_of("png", "100"), file_size_of("png", ""));
}

static void test_refused(void **state) {
    (void)state;
    static const char *const rows[][3] = {/* field, value, the param that is told */
                                          {"mask", "x", "mask"},
                                          {"url", "https://example.org/a.png", NULL},
                                          {"image_url", "x", NULL},
                                          {"width", "64", NULL},
                                          {"ge\xff", "x", NULL},
                                          {"n", "0", "n"},
                                          {"n", "5", "n"},
                                          {"n", "two", "n"},
                                          {"response_format", "url", "response_format"},
                                          {"quality", "best", "quality"},
                                          {"qualiti", "high", NULL},
                                          {"num_inference_steps", "x", "num_inference_steps"},
                                          {"background", "transparent", "background"},
                                          {"input_fidelity", "low", "input_fidelity"},
                                          {"moderation", "none", "moderation"},
                                          {"partial_images", "2", "partial_images"},
                                          {"stream", "1", "stream"},
                                          {"size", "model", "size"},
                                          {"size", "63x64", "size"},
                                          {"output_format", "gif", "output_format"},
                                          {"output_compression", "50", "output_compression"},
                                          {"output_compression", "101", "output_compression"},
                                          {"seed", "x", "seed"},
                                          {"guidance_scale", "31", "guidance_scale"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a;
        edit_with(&server, rows[i][0], rows[i][1], &a);
        assert_openai_error(&a, 400, "invalid_request", rows[i][2]);
        answer_free(&a);
    }
    struct answer a;
    edit_with(&server, "model", "gpt-image-1", &a);
    assert_openai_error(&a, 404, "model_not_found", "model");
    assert_non_null(strstr(a.body.data, server_model()));
    answer_free(&a);
}

static void test_accepted(void **state) {
    (void)state;
    const char *const rows[][2] = {{"model", "firered"},      {"model", server_model()},
                                   {"quality", "auto"},       {"quality", "standard"},
                                   {"background", "opaque"},  {"input_fidelity", "high"},
                                   {"moderation", "low"},     {"partial_images", "0"},
                                   {"user", "somebody"},      {"safety_identifier", "somebody"},
                                   {"stream", "false"},       {"response_format", "b64_json"},
                                   {"size", "auto"},          {"size", "64x64"},
                                   {"negative_prompt", "fog"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a;
        edit_with(&server, rows[i][0], rows[i][1], &a);
        if (a.status != 200) fail_msg("%s=%s: %s", rows[i][0], rows[i][1], a.body.data);
        answer_free(&a);
    }
}

/* What clients send unasked is taken, and told. */
static void test_ignored(void **state) {
    (void)state;
    struct answer a;
    struct form f;
    form_edit(&f, "night", "quality", "high", "user", "me", "safety_identifier", "", "n", "1",
              NULL);
    openai_post(&server, &f, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "X-Ignored-Fields"), "quality, user");
    answer_free(&a);
}

static void test_models(void **state) {
    (void)state;
    struct answer a;
    char one[300];
    http_get(&server, "/v1/models", &a);
    assert_int_equal(a.status, 200);
    json_t *json = json_of(&a), *data = json_object_get(json, "data");
    assert_string_equal(string_of(json, "object"), "list");
    assert_int_equal(json_array_size(data), 1);
    assert_string_equal(string_of(json_array_get(data, 0), "id"), server_model());
    assert_string_equal(string_of(json_array_get(data, 0), "object"), "model");
    json_decref(json);
    answer_free(&a);

    snprintf(one, sizeof one, "/v1/models/%s", server_model());
    http_get(&server, one, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_string(&a, "id"), server_model());
    answer_free(&a);
    http_get(&server, "/v1/models/someone%2Felses", &a);
    assert_openai_error(&a, 404, "model_not_found", NULL);
    answer_free(&a);
    http_request(&server, "POST", "/v1/models", NULL, NULL, 0, &a);
    assert_openai_error(&a, 405, "method_not_allowed", NULL);
    answer_free(&a);
}

/* Whatever refuses a request, the shape is OpenAI's. */
static void test_errors_before_the_form(void **state) {
    (void)state;
    struct server_process s;
    struct answer a;
    server_start_ready(&s, (const char *[]){"API_KEY=secret", "MAX_UPLOAD_MB=1", NULL});
    http_get(&s, "/v1/models", &a);
    assert_openai_error(&a, 401, "unauthorized", NULL);
    answer_free(&a);
    edit_with(&s, "seed", "1", &a);
    assert_openai_error(&a, 401, "unauthorized", NULL);
    answer_free(&a);
    http_request(&s, "GET", openai_path, "Authorization: Bearer secret\r\n", NULL, 0, &a);
    assert_openai_error(&a, 405, "method_not_allowed", NULL);
    answer_free(&a);
    http_request(&s, "POST", openai_path,
                 "Authorization: Bearer secret\r\nContent-Type: text/json\r\n", "{}", 2, &a);
    assert_openai_error(&a, 400, "invalid_request", NULL);
    answer_free(&a);
    int fd = raw_connect(&s);
    raw_text(fd,
             "POST /v1/images/edits HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\n"
             "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 2000000\r\n\r\n");
    raw_read_answer(fd, &a);
    assert_openai_error(&a, 413, "payload_too_large", NULL);
    answer_free(&a);
    close(fd);
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

/* Its clients also call what is not there, and what is nearly there. */
static void test_errors_of_unknown_paths(void **state) {
    (void)state;
    static const char *const unknown[] = {"/v1/",
                                          "/v1/nothing",
                                          "/v1/images/generations",
                                          "/v1/chat/completions",
                                          "/v1/jobs/",
                                          "/v1/jobs/a/b",
                                          "/v1/jobs/a/events/",
                                          "/v1/jobs/0123456789abcdef0123456789abcdef/",
                                          "/v1/jobs/a/other",
                                          "/v1/jobs//events",
                                          "//v1/images/edits",
                                          "///v1//nothing",
                                          "/v1/images/edits/"};
    static const char *const others[] = {"/v1", "//v1", "/v2/nothing", "/", "/v1x/y", "//nothing"};
    static const char *const methods[] = {"GET", "POST", "DELETE"};
    struct answer a;
    for (size_t m = 0; m < 3; m++)
        for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
            http_request(&server, methods[m], unknown[i], NULL, NULL, 0, &a);
            assert_openai_error(&a, 404, "not_found", NULL);
            answer_free(&a);
        }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        bool page = strcmp(others[i], "/") == 0;
        http_request(&server, "POST", others[i], NULL, NULL, 0, &a);
        assert_error(&a, page ? 405 : 404, page ? "method_not_allowed" : "not_found");
        answer_free(&a);
    }
    http_request(&server, "GET", "/v1/jobs/abc", NULL, NULL, 0, &a); /* a path of ours */
    assert_error(&a, 404, "not_found");
    answer_free(&a);
}

static void test_errors_of_edits(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct answer a;
    struct form f;
    server_start_ready(&s, (const char *[]){"TIMEOUT_SECONDS=0.3", NULL});
    form_edit(&f, "hold=never", NULL);
    openai_post(&s, &f, &a);
    assert_openai_error(&a, 504, "timeout", NULL);
    assert_string_equal(answer_header(&a, "X-Should-Retry"), "false");
    answer_free(&a);
    form_edit(&f, "fail=invalid", NULL);
    openai_post(&s, &f, &a);
    assert_openai_error(&a, 400, "invalid_request", NULL);
    answer_free(&a);
    form_edit(&f, "fail=io", NULL);
    openai_post(&s, &f, &a);
    assert_openai_error(&a, 503, "inference_error", NULL);
    assert_null(strstr(a.body.data, "/secret"));
    answer_free(&a);
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

/* All pictures of an answer are held at once. */
static void test_large_answers(void **state) {
    (void)state;
    struct server_process s;
    struct answer a;
    struct form f;
    server_start_ready(&s, (const char *[]){"MAX_IMAGE_PIXELS=4000", NULL}); /* of 48x32: two */
    form_edit(&f, "night", "steps", "1", "size", "input", "n", "2", NULL);
    openai_post(&s, &f, &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    form_edit(&f, "night", "steps", "1", "size", "input", "n", "3", NULL);
    openai_post(&s, &f, &a);
    assert_openai_error(&a, 400, "invalid_request", "n");
    answer_free(&a);
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

/* ---- in a row, through the queue ---- */

static int post(struct server_process *s, struct form *f) {
    char head[256];
    int fd = raw_connect(s);
    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Length: %zu\r\n\r\n",
             openai_path, openai_type, f->body.size);
    raw_text(fd, head);
    raw_send(fd, f->body.data, f->body.size);
    form_free(f);
    return fd;
}

/* Somebody who asks for four pictures does not keep others waiting for all of them. */
static void test_fair(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct answer a;
    struct form f;
    server_start_ready(&s, (const char *[]){"MAX_CONCURRENT_JOBS=1", NULL});
    form_edit(&f, "hold=go step-ms=20", "n", "4", "steps", "5", NULL);
    int fd = post(&s, &f);
    server_wait_metric(&s, "firered_edits_running", 1);
    form_edit(&f, "hold=go", NULL);
    int other = raw_connect(&s);
    raw_post_form(other, &f);
    server_wait_metric(&s, "firered_queue_depth", 1);
    server_release(&s, "go");
    raw_read_answer(other, &a);
    assert_int_equal(a.status, 200);
    assert_true(server_metric(&s, "firered_edits_total{outcome=\"ok\"}") < 5);
    answer_free(&a);
    close(other);
    raw_read_answer(fd, &a);
    assert_int_equal(a.status, 200);
    assert_true(server_metric(&s, "firered_edits_total{outcome=\"ok\"}") == 5);
    answer_free(&a);
    close(fd);
    assert_true(server_metric(&s, "firered_upload_bytes") == 0);
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

/* The edit under way stops, and those behind it are never started, with a stream and without. */
static void test_gone(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    static const char *const streams[] = {"false", "true"};
    for (int i = 0; i < 2; i++) {
        struct server_process s;
        struct form f;
        server_start_ready(&s, NULL);
        form_edit(&f, "hold=never", "n", "3", "stream", streams[i], NULL);
        int fd = post(&s, &f);
        server_wait_metric(&s, "firered_edits_running", 1);
        close(fd);
        server_wait_metric(&s, "firered_edits_total{outcome=\"cancelled\"}", 1);
        server_wait_metric(&s, "firered_edits_running", 0);
        server_wait_metric(&s, "firered_http_connections", 1);
        assert_true(server_metric(&s, "firered_queue_depth") == 0);
        assert_true(server_metric(&s, "firered_upload_bytes") == 0);
        assert_int_equal(server_stop(&s, SIGTERM), 0);
    }
}

static int start(void **state) {
    (void)state;
    server_start_ready(&server, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    return server_stop(&server, SIGTERM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_compression),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_errors_before_the_form),
        cmocka_unit_test(test_errors_of_unknown_paths),
        cmocka_unit_test(test_errors_of_edits),
        cmocka_unit_test(test_large_answers),
        cmocka_unit_test(test_fair),
        cmocka_unit_test(test_gone),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
