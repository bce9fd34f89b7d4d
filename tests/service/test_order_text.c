/* Orders and outcomes as text: what is written is read back to the bit, and what was not written
 * like that is refused with a sentence. */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "service/order_text.h"

static struct edit_order order_of(const char *prompt) {
    struct edit_order order = {.file_count = 2,
                               .prompt = strdup(prompt),
                               .negative_prompt = strdup(" "),
                               .guidance_scale = 1.0 / 3,
                               .steps = 28,
                               .seed = UINT64_MAX,
                               .width = 640,
                               .height = 2048,
                               .format = PICTURE_WEBP,
                               .quality = 100};
    assert_int_equal(buffer_append(&order.files[0], "one\0picture", 11, NULL), STATUS_OK);
    assert_int_equal(buffer_append(&order.files[1], "another", 7, NULL), STATUS_OK);
    return order;
}

static void test_order_comes_back(void **state) {
    (void)state;
    static const char *const prompts[] = {"night", "\"qu\\oted\"\n\t\x01",
                                          "f\xc3\xa4rbe \xf0\x9f\x8c\x99"};
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) {
        struct edit_order order = order_of(prompts[i]), back = {0};
        struct buffer text = {0}, pictures = {0};
        char id[REQUEST_ID_MAX + 1];
        assert_int_equal(order_text_write(&text, &order, "id-1", NULL), STATUS_OK);
        assert_int_equal(order_text_write_pictures(&pictures, &order, NULL), STATUS_OK);
        assert_int_equal(
            order_text_read(&back, id, text.data, text.size, pictures.data, pictures.size, NULL),
            STATUS_OK);
        assert_string_equal(id, "id-1");
        assert_string_equal(back.prompt, prompts[i]);
        assert_string_equal(back.negative_prompt, " ");
        assert_true(back.guidance_scale == order.guidance_scale);
        assert_int_equal(back.steps, 28);
        assert_true(back.seed == UINT64_MAX);
        assert_int_equal(back.width, 640);
        assert_int_equal(back.height, 2048);
        assert_false(back.input_size);
        assert_int_equal(back.format, PICTURE_WEBP);
        assert_int_equal(back.quality, 100);
        assert_int_equal(back.file_count, 2);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(back.files[k].size, order.files[k].size);
            assert_memory_equal(back.files[k].data, order.files[k].data, order.files[k].size);
        }
        edit_order_free(&order);
        edit_order_free(&back);
        buffer_free(&text);
        buffer_free(&pictures);
    }
}

/* As order_text.h shows it: what a front-end of another version may write. */
static const char example[] =
    "{\"v\":1,\"request_id\":\"7f3a\",\"prompt\":\"night\",\"negative_prompt\":\" "
    "\",\"seed\":\"42\","
    "\"steps\":28,\"guidance_scale\":7.0,\"width\":0,\"height\":0,\"input_size\":true,"
    "\"output_format\":\"jpeg\",\"quality\":0,\"pictures\":[3,4]}";
static const char example_pictures[] = "abcdefg";

static enum status read_order(const char *text, const char *pictures, struct error *err) {
    char id[REQUEST_ID_MAX + 1];
    struct edit_order order = {0};
    enum status s =
        order_text_read(&order, id, text, strlen(text), pictures, strlen(pictures), err);
    if (s != STATUS_OK) assert_null(order.prompt); /* empty again */
    edit_order_free(&order);
    return s;
}

static void test_version_1_is_read(void **state) {
    (void)state;
    char id[REQUEST_ID_MAX + 1];
    struct edit_order order = {0};
    assert_int_equal(order_text_read(&order, id, example, strlen(example), example_pictures,
                                     strlen(example_pictures), NULL),
                     STATUS_OK);
    assert_string_equal(id, "7f3a");
    assert_true(order.seed == 42);
    assert_true(order.input_size);
    assert_int_equal(order.format, PICTURE_JPEG);
    assert_int_equal(order.files[0].size, 3);
    assert_memory_equal(order.files[1].data, "defg", 4);
    struct buffer text = {0};
    assert_int_equal(order_text_write(&text, &order, id, NULL), STATUS_OK);
    assert_string_equal(text.data, example); /* and written: a new form is a new version */
    buffer_free(&text);
    edit_order_free(&order);
}

/* `text` with the first `what` replaced; the caller frees it. */
static char *replaced(const char *text, const char *what, const char *with) {
    const char *at = strstr(text, what);
    assert_non_null(at);
    struct buffer out = {0};
    buffer_printf(&out, "%.*s%s%s", (int)(at - text), text, with, at + strlen(what));
    assert_non_null(out.data);
    return out.data;
}

struct wrong {
    const char *what, *with, *sentence;
};

static const struct wrong wrong_orders[] = {
    {"{", "[", "the order is no JSON object"},
    {"}", "", "the order is no JSON object"},
    {"}", "}}", "the order is no JSON object"},
    {"\"steps\":28", "\"steps\":28,\"steps\":28", "the order is no JSON object"},
    {"\"v\":1,", "", "the order has no \"v\""},
    {"\"v\":1", "\"v\":2", "the order has version 2; this program reads version 1"},
    {"\"v\":1", "\"v\":\"1\"", "the order: \"v\" must be an integer"},
    {"\"v\":1", "\"v\":1,\"x\":1", "the order has a key that version 1 has not"},
    {"\"steps\":28,", "", "the order has no \"steps\""},
    {"\"steps\":28", "\"steps\":null", "the order has no \"steps\""},
    {"\"steps\":28", "\"steps\":0", "the order: \"steps\" must be an integer from 1 to 1000"},
    {"\"steps\":28", "\"steps\":1001", "the order: \"steps\" must be an integer from 1 to 1000"},
    {"\"steps\":28", "\"steps\":28.0", "the order: \"steps\" must be an integer from 1 to 1000"},
    {"\"7f3a\"", "\"\"", "the order: \"request_id\" is none"},
    {"\"7f3a\"", "\"a b\"", "the order: \"request_id\" is none"},
    {"\"7f3a\"", "7", "the order: \"request_id\" must be a string"},
    {"\"night\"", "\"\"", "the order: \"prompt\" is blank"},
    {"\"night\"", "\" \\u200b\"", "the order: \"prompt\" is blank"},
    {"\"night\"", "\"a\\u0000b\"", "the order is no JSON object"},
    {"\"night\"", "\"\xff\"", "the order is no JSON object"},
    {"\"42\"", "42", "the order: \"seed\" must be a string"},
    {"\"42\"", "\"-1\"", "the order: \"seed\" must be a whole number from 0 to 2^64-1"},
    {"\"42\"", "\"\"", "the order: \"seed\" must be a whole number from 0 to 2^64-1"},
    {"\"42\"", "\"18446744073709551616\"",
     "the order: \"seed\" must be a whole number from 0 to 2^64-1"},
    {"7.0", "-0.5", "the order: \"guidance_scale\" must be a number from 0 to 30"},
    {"7.0", "30.5", "the order: \"guidance_scale\" must be a number from 0 to 30"},
    {"7.0", "true", "the order: \"guidance_scale\" must be a number"},
    {"\"width\":0", "\"width\":64",
     "the order: width and height must be 0, or both from 64 to 2048"},
    {"\"width\":0", "\"width\":4096", "the order: \"width\" must be an integer from 0 to 2048"},
    {"\"width\":0,\"height\":0", "\"width\":63,\"height\":64",
     "the order: width and height must be 0, or both from 64 to 2048"},
    {"\"width\":0,\"height\":0", "\"width\":64,\"height\":64",
     "the order: \"input_size\" excludes width and height"},
    {"true", "1", "the order: \"input_size\" must be true or false"},
    {"\"jpeg\"", "\"gif\"", "the order: \"output_format\" is none that this program writes"},
    {"\"quality\":0", "\"quality\":101", "the order: \"quality\" must be an integer from 0 to 100"},
    {"[3,4]", "[]", "the order: \"pictures\" must be 1 to 3 sizes"},
    {"[3,4]", "7", "the order: \"pictures\" must be 1 to 3 sizes"},
    {"[3,4]", "[1,1,1,4]", "the order: \"pictures\" must be 1 to 3 sizes"},
    {"[3,4]", "[3,5]", "the order: picture 2 is not among the 7 bytes that came with it"},
    {"[3,4]", "[7,0]", "the order: picture 2 is not among the 7 bytes that came with it"},
    {"[3,4]", "[-1,4]", "the order: picture 1 is not among the 7 bytes that came with it"},
    {"[3,4]", "[\"3\",4]", "the order: picture 1 is not among the 7 bytes that came with it"},
    {"[3,4]", "[9223372036854775807,4]",
     "the order: picture 1 is not among the 7 bytes that came with it"},
    {"[3,4]", "[3,3]", "the order: 1 of the 7 bytes that came with it are no picture's"},
};

static void test_wrong_orders_are_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof wrong_orders / sizeof *wrong_orders; i++) {
        const struct wrong *w = &wrong_orders[i];
        struct error err = {0};
        char *text = replaced(example, w->what, w->with);
        assert_int_equal(read_order(text, example_pictures, &err), STATUS_INVALID);
        assert_true(strncmp(err.text, w->sentence, strlen(w->sentence)) == 0);
        free(text);
    }
}

static void test_long_texts_are_refused(void **state) {
    (void)state;
    struct error err = {0};
    char *prompt = calloc(1, 65538 + 2), *text, *much = calloc(1, ORDER_TEXT_MAX_BYTES + 2);
    assert_non_null(prompt);
    assert_non_null(much);
    memset(prompt, 'p', 65537);
    text = replaced(example, "night", prompt);
    assert_int_equal(read_order(text, example_pictures, &err), STATUS_INVALID);
    assert_string_equal(err.text, "the order: \"prompt\" is longer than 65536 bytes");
    memset(much, ' ', ORDER_TEXT_MAX_BYTES + 1);
    assert_int_equal(read_order(much, "", &err), STATUS_INVALID);
    assert_string_equal(err.text, "the order is longer than 1048576 bytes");
    assert_int_equal(read_order("", "", &err), STATUS_INVALID);
    assert_string_equal(err.text, "the order is no JSON object");
    free(prompt);
    free(text);
    free(much);
}

static void test_outcomes_come_back(void **state) {
    (void)state;
    for (int end = 0; end < EDIT_ENDS; end++) {
        bool done = end == EDIT_DONE;
        struct edit_outcome o = {.end = (enum edit_end)end,
                                 .detail = "no; \"because\"",
                                 .width = done ? 1024 : 0,
                                 .height = done ? 65536 : 0,
                                 .steps = done ? 28 : 0,
                                 .guidance_scale = 0.1,
                                 .change = 0.1234,
                                 .same_seed = !done,
                                 .queue_seconds = 1.0 / 3,
                                 .denoise_seconds = 1e-9},
                            back = {0};
        struct buffer text = {0}, file = {0};
        if (done) assert_int_equal(buffer_append(&o.file, "PNG", 3, NULL), STATUS_OK);
        if (done) assert_int_equal(buffer_append(&file, "PNG", 3, NULL), STATUS_OK);
        assert_int_equal(outcome_text_write(&text, &o, NULL), STATUS_OK);
        assert_int_equal(outcome_text_read(&back, text.data, text.size, &file, NULL), STATUS_OK);
        assert_null(file.data); /* taken over */
        assert_int_equal(back.end, end);
        assert_string_equal(back.detail, o.detail);
        assert_int_equal(back.width, o.width);
        assert_int_equal(back.height, o.height);
        assert_int_equal(back.steps, o.steps);
        assert_true(back.guidance_scale == o.guidance_scale);
        assert_true(back.change == o.change && back.same_seed == o.same_seed);
        assert_true(back.queue_seconds == o.queue_seconds);
        assert_true(back.denoise_seconds == o.denoise_seconds);
        assert_int_equal(back.file.size, done ? 3 : 0);
        buffer_free(&o.file);
        buffer_free(&back.file);
        buffer_free(&text);
    }
}

static const char example_outcome[] =
    "{\"v\":1,\"code\":\"ok\",\"detail\":\"\",\"width\":1024,\"height\":768,\"steps\":28,"
    "\"guidance_scale\":7.0,\"change\":0.25,\"same_seed\":true,\"queue_seconds\":0.5,\"read_"
    "seconds\":0.25,\"encode_seconds\":1.5,"
    "\"denoise_seconds\":40.0,\"decode_seconds\":2.0,\"write_seconds\":0.125,\"bytes\":3}";

static const struct wrong wrong_outcomes[] = {
    {"{", "", "the outcome is no JSON object"},
    {"\"v\":1", "\"v\":7", "the outcome has version 7; this program reads version 1"},
    {"\"bytes\":3", "\"bytes\":3,\"url\":\"x\"", "the outcome has a key that version 1 has not"},
    {"\"ok\"", "\"fine\"", "the outcome: \"code\" is none that this program knows"},
    {"\"ok\"", "\"timeout\"", "the outcome: \"detail\" must say why there is no picture"},
    {"1024", "0", "the outcome: \"width\" must be an integer from 1 to 65536"},
    {"768", "65537", "the outcome: \"height\" must be an integer from 1 to 65536"},
    {"0.25", "1.5", "the outcome: \"change\" must be a number from 0 to 1"},
    {"true", "1", "the outcome: \"same_seed\" must be true or false"},
    {"0.5", "-1", "the outcome: \"queue_seconds\" must be a number from 0 to 1e+09"},
    {"40.0", "1e10", "the outcome: \"denoise_seconds\" must be a number from 0 to 1e+09"},
    {"\"bytes\":3", "\"bytes\":2", "the outcome tells of 2 bytes, and 3 came with it"},
    {"\"ok\",\"detail\":\"\"", "\"gpu_oom\",\"detail\":\"no\"",
     "the outcome: \"bytes\" must be an integer from 0 to 0"},
};

static void test_wrong_outcomes_are_refused(void **state) {
    (void)state;
    struct buffer file = {0};
    struct edit_outcome o = {0};
    assert_int_equal(buffer_append(&file, "PNG", 3, NULL), STATUS_OK);
    for (size_t i = 0; i < sizeof wrong_outcomes / sizeof *wrong_outcomes; i++) {
        const struct wrong *w = &wrong_outcomes[i];
        struct error err = {0};
        char *text = replaced(example_outcome, w->what, w->with);
        assert_int_equal(outcome_text_read(&o, text, strlen(text), &file, &err), STATUS_INVALID);
        assert_true(strncmp(err.text, w->sentence, strlen(w->sentence)) == 0);
        assert_null(o.file.data);
        assert_int_equal(file.size, 3); /* still the caller's */
        free(text);
    }
    assert_int_equal(outcome_text_read(&o, example_outcome, strlen(example_outcome), &file, NULL),
                     STATUS_OK);
    struct buffer text = {0};
    assert_int_equal(outcome_text_write(&text, &o, NULL), STATUS_OK);
    assert_string_equal(text.data, example_outcome);
    buffer_free(&text);
    buffer_free(&o.file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_comes_back),
        cmocka_unit_test(test_version_1_is_read),
        cmocka_unit_test(test_wrong_orders_are_refused),
        cmocka_unit_test(test_long_texts_are_refused),
        cmocka_unit_test(test_outcomes_come_back),
        cmocka_unit_test(test_wrong_outcomes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
