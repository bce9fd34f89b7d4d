/* The small strict readers of headers: parameters, keys, origins, request ids. */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "http/auth.h"
#include "http/params.h"
#include "http/reply.h"
#include "service/request_id.h"

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

/* Nothing that ends a header or steers a terminal; what is not ASCII only where it is text. */
static void test_values_of_replies(void **state) {
    (void)state;
    static const struct {
        const char *given, *plain, *text;
    } cases[] = {{"a b", "a b", "a b"},
                 {"f\xc3\xbcr \xe2\x82\xac", "f__r ___", "f\xc3\xbcr \xe2\x82\xac"},
                 {"a\r\nB: c\x7f\x1b", "a__B: c__", "a__B: c__"},
                 {"\xc2\x85\xc2\x9b", "____", "____"}, /* controls too */
                 {"\xff\xc3", "__", "__"}};
    struct reply r = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply_header(&r, "A", "%s", cases[i].given);
        reply_text_header(&r, "B", cases[i].given);
        assert_string_equal(r.headers[2 * i].value, cases[i].plain);
        assert_string_equal(r.headers[2 * i + 1].value, cases[i].text);
    }
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

static void test_hosts(void **state) {
    (void)state;
    static const char list[] = "localhost, Edit.example.org.,127.0.0.1,::1,[fe80::2]";
    static const char *const good[] = {
        "localhost",        "LOCALHOST:7000",     "localhost.",     "localhost.:80",
        "edit.example.org", "edit.EXAMPLE.org:1", "127.0.0.1:7000", "[::1]",
        "[::1]:7000",       "[FE80::2]:1",        "fe80::2"};
    static const char *const bad[] = {"",
                                      "evil.example",
                                      "localhost.evil.example",
                                      "xlocalhost",
                                      "localhos",
                                      "[::2]",
                                      "::",
                                      "127.0.0.1.evil.example",
                                      "evil@localhost",
                                      "localhost:x",
                                      "[::1",
                                      "[::1]x",
                                      "[localhost",
                                      "localhost,",
                                      "localhost:80:80",
                                      ".",
                                      ":80",
                                      "[]",
                                      "127.0.0.2"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!host_allowed(list, good[i])) fail_msg("refused %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (host_allowed(list, bad[i])) fail_msg("took %s", bad[i]);
    assert_false(host_allowed(list, NULL));
    assert_true(host_allowed(NULL, "evil.example") && host_allowed(NULL, NULL));
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

static void test_cross_site(void **state) {
    (void)state;
    static const char *const evil = "https://evil.example", *const host = "edit.example:8000";
    assert_true(is_cross_site(NULL, "cross-site", evil, host));
    assert_true(is_cross_site(NULL, "same-site", "http://other.example", host));
    assert_true(is_cross_site(NULL, "cross-site", NULL, host));
    assert_true(is_cross_site(NULL, NULL, evil, host));
    assert_true(is_cross_site(NULL, NULL, "null", host));
    assert_true(is_cross_site(NULL, NULL, "http://edit.example", host)); /* another port */
    assert_true(is_cross_site(NULL, NULL, "http://edit.example:8000.evil", host));
    assert_true(is_cross_site("https://a.example", "cross-site", evil, host));
    assert_false(is_cross_site(NULL, "same-origin", "http://edit.example:8000", host));
    assert_false(is_cross_site(NULL, "none", NULL, host));
    assert_false(is_cross_site(NULL, NULL, NULL, host));
    assert_false(is_cross_site(NULL, NULL, "http://Edit.example:8000", host));
    assert_false(is_cross_site("https://evil.example", "cross-site", evil, host));
    assert_false(is_cross_site("null", NULL, "null", host));
    assert_false(is_cross_site("*", "cross-site", evil, host));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cross_site),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_values_of_replies),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_request_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
