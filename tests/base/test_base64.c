/* base64_append against RFC 4648's examples, and at the seams between its pieces. */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

static void examples(void **state) {
    (void)state;
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"},
                                          {"\xfb\xff\xfe", "+//+"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer out = {0};
        assert_int_equal(buffer_append(&out, ">", 1, NULL), STATUS_OK);
        assert_int_equal(base64_append(&out, rows[i][0], strlen(rows[i][0]), NULL), STATUS_OK);
        assert_string_equal(out.data + 1, rows[i][1]);
        assert_int_equal(out.size, strlen(rows[i][1]) + 1);
        buffer_free(&out);
    }
}

static int value_of(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return (int)(strchr(digits, c) - digits);
}

/* Lengths around one and two pieces, read back. */
static void long_texts(void **state) {
    (void)state;
    for (size_t n = 12286; n <= 24578; n += n == 12290 ? 12284 : 1) {
        uint8_t *bytes = malloc(n);
        struct buffer out = {0};
        assert_non_null(bytes);
        for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(i * 37 + i / 256);
        assert_int_equal(base64_append(&out, bytes, n, NULL), STATUS_OK);
        assert_int_equal(out.size, (n + 2) / 3 * 4);
        assert_int_equal(out.data[out.size - 1] == '=', n % 3 != 0);
        assert_int_equal(out.data[out.size - 2] == '=', n % 3 == 1);
        for (size_t i = 0; i + 2 < n; i += 3) {
            const char *c = out.data + i / 3 * 4;
            int bits =
                value_of(c[0]) << 18 | value_of(c[1]) << 12 | value_of(c[2]) << 6 | value_of(c[3]);
            assert_int_equal(bits, bytes[i] << 16 | bytes[i + 1] << 8 | bytes[i + 2]);
        }
        buffer_free(&out);
        free(bytes);
    }
}

/* As others write it. */
static void reading(void **state) {
    (void)state;
    static const char *const good[][2] = {{"", ""},
                                          {"Zg==", "f"},
                                          {"Zg", "f"},
                                          {"Zm8=", "fo"},
                                          {"Zm8", "fo"},
                                          {"Zm9v", "foo"},
                                          {"Zm9v\r\nYmFy\n", "foobar"},
                                          {" Zm9v YmE=\t", "fooba"},
                                          {"+//+", "\xfb\xff\xfe"},
                                          {"-__-", "\xfb\xff\xfe"},
                                          {"Zm8\n=", "fo"}};
    static const char *const bad[] = {"Z",           "Zm9vY", "Zm9v=", "Zg=",   "Zg===",
                                      "Zg==Zg==",    "====",  "=",     "Zm9v!", "Zm,v",
                                      "Zm\xc3\xa4v", "Z=g=",  "%Zg="};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char *text = strdup(good[i][0]);
        size_t n;
        if (!base64_decode(text, strlen(text), &n)) fail_msg("refused %s", good[i][0]);
        assert_int_equal(n, strlen(good[i][1]));
        assert_memory_equal(text, good[i][1], n);
        free(text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *text = strdup(bad[i]);
        size_t n;
        if (base64_decode(text, strlen(text), &n)) fail_msg("took %s", bad[i]);
        free(text);
    }
    assert_false(base64_decode((char[]){'Z', '\0', 'm', '8'}, 4, &(size_t){0}));
}

/* What was written is read, whatever its length. */
static void there_and_back(void **state) {
    (void)state;
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 37 + i / 256);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        struct buffer text = {0};
        size_t back;
        assert_int_equal(buffer_append(&text, "", 0, NULL), STATUS_OK);
        assert_int_equal(base64_append(&text, bytes, n, NULL), STATUS_OK);
        assert_true(base64_decode(text.data, text.size, &back));
        assert_int_equal(back, n);
        if (n) assert_memory_equal(text.data, bytes, n);
        buffer_free(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(examples), cmocka_unit_test(long_texts),
                                       cmocka_unit_test(reading), cmocka_unit_test(there_and_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
