/*
 * One edit asked for in other ways than a plain form of files: pictures as data URLs, JSON bodies,
 * parts that were left empty, and the spellings of other languages.  The picture is the same.
 */
#include "support/unit_test.h"

#include <jansson.h>

#include "base/base64.h"
#include "http/harness.h"

static struct server_process server;
static struct buffer right;    /* the picture that the plain form makes */
static struct buffer data_url; /* of the input */

static const char multipart[] = "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n";
static const char type_json[] = "Content-Type: application/json; charset=utf-8\r\n";

static int start(void **state) {
    (void)state;
    struct buffer png = {0};
    struct answer a;
    struct form f = {0};
    server_start_ready(&server, NULL);
    make_png(&png, 48, 32);
    buffer_printf(&data_url, "data:image/png;base64,");
    base64_append(&data_url, png.data, png.size, NULL);
    form_file(&f, "image", "x.png", png.data, png.size);
    form_field(&f, "prompt", "night");
    form_field(&f, "seed", "7");
    form_field(&f, "steps", "1");
    form_end(&f);
    http_post_form(&server, &f, &a);
    right = a.body;
    buffer_free(&a.head);
    buffer_free(&png);
    return a.status == 200 ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    buffer_free(&right);
    buffer_free(&data_url);
    return server_stop(&server, 15);
}

static void expect_right(const struct answer *a) {
    if (a->status != 200) fail_msg("%d %s", a->status, a->body.data);
    json_t *json = json_loadb(a->body.data, a->body.size, 0, NULL);
    if (!json) {
        assert_int_equal(a->body.size, right.size);
        assert_memory_equal(a->body.data, right.data, right.size);
        return;
    }
    const char *text = json_string_value(
        json_object_get(json_array_get(json_object_get(json, "data"), 0), "b64_json"));
    char *file = strdup(text ? text : "");
    size_t size;
    assert_true(base64_decode(file, strlen(file), &size));
    assert_int_equal(size, right.size);
    assert_memory_equal(file, right.data, size);
    free(file);
    json_decref(json);
}

/* The rest of the form that makes the right picture; it is freed. */
static void post_form(const char *path, struct form *f, struct answer *a) {
    form_field(f, "prompt", "night");
    form_field(f, "seed", "7");
    form_end(f);
    http_request(&server, "POST", path, multipart, f->body.data, f->body.size, a);
    form_free(f);
}

static void post_json(const char *text, struct answer *a) {
    http_request(&server, "POST", "/v1/images/edits", type_json, text, strlen(text), a);
}

static void expect_refusal(struct answer *a, const char *code, const char *part) {
    if (a->status != 400 || !strstr(a->body.data, code) || !strstr(a->body.data, part))
        fail_msg("%d %s: wanted %s and '%s'", a->status, a->body.data, code, part);
    answer_free(a);
}

static const char *const paths[] = {"/edit", "/v1/images/edits"};

static void test_data_urls(void **state) {
    (void)state;
    static const char *const names[] = {"image", "image[]", "image[0]"};
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < 3; i++)
            for (int as_file = 0; as_file < 2; as_file++) {
                struct form f = {0};
                struct answer a;
                if (as_file)
                    form_file(&f, names[i], "x", data_url.data, data_url.size);
                else
                    form_field(&f, names[i], data_url.data);
                form_field(&f, "steps", "1");
                post_form(paths[p], &f, &a);
                expect_right(&a);
                answer_free(&a);
            }
}

static void test_urls_are_not_fetched(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"http://127.0.0.1:1/a.png", "no URL is ever fetched"},
        {"HTTPS://example.org/a.png", "no URL is ever fetched"},
        {"file:///etc/passwd", "no URL is ever fetched"},
        {"data:image/png,%89PNG", "data URL without base64"},
        {"data:image/png;base64", "data URL without base64"},
        {"data:image/png;base64,iVBOR*", "data URL without base64"},
        {"data:image/png;base64,", "image is an empty file"},
        {"data:text/plain;base64,aGVsbG8=", "image 1: "},
        {"hello", "image 1: "}};
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            struct form f = {0};
            struct answer a;
            form_field(&f, "image", rows[i][0]);
            post_form(paths[p], &f, &a);
            expect_refusal(&a, "invalid_file", rows[i][1]);
        }
}

static void test_json_bodies(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{\"model\": \"firered\", \"prompt\": \"night\", \"seed\": 7, \"steps\": 1, \"n\": 1, "
        "\"stream\": "
        "false, \"images\": [{\"image_url\": \"%s\"}]}",
        "{\"prompt\": \"night\", \"seed\": \"7\", \"steps\": 1.0, \"mask\": null, \"user\": null, "
        "\"quality\": null, \"size\": null, \"images\": [{\"image_url\": \"%s\", \"file_id\": "
        "null}]}",
        "{\"prompt\": \"night\", \"seed\": 7, \"steps\": 1, \"image\": \"%s\"}",
        "{\"prompt\": \"night\", \"seed\": 7, \"steps\": 1, \"image\": [\"%s\"], \"mask\": \"\"}",
        "{\"prompt\": \"ni\\u0067ht\", \"seed\": 7, \"steps\": 1, \"image\": {\"image_url\": "
        "\"%s\"}}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct buffer body = {0};
        struct answer a;
        const char *mark = strstr(bodies[i], "%s");
        buffer_printf(&body, "%.*s%s%s", (int)(mark - bodies[i]), bodies[i], data_url.data,
                      mark + 2);
        post_json(body.data, &a);
        expect_right(&a);
        answer_free(&a);
        buffer_free(&body);
    }
    assert_true(server_metric(&server, "firered_upload_bytes") == 0);
}

static void test_json_that_is_refused(void **state) {
    (void)state;
    static const char *const rows[][3] = {
        {"", "invalid_request", "no JSON"},
        {"{\"prompt\": ", "invalid_request", "no JSON"},
        {"{\"prompt\": \"a\", \"prompt\": \"b\"}", "invalid_request", "no JSON"},
        {"{\"prompt\": \"\\u0000\"}", "invalid_request", "no JSON"},
        {"[]", "invalid_request", "must be a JSON object"},
        {"{\"prompt\": \"x\"}", "invalid_file", "image is missing"},
        {"{\"prompt\": \"x\", \"images\": []}", "invalid_file", "image is missing"},
        {"{\"prompt\": {}, \"images\": []}", "invalid_request", "prompt must be a text"},
        {"{\"n\": [1]}", "invalid_request", "n must be a text"},
        {"{\"images\": [{\"file_id\": \"file-1\"}]}", "invalid_request", "keeps no files"},
        {"{\"images\": [7]}", "invalid_request", "keeps no files"},
        {"{\"images\": [{\"image_url\": \"http://127.0.0.1:1/a.png\"}]}", "invalid_file",
         "no URL is ever fetched"},
        {"{\"mask\": {\"image_url\": \"data:image/png;base64,AAAA\"}}", "invalid_request",
         "mask is not supported"},
        {"{\"\": 1}", "invalid_request", "empty, odd or too long"},
        {"{\"markup\": \"x\"}", "invalid_request", "'markup' is no parameter"},
        {"{\"stpes\": 3}", "invalid_request", "did you mean steps"}};
    struct answer a;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        post_json(rows[i][0], &a);
        expect_refusal(&a, rows[i][1], rows[i][2]);
    }
    http_request(&server, "POST", "/edit", type_json, "{}", 2, &a); /* OpenAI's alone */
    expect_refusal(&a, "invalid_request", "multipart/form-data");
    assert_true(server_metric(&server, "firered_upload_bytes") == 0);
}

/* What was left empty is not there, whether it is known or not. */
static void test_empty_parts(void **state) {
    (void)state;
    static const char *const names[] = {
        "mask",  "user",   "quality",         "size",  "seed",   "unlike",
        "stpes", "markup", "negative_prompt", "image", "image[]"};
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            for (int as_file = 0; as_file < 2; as_file++) {
                struct form f = {0};
                struct answer a;
                if (strcmp(names[i], "seed") == 0) continue; /* post_form's own */
                if (as_file)
                    form_file(&f, names[i], "", "", 0);
                else
                    form_field(&f, names[i], "");
                form_field(&f, "image", data_url.data);
                form_field(&f, "steps", "1");
                post_form(paths[p], &f, &a);
                expect_right(&a);
                assert_null(answer_header(&a, "X-Ignored-Fields"));
                answer_free(&a);
            }
}

static void test_parts_that_are_not_empty(void **state) {
    (void)state;
    static const struct {
        const char *name, *filename, *value, *code, *detail;
    } rows[] = {{"mask", "", "x", "invalid_request", "mask is not supported"},
                {"mask", "m.png", "", "invalid_request", "mask is not supported"},
                {"markup", "m.png", "x", "invalid_request", "'markup' is no parameter"},
                {"steps", "", "3", "invalid_request", "steps must be a text field"},
                {"steps", "s.txt", "", "invalid_request", "steps must be a text field"},
                {"image", "x.png", "", "invalid_file", "image is an empty file"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct form f = {0};
        struct answer a;
        form_file(&f, rows[i].name, rows[i].filename, rows[i].value, strlen(rows[i].value));
        post_form("/v1/images/edits", &f, &a);
        expect_refusal(&a, rows[i].code, rows[i].detail);
    }
}

static void test_spellings(void **state) {
    (void)state;
    static const struct {
        const char *name, *value;
        bool good;
    } rows[] = {
        {"stream", "False", true}, {"stream", "FALSE", true}, {"stream", "Falsch", false},
        {"stream", "0", false},    {"n", "1.0", true},        {"n", "1.00", true},
        {"n", "1.", false},        {"n", "1.5", false},       {"n", ".0", false},
        {"n", "1.0x", false},      {"n", "1e0", false},       {"partial_images", "0.0", true},
        {"steps", "1.0", true},    {"steps", "-1.0", false}};
    struct answer a;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct form f = {0};
        form_field(&f, "image", data_url.data);
        form_field(&f, rows[i].name, rows[i].value);
        if (strcmp(rows[i].name, "steps") != 0) form_field(&f, "steps", "1");
        post_form("/v1/images/edits", &f, &a);
        if (!rows[i].good) {
            expect_refusal(&a, "invalid_request", rows[i].name);
            continue;
        }
        expect_right(&a);
        answer_free(&a);
    }
    struct form f = {0};
    form_field(&f, "image", data_url.data);
    form_field(&f, "steps", "1.0");
    post_form("/edit", &f, &a);
    expect_refusal(&a, "invalid_request", "steps must be a whole number");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_urls),   cmocka_unit_test(test_urls_are_not_fetched),
        cmocka_unit_test(test_json_bodies), cmocka_unit_test(test_json_that_is_refused),
        cmocka_unit_test(test_empty_parts), cmocka_unit_test(test_parts_that_are_not_empty),
        cmocka_unit_test(test_spellings),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
