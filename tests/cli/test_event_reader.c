/* Server-sent events, however their bytes are cut. */
#include "support/unit_test.h"

#include <string.h>

#include "cli/event_reader.h"

static struct buffer received;
static int left; /* events until `event` has enough; negative: never */

static bool event(void *arg, const char *name, const char *data) {
    (void)arg;
    assert_int_equal(buffer_printf(&received, "%s=%s;", name, data), STATUS_OK);
    return left < 0 || --left > 0;
}

static const char stream[] = ": hello\n"
                             "\n"
                             "event: stage\r\n"
                             "data: {\"stage\":\"encode\"}\r\n"
                             "\r\n"
                             "id: 7\n"
                             "data:one\n"
                             "data: two\n"
                             "\n"
                             "event: empty\n"
                             "\n"
                             "data: cut off";
static const char expected[] = "stage={\"stage\":\"encode\"};message=one\ntwo;";

static void cut_anywhere(void **state) {
    (void)state;
    for (size_t piece = 1; piece < sizeof stream; piece++) {
        struct event_reader r = {.event = event};
        left = -1;
        for (size_t at = 0; at < strlen(stream); at += piece) {
            size_t n = strlen(stream) - at < piece ? strlen(stream) - at : piece;
            assert_true(event_reader_feed(&r, stream + at, n));
        }
        assert_string_equal(received.data, expected);
        buffer_free(&received);
        event_reader_free(&r);
    }
}

static void ends_when_told(void **state) {
    (void)state;
    struct event_reader r = {.event = event};
    left = 1;
    assert_false(event_reader_feed(&r, stream, strlen(stream)));
    assert_string_equal(received.data, "stage={\"stage\":\"encode\"};");
    buffer_free(&received);
    event_reader_free(&r);
}

static void is_bounded(void **state) {
    (void)state;
    struct event_reader r = {.event = event};
    char line[1024];
    memset(line, 'x', sizeof line);
    memcpy(line, "data:", 5);
    line[sizeof line - 1] = '\n';
    size_t taken = 0;
    while (event_reader_feed(&r, line, sizeof line)) taken += sizeof line;
    assert_true(taken <= EVENT_LIMIT + EVENT_LIMIT / 100); /* the fields' names are not kept */
    assert_true(taken > EVENT_LIMIT - 8 * sizeof line);
    event_reader_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(ends_when_told),
        cmocka_unit_test(is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
