/* What an answer says of its edit: how much it changed, and what is to be known of it. */
#include "support/unit_test.h"

#include "http/jobs_client.h"

static const char note[] = "It mirrors. Mehr kann es nicht, f\xc3\xbcrwahr.";
static struct server_process server;

static int start(void **state) {
    (void)state;
    char given[100];
    snprintf(given, sizeof given, "FAKE_NOTE=%s", note);
    server_start_ready(&server, (const char *[]){given, NULL});
    return 0;
}

static int stop(void **state) {
    (void)state;
    return server_stop(&server, 15);
}

static const char *or_none(const char *text) {
    return text ? text : "none";
}

/* Below 0.01 the note comes along, as its makers wrote it. */
static void test_of_an_edit(void **state) {
    (void)state;
    static const struct {
        const char *prompt, *change;
        bool note;
    } cases[] = {{"night", "0.5", false},           {"change=0.1234", "0.1234", false},
                 {"change=0.01", "0.01", false},    {"change=0.0099", "0.0099", true},
                 {"change=0.0001", "0.0001", true}, {"change=0", "0", true},
                 {"change=1", "1", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer a;
        char logged[64];
        http_edit(&server, cases[i].prompt, &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(or_none(answer_header(&a, "X-Change")), cases[i].change);
        assert_string_equal(or_none(answer_header(&a, "X-Note")), cases[i].note ? note : "none");
        snprintf(logged, sizeof logged, " change=%s ", cases[i].change);
        server_wait_log(&server, logged);
        answer_free(&a);
    }
}

static void test_without_a_note(void **state) {
    (void)state;
    struct server_process s;
    struct answer a;
    server_start_ready(&s, NULL);
    http_edit(&s, "change=0", &a);
    assert_string_equal(answer_header(&a, "X-Change"), "0");
    assert_null(answer_header(&a, "X-Note"));
    answer_free(&a);
    assert_int_equal(server_stop(&s, 15), 0);
}

/* GET, the last event and the result say the same. */
static void test_of_a_job(void **state) {
    (void)state;
    for (int hardly = 0; hardly < 2; hardly++) {
        struct posted p = post_job(&server, hardly ? "change=0.0042" : "change=0.4321");
        struct listener l;
        struct event last;
        struct answer result;
        double wanted = hardly ? 0.0042 : 0.4321;
        listener_open(&l, &server, p.events);
        listener_finish(&l, &last);
        json_t *job = look(&server, &p);
        http_get(&server, p.result, &result);
        const json_t *const told[] = {last.data, job};
        for (int i = 0; i < 2; i++) {
            assert_true(number(told[i], "change") == wanted);
            assert_string_equal(or_none(json_string_value(json_object_get(told[i], "note"))),
                                hardly ? note : "none");
        }
        assert_string_equal(answer_header(&result, "X-Change"), hardly ? "0.0042" : "0.4321");
        assert_string_equal(or_none(answer_header(&result, "X-Note")), hardly ? note : "none");
        answer_free(&result);
        event_free(&last);
        listener_close(&l);
        json_decref(job);
        drop(&server, &p);
    }
}

static void post_images(const char *prompt, struct answer *a) {
    struct form f;
    form_edit(&f, prompt, "n", "3", "seed", "99", "steps", "1", NULL);
    http_request(&server, "POST", "/v1/images/edits",
                 "Content-Type: multipart/form-data; boundary=" BOUNDARY "\r\n", f.body.data,
                 f.body.size, a);
    form_free(&f);
    assert_int_equal(a->status, 200);
}

/* Each picture has its own; the headers tell of the one that changed least. */
static void test_of_several(void **state) {
    (void)state;
    struct answer a;
    post_images("change=seed", &a);
    json_t *root = json_loadb(a.body.data, a.body.size, 0, NULL);
    const json_t *data = json_object_get(root, "data");
    assert_int_equal(json_array_size(data), 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(number(json_array_get(data, i), "change") == (99 + (double)i) / 1e4);
    assert_string_equal(answer_header(&a, "X-Change"), "0.0099");
    assert_string_equal(or_none(answer_header(&a, "X-Note")), note);
    json_decref(root);
    answer_free(&a);
}

static void edit_again(const struct buffer *picture, const char *seed, const char *format,
                       struct answer *a) {
    struct form f = {0};
    form_file(&f, "image", "a", picture->data, picture->size);
    form_field(&f, "prompt", "night");
    form_field(&f, "steps", "1");
    form_field(&f, "seed", seed);
    form_field(&f, "output_format", format);
    form_end(&f);
    http_post_form(&server, &f, a);
    assert_int_equal(a->status, 200);
}

/* A picture of ours remembers its seed, in PNG. */
static void test_of_the_seed_that_made_the_picture(void **state) {
    (void)state;
    struct buffer png = {0};
    struct answer first, jpeg, a;
    make_png(&png, 48, 32);
    edit_again(&png, "7", "png", &first);
    assert_null(answer_header(&first, "X-Note"));
    edit_again(&first.body, "7", "jpeg", &a);
    assert_non_null(strstr(or_none(answer_header(&a, "X-Note")), "made with this very seed"));
    answer_free(&a);
    edit_again(&first.body, "8", "jpeg", &jpeg);
    assert_null(answer_header(&jpeg, "X-Note"));
    edit_again(&jpeg.body, "8", "png", &a);
    assert_null(answer_header(&a, "X-Note"));
    answer_free(&a);
    answer_free(&jpeg);
    answer_free(&first);
    buffer_free(&png);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_an_edit),
        cmocka_unit_test(test_without_a_note),
        cmocka_unit_test(test_of_a_job),
        cmocka_unit_test(test_of_several),
        cmocka_unit_test(test_of_the_seed_that_made_the_picture),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
