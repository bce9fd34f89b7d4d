/*
 * Getters give a value, the caller's own, or an error that names file and key; and no file that is
 * no object gets that far.
 */
#include "support/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "support/files.h"

/* Writes the bytes to a file and opens that. */
static enum status open_text(json_t **out, const char *bytes, size_t n, size_t limit,
                             struct error *err) {
    char *folder = temporary_folder();
    write_bytes(in_folder(folder, "x.json"), bytes, n);
    enum status s = json_open(out, in_folder(folder, "x.json"), limit, err);
    remove_folder(folder);
    return s;
}

static void test_open(void **state) {
    (void)state;
    json_t *j;
    struct error err;
    const char *good = "{\"a\": 1, \"b\": {\"c\": [1, 2]}}";
    assert_int_equal(open_text(&j, good, strlen(good), strlen(good), &err), STATUS_OK);
    assert_true(json_is_object(j));
    json_decref(j);
    assert_int_equal(open_text(&j, good, strlen(good), strlen(good) - 1, &err), STATUS_INVALID);
    assert_null(j);
    assert_int_equal(json_open(&j, "/nonexistent/config.json", 100, &err), STATUS_IO);
    assert_null(j);
}

/* Whatever the bytes are, the answer is an error of one printable line. */
static void test_bad_files(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "[1]",
                                      "1",
                                      "\"x\"",
                                      "null",
                                      "{\"a\":1,\"a\":2}",
                                      "{\"a\":1}x",
                                      "{\"a\"\n:\nz\n}",
                                      "{\"\xff\":1}",
                                      "{\"a\":\"\xed\xa0\x80\"}",
                                      "{\"a\":\"x\ny\"}",
                                      "{\"a\":1e999}",
                                      "{\"a\":\"\\u0000\"}",
                                      "{\"a\":99999999999999999999999}",
                                      "{\"a\":NaN}",
                                      "\n\n{\"a\":\x01\x02\x1b[31m}"};
    json_t *j;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = {{0}};
        if (open_text(&j, bad[i], strlen(bad[i]), 1000, &err) != STATUS_INVALID)
            fail_msg("accepted: %s", bad[i]);
        assert_null(j);
        assert_true(strlen(err.text) > 0);
        for (const char *p = err.text; *p; p++)
            if ((unsigned char)*p < ' ')
                fail_msg("a control character in the error about file %d", (int)i);
    }
    char zero[] = "{\"a\":\0001}";
    assert_int_equal(open_text(&j, zero, sizeof zero - 1, 1000, NULL), STATUS_INVALID);
    /* Nested deeper than any stack. */
    size_t deep = 1000000;
    char *nested = malloc(deep);
    assert_non_null(nested);
    memset(nested, '[', deep);
    memcpy(nested, "{\"a\":", 5);
    assert_int_equal(open_text(&j, nested, deep, deep, NULL), STATUS_INVALID);
    free(nested);
}

static void test_getters(void **state) {
    (void)state;
    json_t *j = json_pack("{s:i, s:f, s:b, s:s, s:n, s:I}", "int", 5, "real", 2.5, "yes", 1, "text",
                          "x", "null", "big", INT64_MAX);
    assert_non_null(j);
    struct error err = {{0}};
    int64_t n = 42;
    double d = 0.5;
    bool b = false;
    assert_int_equal(json_get_int(j, "absent", 0, 10, &n, "f.json", &err), STATUS_OK);
    assert_int_equal(json_get_int(j, "null", 0, 10, &n, "f.json", &err), STATUS_OK);
    assert_int_equal(json_get_double(j, "absent", &d, "f.json", &err), STATUS_OK);
    assert_int_equal(json_get_bool(j, "null", &b, "f.json", &err), STATUS_OK);
    assert_true(n == 42 && d == 0.5 && !b);

    assert_int_equal(json_get_int(j, "int", 5, 5, &n, "f.json", &err), STATUS_OK);
    assert_int_equal(n, 5);
    assert_int_equal(json_get_int(j, "big", 0, INT64_MAX, &n, "f.json", &err), STATUS_OK);
    assert_true(n == INT64_MAX);
    n = 42;
    static const char *const not_int[] = {"real", "yes", "text"};
    for (int i = 0; i < 3; i++)
        assert_int_equal(json_get_int(j, not_int[i], -100, 100, &n, "f.json", &err),
                         STATUS_INVALID);
    assert_int_equal(json_get_int(j, "int", 6, 10, &n, "f.json", &err), STATUS_INVALID);
    assert_int_equal(json_get_int(j, "int", 0, 4, &n, "f.json", &err), STATUS_INVALID);
    assert_int_equal(n, 42);
    assert_non_null(strstr(err.text, "f.json"));
    assert_non_null(strstr(err.text, "int"));

    assert_int_equal(json_get_double(j, "int", &d, "f.json", &err), STATUS_OK);
    assert_true(d == 5);
    assert_int_equal(json_get_double(j, "real", &d, "f.json", &err), STATUS_OK);
    assert_true(d == 2.5);
    assert_int_equal(json_get_double(j, "text", &d, "f.json", &err), STATUS_INVALID);
    assert_int_equal(json_get_bool(j, "yes", &b, "f.json", &err), STATUS_OK);
    assert_true(b);
    assert_int_equal(json_get_bool(j, "int", &b, "f.json", &err), STATUS_INVALID);
    assert_true(d == 2.5 && b);
    json_decref(j);
}

/* What downloads that went wrong leave behind is named. */
static void test_other_kinds(void **state) {
    (void)state;
    static const char *const kinds[][2] = {
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
         "x.json is a git-LFS pointer, not the file that it stands for, and not valid JSON; fetch "
         "the file again"},
        {"<!DOCTYPE html><html>sign in", "x.json is an HTML web page, and not valid JSON"},
        {"\x1f\x8b\x08", "x.json is a gzip file in place of what is in it"},
        {"{\"error\": 1", "x.json is not valid JSON: line 1: "},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        json_t *j;
        struct error err;
        assert_int_equal(open_text(&j, kinds[i][0], strlen(kinds[i][0]), 1000, &err),
                         STATUS_INVALID);
        assert_null(j);
        if (!strstr(err.text, kinds[i][1])) fail_msg("%s", err.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open), cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_other_kinds), cmocka_unit_test(test_getters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
