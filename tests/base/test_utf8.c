/*
 * UTF-8 is told from what only looks like it, and a text that shows nothing from one that does.
 */
#include "support/unit_test.h"

#include <string.h>

#include "base/utf8.h"

static const char *const bad[] = {"\xff",         "\xc3",         "\xc0\xaf",
                                  "\xed\xa0\x80", "\x80",         "\xf4\x90\x80\x80",
                                  "\xe2\x82",     "\xe0\x80\xaf", "\xf8\x88\x80\x80\x80"};
enum { BAD = sizeof bad / sizeof *bad };

static void test_next(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
        int32_t c;
    } good[] = {{"a", 1, 'a'},
                {"\x7f", 1, 0x7f},
                {"\xc3\xbc", 2, 0xfc},
                {"\xe2\x82\xac", 3, 0x20ac},
                {"\xf0\x9f\x8c\x99", 4, 0x1f319},
                {"\xf4\x8f\xbf\xbf", 4, 0x10ffff}};
    int32_t c;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        size_t size = strlen(good[i].text);
        assert_int_equal(utf8_next(good[i].text, size, &c), good[i].bytes);
        assert_int_equal(c, good[i].c);
        assert_int_equal(utf8_next(good[i].text, size - 1, &c), 0); /* cut short */
    }
    assert_int_equal(utf8_next("", 1, &c), 1); /* a NUL is a character */
    assert_int_equal(c, 0);
    for (size_t i = 0; i < BAD; i++) assert_int_equal(utf8_next(bad[i], strlen(bad[i]), &c), 0);
}

static void test_valid(void **state) {
    (void)state;
    assert_int_equal(utf8_valid("", 0), 0);
    assert_int_equal(utf8_valid("gr\xc3\xbc\xc3\x9f", 6), 6);
    assert_int_equal(utf8_valid("gr\xc3\xbc\xc3\x9f", 5), 4);
    assert_int_equal(utf8_valid("a\x80z", 3), 1);
    assert_int_equal(utf8_valid("a\0b", 3), 3);
}

static void test_is_text(void **state) {
    (void)state;
    assert_true(utf8_is_text("", 0));
    assert_true(utf8_is_text(NULL, 0));
    assert_true(utf8_is_text("gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x99", 11));
    assert_false(utf8_is_text("a\0b", 3));
    for (size_t i = 0; i < BAD; i++) assert_false(utf8_is_text(bad[i], strlen(bad[i])));
}

static void test_skip_mark(void **state) {
    (void)state;
    assert_string_equal(utf8_skip_mark("\xef\xbb\xbfnight"), "night");
    assert_string_equal(utf8_skip_mark("\xef\xbb\xbf\xef\xbb\xbf"), "");
    assert_string_equal(utf8_skip_mark("n\xef\xbb\xbf"), "n\xef\xbb\xbf");
    assert_string_equal(utf8_skip_mark("\xef\xbb"), "\xef\xbb");
    assert_string_equal(utf8_skip_mark(""), "");
}

static void test_is_blank(void **state) {
    (void)state;
    static const char *const blank[] = {
        "", " \t\r\n", "\xc2\x85", "\xe3\x80\x80\xc2\xa0\xe2\x80\xa8", " \xe2\x80\x8b\xef\xbb\xbf"};
    static const char *const speaks[] = {" x ", ".", "\xf0\x9f\x8c\x99", "\xcc\x81"};
    for (size_t i = 0; i < sizeof blank / sizeof *blank; i++)
        assert_true(utf8_is_blank(blank[i], strlen(blank[i])));
    for (size_t i = 0; i < sizeof speaks / sizeof *speaks; i++)
        assert_false(utf8_is_blank(speaks[i], strlen(speaks[i])));
    for (size_t i = 0; i < BAD; i++) assert_false(utf8_is_blank(bad[i], strlen(bad[i])));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next), cmocka_unit_test(test_valid), cmocka_unit_test(test_is_text),
        cmocka_unit_test(test_is_blank), cmocka_unit_test(test_skip_mark)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
