/* POST /v1/images/edits with stream=true: what comes, in which order, and how long it may take. */
#include "support/unit_test.h"

#include <curl/curl.h>
#include <jansson.h>
#include <signal.h>

#include "http/openai_client.h"

static struct server_process server;

static size_t keep(char *bytes, size_t one, size_t n, void *arg) {
    return buffer_append(arg, bytes, one * n, NULL) == STATUS_OK ? n : 0;
}

static long stream_edit(struct server_process *s, struct form *f, struct buffer *events) {
    char url[80];
    long status = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", s->port, openai_path);
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
    openai_post(&server, &f, &a);
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
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_long_stream),
        cmocka_unit_test(test_stream_of_a_failure),
        cmocka_unit_test(test_stream_refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
