/* The values that people write, read strictly. */
#include "support/unit_test.h"

#include <locale.h>
#include <string.h>

#include "config/values.h"

static void test_unsigned(void **state) {
    (void)state;
    uint64_t v = 5;
    assert_true(value_uint64("0", &v) && v == 0);
    assert_true(value_uint64("007", &v) && v == 7);
    assert_true(value_uint64("18446744073709551615", &v) && v == UINT64_MAX);
    v = 5;
    static const char *const bad[] = {"",
                                      "+5",
                                      "-1",
                                      " 5",
                                      "5 ",
                                      "5\n",
                                      "12abc",
                                      "0x10",
                                      "1e3",
                                      "5.0",
                                      "nan",
                                      "٣",
                                      "18446744073709551616",
                                      "99999999999999999999999999",
                                      "1_000",
                                      "1,000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (value_uint64(bad[i], &v)) fail_msg("took '%s'", bad[i]);
        assert_true(v == 5);
    }
}

static void test_number(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},       {"7", 7},    {"7.0", 7},   {"7.", 7},     {".5", 0.5},
                {"-2.5", -2.5}, {"1e1", 10}, {"1E+1", 10}, {"5e-1", 0.5}, {"007.5", 7.5},
                {"1e-999", 0},  {"-0", 0},   {"0.1", 0.1}, {"30.0", 30},  {"1e308", 1e308}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double v = 99;
        if (!value_real(good[i].text, -1e308, 1e308, &v)) fail_msg("refused '%s'", good[i].text);
        assert_true(v == good[i].value);
    }
    static const char *const bad[] = {"",     ".",        "-",      "+5",    "e5",    "5e",
                                      "5e+",  "1e999",    "-1e999", "nan",   "NaN",   "inf",
                                      "-inf", "infinity", "0x10",   "0x1p3", "12abc", "1.2.3",
                                      " 7",   "7 ",       "7,5",    "1e5.5", "--5",   "٧"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double v = 99;
        if (value_real(bad[i], -1e308, 1e308, &v)) fail_msg("took '%s'", bad[i]);
        assert_true(v == 99);
    }
}

static void test_values(void **state) {
    (void)state;
    int64_t whole;
    uint64_t big;
    double real;
    assert_true(value_int("-5", -10, 10, &whole) && whole == -5);
    assert_false(value_int("", 0, 10, &whole));
    assert_false(value_int("-", -10, 10, &whole));
    assert_false(value_int("+5", 0, 10, &whole));
    assert_false(value_int("5abc", 0, 10, &whole));
    assert_true(value_uint64("18446744073709551615", &big) && big == UINT64_MAX);
    assert_false(value_uint64("18446744073709551616", &big));
    assert_false(value_uint64("-1", &big));
    assert_true(value_real("-1.5e1", -20, 0, &real) && real == -15.0);
    assert_true(value_real(".5", 0, 1, &real) && real == 0.5);
    assert_false(value_real("1.2.3", 0, 10, &real));
    assert_false(value_real("e", 0, 10, &real));
    assert_false(value_real("infinity", 0, 10, &real));

    struct shown_value shown;
    char longest[200];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    value_show(&shown, longest);
    assert_int_equal(strlen(shown.text), sizeof shown.text - 1);
    memset(longest, '\x80', sizeof longest - 1);
    value_show(&shown, longest);
    assert_string_equal(shown.text, "...");
}

static void test_size(void **state) {
    (void)state;
    int width = 0, height = 0;
    assert_true(value_size("64x2048", 64, 2048, &width, &height) && width == 64 && height == 2048);
    assert_true(value_size("0100x100", 64, 2048, &width, &height) && width == 100);
    static const char *const bad[] = {
        "",      "x",        "64",     "64x",    "x64",    "63x64",  "64x63",    "2049x64",
        "64X64", "64x64x64", " 64x64", "64x64 ", "-64x64", "64 x64", "6.4e1x64", "64\303\22764"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (value_size(bad[i], 64, 2048, &width, &height)) fail_msg("took '%s'", bad[i]);
        assert_true(width == 100 && height == 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsigned),
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
