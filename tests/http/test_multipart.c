/* The multipart parser: the same parts however the body is cut, and nothing forgiven. */
#include "support/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "http/limits.h"
#include "http/multipart.h"

/* Everything that the handler heard, as text: [name|filename]data. */
struct heard {
    struct buffer text;
    int open;
    const char *fail_at; /* "begin", "data" or "end" */
};

static enum status on_begin(void *arg, const struct multipart_part *part, struct error *err) {
    struct heard *h = arg;
    assert_int_equal(h->open++, 0);
    if (h->fail_at && strcmp(h->fail_at, "begin") == 0)
        return fail(err, STATUS_UNSUPPORTED, "asked for");
    return buffer_printf(&h->text, "[%s|%s]", part->name, part->filename ? part->filename : "-");
}

static enum status on_data(void *arg, const char *bytes, size_t size, struct error *err) {
    struct heard *h = arg;
    assert_int_equal(h->open, 1);
    assert_true(size > 0);
    if (h->fail_at && strcmp(h->fail_at, "data") == 0)
        return fail(err, STATUS_UNSUPPORTED, "asked for");
    return buffer_append(&h->text, bytes, size, err);
}

static enum status on_end(void *arg, struct error *err) {
    struct heard *h = arg;
    assert_int_equal(h->open--, 1);
    if (h->fail_at && strcmp(h->fail_at, "end") == 0)
        return fail(err, STATUS_UNSUPPORTED, "asked for");
    return STATUS_OK;
}

/* Feeds the body in pieces that end at `cut` and then every `step` bytes. */
static enum status parse(const char *body, size_t size, size_t cut, size_t step, struct heard *h,
                         struct error *err) {
    struct multipart *m;
    struct multipart_handler handler = {on_begin, on_data, on_end, h};
    assert_int_equal(multipart_create(&m, "XbX", &handler, err), STATUS_OK);
    enum status s = STATUS_OK;
    for (size_t at = 0; at < size && s == STATUS_OK;) {
        size_t n = at == 0 && cut ? cut : step;
        if (n > size - at) n = size - at;
        char *piece = malloc(n); /* exactly as long: a sanitizer sees a step beyond it */
        assert_non_null(piece);
        memcpy(piece, body + at, n);
        s = multipart_feed(m, piece, n, err);
        free(piece);
        at += n;
    }
    if (s == STATUS_OK) s = multipart_finish(m, err);
    if (s != STATUS_OK) { /* it stays failed */
        struct error again = {"?"};
        assert_int_equal(multipart_finish(m, &again) == STATUS_OK, 0);
    }
    multipart_destroy(m);
    return s;
}

static const char good[] = "--XbX\r\nContent-Disposition: form-data; "
                           "name=\"a\"\r\n\r\n1\r\n-\r\n--\r\n--Xb\r\n\r\n--Xb!\r\r\n"
                           "\r\n--XbX \t\r\ncontent-disposition:form-data; "
                           "filename=\"p\\\"q.png\"; name=b\r\nContent-Type: image/png\r\n"
                           "Content-Transfer-Encoding: binary\r\nX-Other: y\r\n\r\n\r\n--XbX\r\n"
                           "Content-Disposition: form-data; name=c; "
                           "filename=\"\"\r\n\r\n\n--XbX\n\r\n--XbX--\r\nepilogue --XbX nothing";
static const char good_heard[] =
    "[a|-]1\r\n-\r\n--\r\n--Xb\r\n\r\n--Xb!\r\r\n[b|p\"q.png][c|]\n--XbX\n";

static void test_cut_everywhere(void **state) {
    (void)state;
    for (size_t step = 1; step < sizeof good; step++) {
        struct heard h = {0};
        struct error err = {""};
        if (parse(good, sizeof good - 1, 0, step, &h, &err) != STATUS_OK)
            fail_msg("step %zu: %s", step, err.text);
        assert_string_equal(h.text.data, good_heard);
        buffer_free(&h.text);
    }
    for (size_t cut = 1; cut < sizeof good - 1; cut++) {
        struct heard h = {0};
        assert_int_equal(parse(good, sizeof good - 1, cut, sizeof good, &h, NULL), STATUS_OK);
        assert_string_equal(h.text.data, good_heard);
        buffer_free(&h.text);
    }
}

/* RFC 2046 5.1.1; what looks like the boundary begins no line. */
static void test_text_before_the_first_boundary(void **state) {
    (void)state;
    static const char *const before[] = {
        "\r\n",       "\r\n\r\n",    "This is a message in MIME format.\r\n",
        "\r\r\n",     "-\r\n",       "--Xb\r\n--XbY\r\n",
        " --XbX\r\n", "\n--XbX\r\n", "\r\n--Xb\r\n"};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        struct buffer body = {0};
        buffer_printf(&body, "%s%s", before[i], good);
        for (size_t step = 1; step < 40; step++) {
            struct heard h = {0};
            struct error err = {""};
            if (parse(body.data, body.size, 0, step, &h, &err) != STATUS_OK)
                fail_msg("'%s': %s", before[i], err.text);
            assert_string_equal(h.text.data, good_heard);
            buffer_free(&h.text);
        }
        buffer_free(&body);
    }
}

static void test_ends_everywhere(void **state) {
    (void)state;
    size_t whole = (size_t)(strstr(good, "--XbX--") - good) + 7; /* what follows is not needed */
    for (size_t size = 0; size < sizeof good; size++) {
        struct heard h = {0};
        struct error err = {""};
        enum status s = parse(good, size, 0, 7, &h, &err);
        assert_int_equal(s, size < whole ? STATUS_INVALID : STATUS_OK);
        assert_true(s == STATUS_OK || strlen(err.text) > 0);
        buffer_free(&h.text);
    }
}

static void test_malformed(void **state) {
    (void)state;
#define PART "--XbX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1"
    static const char *const bad[] = {
        "preamble, and no boundary",
        "--XbY\r\n",
        "-XbX\r\n",
        PART "\r\n--XbX-\r\n",
        PART "\r\n--XbXX\r\n",
        PART "\r\n--XbX\n",
        PART "\r\n--XbX\rX",
        PART "\n--XbX--",
        "--XbX\nContent-Disposition: form-data; name=\"a\"\n\n1\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data; name=\"a\"\nX: y\r\n\r\n1\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data; name=\"a\"\r\n folded\r\n\r\n1\r\n--XbX--",
        "--XbX\r\n\r\n1\r\n--XbX--",
        "--XbX\r\nX: y\r\n\r\n1\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data\r\n\r\n1\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n1\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n1\r\n--XbX--",
        "--XbX\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-dataX; name=a\r\n\r\n1\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; "
        "name=b\r\n\r\n1\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: "
        "base64\r\n\r\nMQ==\r\n--XbX--",
        "--XbX\r\nno colon\r\n\r\n1\r\n--XbX--",
        "--XbX\r\n: y\r\n\r\n1\r\n--XbX--",
        "--XbX\r\nBad Name: y\r\n\r\n1\r\n--XbX--",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t step = 1; step < 60; step += 6) {
            struct heard h = {0};
            struct error err = {""};
            if (parse(bad[i], strlen(bad[i]), 0, step, &h, &err) != STATUS_INVALID)
                fail_msg("took: %s", bad[i]);
            assert_true(strlen(err.text) > 0);
            buffer_free(&h.text);
        }
    static const char nul[] =
        "--XbX\r\nContent-Disposition: form-data; name=a\r\nX: \0\r\n\r\n1\r\n--XbX--";
    struct heard h = {0};
    assert_int_equal(parse(nul, sizeof nul - 1, 0, 5, &h, NULL), STATUS_INVALID);
    buffer_free(&h.text);
}

static void test_bounds(void **state) {
    (void)state;
    struct buffer body = {0};
    struct heard h = {0};
    buffer_printf(&body, "--XbX\r\nX-Long: ");
    for (int i = 0; i < MAX_PART_HEADER_BYTES; i++) buffer_append(&body, "y", 1, NULL);
    assert_int_equal(parse(body.data, body.size, 0, 1000, &h, NULL), STATUS_INVALID);
    buffer_free(&body);
    for (int i = 0; i <= MAX_PARTS; i++)
        buffer_printf(&body, "--XbX\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n");
    buffer_printf(&body, "--XbX--");
    assert_int_equal(parse(body.data, body.size, 0, 1000, &h, NULL), STATUS_INVALID);
    buffer_free(&body);
    buffer_printf(&body, "--XbX\r\nContent-Disposition: form-data; name=%0*d\r\n\r\n\r\n--XbX--",
                  MAX_PART_NAME_BYTES, 0);
    assert_int_equal(parse(body.data, body.size, 0, 1000, &h, NULL), STATUS_OK);
    buffer_free(&body);
    buffer_printf(&body, "--XbX\r\nContent-Disposition: form-data; name=%0*d\r\n\r\n\r\n--XbX--",
                  MAX_PART_NAME_BYTES + 1, 0);
    assert_int_equal(parse(body.data, body.size, 0, 1000, &h, NULL), STATUS_INVALID);
    buffer_free(&body);
    buffer_free(&h.text);
}

static void test_handler_errors(void **state) {
    (void)state;
    static const char *const where[] = {"begin", "data", "end"};
    for (int i = 0; i < 3; i++) {
        struct heard h = {.fail_at = where[i]};
        struct error err;
        assert_int_equal(parse(good, sizeof good - 1, 0, 11, &h, &err), STATUS_UNSUPPORTED);
        assert_string_equal(err.text, "asked for");
        buffer_free(&h.text);
    }
}

static void test_boundary(void **state) {
    (void)state;
    char b[MULTIPART_MAX_BOUNDARY + 1], type[200];
    assert_int_equal(multipart_boundary(b, "multipart/form-data; boundary=abc", NULL), STATUS_OK);
    assert_string_equal(b, "abc");
    assert_int_equal(
        multipart_boundary(b, "Multipart/Form-Data;charset=utf-8; Boundary=\"a b:c\"", NULL),
        STATUS_OK);
    assert_string_equal(b, "a b:c");
    snprintf(type, sizeof type, "multipart/form-data; boundary=%070d", 0);
    assert_int_equal(multipart_boundary(b, type, NULL), STATUS_OK);
    snprintf(type, sizeof type, "multipart/form-data; boundary=%071d", 0);
    assert_int_equal(multipart_boundary(b, type, NULL), STATUS_INVALID);
    static const char *const bad[] = {"multipart/form-data",
                                      "multipart/form-data;",
                                      "multipart/form-data; boundary=",
                                      "multipart/form-data; boundary=\"\"",
                                      "multipart/form-data; boundary=\"a \"",
                                      "multipart/form-data; boundary=a; boundary=b",
                                      "multipart/form-data; boundary=\"a",
                                      "multipart/form-data; boundary=a@b",
                                      "multipart/form-data; boundary=a\xc3\xbc"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(multipart_boundary(b, bad[i], NULL), STATUS_INVALID);
    static const char *const other[] = {NULL,
                                        "",
                                        "application/json",
                                        "multipart/form-dataX; boundary=a",
                                        "multipart/mixed; boundary=a",
                                        "application/x-www-form-urlencoded"};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        assert_int_equal(multipart_boundary(b, other[i], NULL), STATUS_UNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_text_before_the_first_boundary),
        cmocka_unit_test(test_ends_everywhere),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_handler_errors),
        cmocka_unit_test(test_boundary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
