/*
 * A sentence is printable whatever it quotes, and is cut between characters.
 */
#include "support/unit_test.h"

#include <string.h>

#include "firered/status.h"

static void test_text(void **state) {
    (void)state;
    struct error err;
    assert_int_equal(fail(&err, STATUS_IO, "cannot open %s: %d", "caf\xc3\xa9", 5), STATUS_IO);
    assert_string_equal(err.text, "cannot open caf\xc3\xa9: 5");
    assert_int_equal(fail(NULL, STATUS_INVALID, "%s", "nobody listens"), STATUS_INVALID);
}

static void test_hostile_text(void **state) {
    (void)state;
    struct error err;
    fail(&err, STATUS_INVALID, "%s", "a\nb\x1b[2K\x7f \xff\xc3");
    assert_string_equal(err.text, "a?b?[2K? ??");
    fail(&err, STATUS_INVALID, "%s",
         "\xc2\x80 \xc2\x9b"
         "31m \xc2\x9f \xc2\xa0");
    assert_string_equal(err.text, "?? ??31m ?? \xc2\xa0");
}

static void test_cut(void **state) {
    (void)state;
    struct error err;
    char big[2000];
    for (size_t from = 0; from < 4;
         from++) { /* a three-byte character across the end, in every way */
        memset(big, 'x', sizeof big);
        for (size_t i = sizeof err.text - 8 + from; i + 3 < sizeof big; i += 3)
            memcpy(big + i, "\xe2\x82\xac", 3);
        big[sizeof big - 1] = '\0';
        fail(&err, STATUS_INVALID, "%s", big);
        size_t n = strlen(err.text);
        assert_int_equal(n, sizeof err.text - 1);
        assert_true(err.text[n - 1] == '?' || (err.text[n - 1] & 0xc0) == 0x80);
        if (err.text[n - 1] != '?') assert_memory_equal(err.text + n - 3, "\xe2\x82\xac", 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text),
                                       cmocka_unit_test(test_hostile_text),
                                       cmocka_unit_test(test_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
