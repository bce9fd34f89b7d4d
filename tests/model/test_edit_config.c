/* edit_config.json: the example prompts and the note, which a page will show, and how many pictures an
 * edit may have. */
#include "support/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "model/config.h"
#include "support/files.h"

static char *folder;

static enum status load(const char *text, struct edit_config *c, struct error *err) {
    write_text(in_folder(folder, "edit_config.json"), text);
    return edit_config_load(c, folder, err);
}

static void test_given(void **state) {
    (void)state;
    struct edit_config c;
    struct error err;
    assert_int_equal(load("{\"examples\": [\"add fog\", \"mach es \xc3\xbc\"]}", &c, &err),
                     STATUS_OK);
    assert_int_equal(c.example_count, 2);
    assert_string_equal(c.examples[0], "add fog");
    assert_string_equal(c.examples[1], "mach es \xc3\xbc");
    assert_int_equal(load("{}", &c, &err), STATUS_OK);
    assert_int_equal(c.example_count, 0);
    assert_int_equal(load("{\"examples\": null}", &c, &err), STATUS_OK);
    assert_int_equal(load("{\"examples\": []}", &c, &err), STATUS_OK);
    assert_int_equal(c.example_count, 0);
}

static void test_limits(void **state) {
    (void)state;
    struct edit_config c;
    struct error err;
    char text[600];
    snprintf(text, sizeof text, "{\"examples\": [\"%0200d\"]}", 0);
    assert_int_equal(load(text, &c, &err), STATUS_OK);
    assert_int_equal(strlen(c.examples[0]), 200);
    snprintf(text, sizeof text, "{\"examples\": [\"%0201d\"]}", 0);
    assert_int_equal(load(text, &c, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "200 bytes"));
    static const char twelve[] =
        "1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12";
    snprintf(text, sizeof text, "{\"examples\": [\"%s\"]}", twelve);
    assert_int_equal(load(text, &c, &err), STATUS_OK);
    assert_int_equal(c.example_count, 12);
    snprintf(text, sizeof text, "{\"examples\": [\"%s\", \"13\"]}", twelve);
    assert_int_equal(load(text, &c, &err), STATUS_INVALID);
}

static void test_wrong(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "\"fog\"",        "{}",         "1",      "true",     "[\"\"]", "[\"a\\nb\"]",
        "[\"a\\u007f\"]", "[\"a\", 1]", "[null]", "[[\"a\"]]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct edit_config c;
        struct error err;
        char text[80];
        snprintf(text, sizeof text, "{\"examples\": %s}", wrong[i]);
        if (load(text, &c, &err) != STATUS_INVALID) fail_msg("%s is taken", text);
        assert_non_null(strstr(err.text, "examples"));
    }
}

static void test_note(void **state) {
    (void)state;
    struct edit_config c;
    struct error err;
    char text[400];
    assert_int_equal(load("{\"note\": \"It mirrors. Mehr nicht, f\xc3\xbcrwahr.\"}", &c, &err),
                     STATUS_OK);
    assert_string_equal(c.note, "It mirrors. Mehr nicht, f\xc3\xbcrwahr.");
    assert_int_equal(load("{}", &c, &err), STATUS_OK);
    assert_string_equal(c.note, "");
    snprintf(text, sizeof text, "{\"note\": \"%0300d\"}", 0);
    assert_int_equal(load(text, &c, &err), STATUS_OK);
    assert_int_equal(strlen(c.note), 300);
    snprintf(text, sizeof text, "{\"note\": \"%0301d\"}", 0);
    assert_int_equal(load(text, &c, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "\"note\" must be one line of 1 to 300 bytes"));
    static const char *const wrong[] = {"\"\"", "1", "[\"a\"]", "\"a\\nb\"", "\"a\\u001bb\""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(text, sizeof text, "{\"note\": %s}", wrong[i]);
        if (load(text, &c, &err) != STATUS_INVALID) fail_msg("%s is taken", text);
    }
}

static void test_max_pictures(void **state) {
    (void)state;
    struct edit_config c;
    struct error err;
    char text[40];
    assert_int_equal(load("{}", &c, &err), STATUS_OK);
    assert_int_equal(c.max_pictures, 3);
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof text, "{\"max_pictures\": %d}", i);
        assert_int_equal(load(text, &c, &err), i >= 1 && i <= 3 ? STATUS_OK : STATUS_INVALID);
        if (i >= 1 && i <= 3) assert_int_equal(c.max_pictures, i);
    }
    assert_int_equal(load("{\"max_pictures\": \"1\"}", &c, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "max_pictures"));
}

static int enter(void **state) {
    (void)state;
    folder = temporary_folder();
    return 0;
}

static int leave(void **state) {
    (void)state;
    remove_folder(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_given), cmocka_unit_test(test_limits),
                                       cmocka_unit_test(test_wrong), cmocka_unit_test(test_note),
                                       cmocka_unit_test(test_max_pictures)};
    return cmocka_run_group_tests(tests, enter, leave);
}
