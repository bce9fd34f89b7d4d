/* The small strict readers: numbers, text, header parameters, keys, origins, request ids. */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "http/auth.h"
#include "http/form.h"
#include "http/params.h"
#include "http/request_id.h"

static void test_unsigned(void **state) {
    (void)state;
    uint64_t v = 5;
    assert_true(form_unsigned("0", 1, 10, &v) && v == 0);
    assert_true(form_unsigned("007", 3, 10, &v) && v == 7);
    assert_true(form_unsigned("18446744073709551615", 20, UINT64_MAX, &v) && v == UINT64_MAX);
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
                                      "11",
                                      "٣",
                                      "18446744073709551616",
                                      "99999999999999999999999999",
                                      "1_000",
                                      "1,000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (form_unsigned(bad[i], strlen(bad[i]), strcmp(bad[i], "11") == 0 ? 10 : UINT64_MAX, &v))
            fail_msg("took '%s'", bad[i]);
        assert_true(v == 5);
    }
    assert_false(form_unsigned("1\0002", 3, 1000, &v));
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
        if (!form_number(good[i].text, strlen(good[i].text), &v))
            fail_msg("refused '%s'", good[i].text);
        assert_true(v == good[i].value);
    }
    static const char *const bad[] = {
        "",
        ".",
        "-",
        "+5",
        "e5",
        "5e",
        "5e+",
        "1e999",
        "-1e999",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "infinity",
        "0x10",
        "0x1p3",
        "12abc",
        "1.2.3",
        " 7",
        "7 ",
        "7,5",
        "1e5.5",
        "--5",
        "٧",
        "1111111111111111111111111111111111111111111111111111111111111111111111"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double v = 99;
        if (form_number(bad[i], strlen(bad[i]), &v)) fail_msg("took '%s'", bad[i]);
        assert_true(v == 99);
    }
    double v;
    assert_false(form_number("7\0", 2, &v));
}

static void test_text(void **state) {
    (void)state;
    assert_true(form_is_text("", 0));
    assert_true(form_is_text("gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x99", 11));
    static const char *const bad[] = {
        "\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80", "\xe2\x82"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(form_is_text(bad[i], strlen(bad[i])));
    assert_false(form_is_text("a\0b", 3));
    assert_true(form_is_blank("", 0));
    assert_true(form_is_blank(" \t\r\n\xc2\xa0\xe3\x80\x80\xe2\x80\x8b", 12));
    assert_false(form_is_blank(" x ", 3));
    assert_false(form_is_blank("\xf0\x9f\x8c\x99", 4));
}

static void test_params(void **state) {
    (void)state;
    char v[16];
    assert_int_equal(params_get("; boundary=abc", "boundary", v, sizeof v), PARAMS_FOUND);
    assert_string_equal(v, "abc");
    assert_int_equal(params_get(" ;  charset=utf-8;BOUNDARY=\"a b\" ; ", "boundary", v, sizeof v),
                     PARAMS_FOUND);
    assert_string_equal(v, "a b");
    assert_int_equal(params_get("; name=\"a\\\"b\\\\c\\d\"", "name", v, sizeof v), PARAMS_FOUND);
    assert_string_equal(v, "a\"b\\c\\d");
    assert_int_equal(params_get("; name=\"\"", "name", v, sizeof v), PARAMS_FOUND);
    assert_string_equal(v, "");
    assert_int_equal(params_get("", "name", v, sizeof v), PARAMS_MISSING);
    assert_int_equal(params_get("; filename=\"a;name=b\"", "name", v, sizeof v), PARAMS_MISSING);
    assert_int_equal(params_get("; filename*=UTF-8''x; name=y", "name", v, sizeof v), PARAMS_FOUND);
    static const char *const bad[] = {"x",
                                      "; name",
                                      "; name=",
                                      "; =x",
                                      "; name=\"a",
                                      "; name=\"a\\\"",
                                      "; name=a; name=b",
                                      "; name=a b",
                                      "; name=\"a\" b",
                                      "; name=\"a\x01\"",
                                      "; name=0123456789abcdef",
                                      "; name=\"0123456789abcdef\"",
                                      ";; name=a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (params_get(bad[i], "name", v, sizeof v) != PARAMS_MALFORMED)
            fail_msg("took '%s'", bad[i]);
}

static void test_keys(void **state) {
    (void)state;
    assert_true(auth_allows(NULL, NULL, NULL));
    assert_false(auth_allows("secret", NULL, NULL));
    assert_true(auth_allows("secret", NULL, "secret"));
    assert_true(auth_allows("secret", "Bearer secret", NULL));
    assert_true(auth_allows("secret", "bearer  secret", NULL));
    assert_true(auth_allows("secret", "Bearer wrong", "secret"));
    static const char *const bad[] = {"",        "secre", "secret1", "Secret", "secretsecret",
                                      " secret", "s"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(auth_allows("secret", NULL, bad[i]));
    assert_false(auth_allows("secret", "Basic secret", NULL));
    assert_false(auth_allows("secret", "secret", NULL));
    assert_false(auth_allows("secret", "Bearersecret", NULL));
}

static void test_origins(void **state) {
    (void)state;
    static const char list[] = "https://a.example, http://localhost:3000";
    assert_null(cors_allows(NULL, "https://a.example"));
    assert_null(cors_allows(list, NULL));
    assert_null(cors_allows(list, ""));
    assert_null(cors_allows(list, "https://a.example.evil"));
    assert_null(cors_allows(list, "http://a.example"));
    assert_string_equal(cors_allows(list, "https://a.example"), "https://a.example");
    assert_string_equal(cors_allows(list, "http://localhost:3000"), "http://localhost:3000");
    assert_string_equal(cors_allows("*", "https://x"), "*");
}

static void test_request_ids(void **state) {
    (void)state;
    char longest[130], out[REQUEST_ID_MAX + 1], other[REQUEST_ID_MAX + 1];
    memset(longest, 'a', 129);
    longest[129] = '\0';
    assert_false(request_id_is_sane(longest));
    longest[128] = '\0';
    assert_true(request_id_is_sane(longest));
    assert_true(request_id_is_sane("A-z.0_9"));
    static const char *const bad[] = {"", "a b", "a\nb", "a/b", "\xc3\xbc", "a\"", "a;b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(request_id_is_sane(bad[i]));
    assert_false(request_id_is_sane(NULL));
    request_id_choose(out, "mine");
    assert_string_equal(out, "mine");
    request_id_choose(out, "not mine");
    request_id_choose(other, NULL);
    assert_true(request_id_is_sane(out) && strlen(out) == 32);
    assert_string_not_equal(out, other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsigned),    cmocka_unit_test(test_number),
        cmocka_unit_test(test_text),        cmocka_unit_test(test_params),
        cmocka_unit_test(test_keys),        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_request_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
