/* The routes that OpenAI's clients know: what they get, what they are refused, what they stream. */
#include "support/unit_test.h"

#include <curl/curl.h>
#include <jansson.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "http/harness.h"
#include "image/decode.h"

static struct server_process server;

static const char path[] = "/v1/images/edits";
static const char type[] = "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n";

static void send_form(struct server_process *s, struct form *f, struct answer *a) {
    http_request(s, "POST", path, type, f->body.data, f->body.size, a);
    form_free(f);
}

static void edit_with(struct server_process *s, const char *name, const char *value,
                      struct answer *a) {
    struct form f;
    form_edit(&f, "night", "steps", "2", name, value, NULL);
    send_form(s, &f, a);
}

static json_t *json_of(const struct answer *a) {
    json_t *json = json_loadb(a->body.data, a->body.size, 0, NULL);
    if (!json) fail_msg("no JSON: %s", a->body.data);
    assert_string_equal(answer_header(a, "Content-Type"), "application/json");
    return json;
}

static const char *string_of(const json_t *object, const char *key) {
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

/* OpenAI's shape, with the request's id twice. */
static void assert_openai_error(const struct answer *a, int status, const char *code,
                                const char *param) {
    if (a->status != status) fail_msg("wanted %d, got %d %s", status, a->status, a->body.data);
    json_t *json = json_of(a), *error = json_object_get(json, "error");
    assert_string_equal(string_of(error, "code"), code);
    assert_string_equal(string_of(error, "type"),
                        status < 500 ? "invalid_request_error" : "server_error");
    assert_true(strlen(string_of(error, "message")) > 10);
    if (param)
        assert_string_equal(string_of(error, "param"), param);
    else
        assert_true(json_is_null(json_object_get(error, "param")));
    assert_string_equal(string_of(json, "request_id"), answer_header(a, "X-Request-ID"));
    json_decref(json);
}

static void decode(struct buffer *out, const char *text) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int count = 0;
    for (; *text && *text != '='; text++) {
        const char *digit = strchr(digits, *text);
        assert_non_null(digit);
        bits = bits << 6 | (uint32_t)(digit - digits);
        if (++count % 4 == 1) continue;
        uint8_t byte = (uint8_t)(bits >> (6 - 2 * ((count - 1) % 4)));
        assert_int_equal(buffer_append(out, &byte, 1, NULL), STATUS_OK);
    }
}

/* The picture of this text, and what POST /edit makes of the same seed, are the same bytes. */
static void assert_same_as_edit(struct server_process *s, const char *base64, const char *seed) {
    struct buffer file = {0};
    struct form f;
    struct answer a;
    decode(&file, base64);
    form_edit(&f, "night", "steps", "2", "seed", seed, NULL);
    http_post_form(s, &f, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.size, file.size);
    assert_memory_equal(a.body.data, file.data, file.size);
    answer_free(&a);
    buffer_free(&file);
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
    send_form(&server, &f, &a);
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
        send_form(&server, &f, &a);
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
    send_form(&server, &f, &a);
    if (a.status != 200) fail_msg("%s at %s: %s", format, compression, a.body.data);
    json_t *json = json_of(&a);
    assert_string_equal(string_of(json, "output_format"), format);
    decode(&file, string_of(json_array_get(json_object_get(json, "data"), 0), "b64_json"));
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
    send_form(&server, &f, &a);
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
    http_request(&s, "GET", path, "Authorization: Bearer secret\r\n", NULL, 0, &a);
    assert_openai_error(&a, 405, "method_not_allowed", NULL);
    answer_free(&a);
    http_request(&s, "POST", path, "Authorization: Bearer secret\r\nContent-Type: text/json\r\n",
                 "{}", 2, &a);
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
    send_form(&s, &f, &a);
    assert_openai_error(&a, 504, "timeout", NULL);
    assert_string_equal(answer_header(&a, "X-Should-Retry"), "false");
    answer_free(&a);
    form_edit(&f, "fail=invalid", NULL);
    send_form(&s, &f, &a);
    assert_openai_error(&a, 400, "invalid_request", NULL);
    answer_free(&a);
    form_edit(&f, "fail=io", NULL);
    send_form(&s, &f, &a);
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
    send_form(&s, &f, &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    form_edit(&f, "night", "steps", "1", "size", "input", "n", "3", NULL);
    send_form(&s, &f, &a);
    assert_openai_error(&a, 400, "invalid_request", "n");
    answer_free(&a);
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

/* ---- in a row, through the queue ---- */

static int post(struct server_process *s, struct form *f) {
    char head[256];
    int fd = raw_connect(s);
    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Length: %zu\r\n\r\n",
             path, type, f->body.size);
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

/* ---- streams ---- */

static size_t keep(char *bytes, size_t one, size_t n, void *arg) {
    return buffer_append(arg, bytes, one * n, NULL) == STATUS_OK ? n : 0;
}

static long stream_edit(struct server_process *s, struct form *f, struct buffer *events) {
    char url[80];
    long status = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", s->port, path);
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: multipart/form-data; boundary=" BOUNDARY);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, f->body.data);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)f->body.size);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, events);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)HANG_SECONDS);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    form_free(f);
    return status;
}

/* The next event, whose type stands in its data too, but for an error; or the next comment about
 * progress, whose type is made "".  NULL: that was all. */
static json_t *next_event(char **at) {
    static const char progress[] = ": progress {";
    char name[64] = "";
    while (strncmp(*at, ": \n\n", 4) == 0) *at += 4;
    if (!**at) return NULL;
    char *data = strstr(*at, "\ndata: "), *end = strstr(*at, "\n\n");
    assert_non_null(end);
    *end = '\0';
    bool comment = strncmp(*at, progress, sizeof progress - 1) == 0;
    if (!comment) assert_int_equal(sscanf(*at, "event: %63s", name), 1);
    if (comment) assert_null(strchr(*at, '\n')); /* a second line would be an event's */
    json_t *json = json_loads(comment ? *at + sizeof progress - 2 : data + 7, 0, NULL);
    assert_non_null(json);
    if (comment)
        json_object_set_new(json, "type", json_string(""));
    else if (strcmp(name, "error") != 0)
        assert_string_equal(string_of(json, "type"), name);
    *at = end + 2;
    return json;
}

static void test_stream(void **state) {
    (void)state;
    struct form f;
    struct buffer events = {0};
    form_edit(&f, "night", "steps", "2", "seed", "7", "n", "2", "stream", "true", NULL);
    assert_int_equal(stream_edit(&server, &f, &events), 200);
    char *at = events.data;
    int made = 0, last_step = 0;
    for (json_t *event; (event = next_event(&at)); json_decref(event)) {
        assert_int_equal(json_integer_value(json_object_get(event, "image_index")), made);
        if (!*string_of(event, "type")) {
            int step = (int)json_integer_value(json_object_get(event, "step"));
            assert_true(step >= last_step && step <= 2);
            last_step = step;
            continue;
        }
        char seed[16];
        assert_string_equal(string_of(event, "type"), "image_edit.completed");
        assert_string_equal(string_of(event, "output_format"), "png");
        double change = json_number_value(json_object_get(event, "change"));
        assert_true(server_is_real() ? change > 0 && change <= 1 : change == 0.5);
        snprintf(seed, sizeof seed, "%d", 7 + made);
        assert_same_as_edit(&server, string_of(event, "b64_json"), seed);
        last_step = 0;
        made++;
    }
    assert_int_equal(made, 2);
    buffer_free(&events);
}

/* Each picture has its own time: a stream of four may take longer than an edit. */
static void test_long_stream(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct server_process s;
    struct form f;
    struct buffer events = {0};
    server_start_ready(&s, (const char *[]){"TIMEOUT_SECONDS=3", "LIMIT_REPLY_SECONDS=1", NULL});
    form_edit(&f, "ignore-cancel=1500", "steps", "1", "n", "4", "stream", "true", NULL);
    assert_int_equal(stream_edit(&s, &f, &events), 200);
    char *at = events.data;
    int made = 0, told = 0;
    for (json_t *event; (event = next_event(&at)); json_decref(event)) {
        bool completed = strcmp(string_of(event, "type"), "image_edit.completed") == 0;
        made += completed;
        told += !completed;
    }
    assert_int_equal(made, 4);
    assert_true(told >= 4); /* a fast edit may be over before anything is told of it */
    buffer_free(&events);
    assert_int_equal(server_stop(&s, SIGTERM), 0);
}

static void test_stream_of_a_failure(void **state) {
    (void)state;
    NEEDS_STAND_IN();
    struct form f;
    struct buffer events = {0};
    form_edit(&f, "fail=not-finite", "stream", "true", NULL);
    assert_int_equal(stream_edit(&server, &f, &events), 200);
    char *at = events.data;
    json_t *last = NULL;
    for (json_t *event; (event = next_event(&at)); last = event) json_decref(last);
    assert_string_equal(string_of(json_object_get(last, "error"), "code"), "inference_error");
    assert_true(strlen(string_of(last, "request_id")) > 0);
    json_decref(last);
    buffer_free(&events);
}

/* What is wrong with the request itself is told as ever. */
static void test_stream_refused(void **state) {
    (void)state;
    struct answer a;
    struct form f;
    form_edit(&f, "night", "stream", "true", "n", "9", NULL);
    send_form(&server, &f, &a);
    assert_openai_error(&a, 400, "invalid_request", "n");
    answer_free(&a);
}

static int start(void **state) {
    (void)state;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    server_start_ready(&server, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    int status = server_stop(&server, SIGTERM);
    curl_global_cleanup();
    return status;
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
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_long_stream),
        cmocka_unit_test(test_stream_of_a_failure),
        cmocka_unit_test(test_stream_refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
