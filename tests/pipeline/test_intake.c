/*
 * Pictures on their way in: the engine asks for each one's pixels when its turn comes, has one at a
 * time, and makes the same picture of them as of pixels that were there.
 */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "firered.h"

enum { SIDE = 80, PICTURES = 3 };

static struct firered *engine;

static int open_engine(void **state) {
    (void)state;
    struct firered_options options = {.model = TEST_DATA "/tiny-edit/model", .threads = 2};
    return firered_open(&engine, &options, NULL) == STATUS_OK ? 0 : -1;
}

static int close_engine(void **state) {
    (void)state;
    firered_close(engine);
    return 0;
}

static struct picture picture_of(size_t which) {
    struct picture p = {SIDE, SIDE + 16 * (int)which, NULL};
    size_t bytes = (size_t)p.width * (size_t)p.height * 3;
    p.rgb = malloc(bytes);
    assert_non_null(p.rgb);
    for (size_t i = 0; i < bytes; i++) p.rgb[i] = (uint8_t)(i * (which + 3) / 7);
    return p;
}

struct source {
    struct picture sides[PICTURES];
    size_t asked[8], count;
    size_t fail_at;      /* a picture; PICTURES: none */
    enum status fail_as; /* STATUS_OK: it is one row too small */
    size_t stop_after;   /* so many were read; 0: never */
};

static enum status read(void *arg, size_t which, struct picture *out, struct error *err) {
    struct source *s = arg;
    s->asked[s->count++] = which;
    if (which == s->fail_at && s->fail_as != STATUS_OK)
        return fail(err, s->fail_as, "picture %zu is gone", which);
    *out = picture_of(which);
    if (which == s->fail_at) out->height--;
    return STATUS_OK;
}

static bool stopped(void *arg) {
    const struct source *s = arg;
    return s->stop_after && s->count >= s->stop_after;
}

static struct firered_edit edit_of(struct source *s) {
    *s = (struct source){.fail_at = PICTURES};
    for (size_t i = 0; i < PICTURES; i++)
        s->sides[i] = (struct picture){SIDE, SIDE + 16 * (int)i, NULL};
    return (struct firered_edit){.pictures = s->sides,
                                 .picture_count = PICTURES,
                                 .read = read,
                                 .prompt = "a red hat",
                                 .guidance_scale = 1,
                                 .steps = 1,
                                 .width = 64,
                                 .height = 64,
                                 .cancelled = stopped,
                                 .arg = s};
}

static void test_one_after_the_other(void **state) {
    (void)state;
    struct source s;
    struct error err = {{0}};
    struct firered_edit edit = edit_of(&s);
    struct firered_result read_by_it, given;
    assert_int_equal(firered_edit_run(engine, &edit, &read_by_it, &err), STATUS_OK);
    assert_int_equal(s.count, PICTURES);
    for (size_t i = 0; i < PICTURES; i++) assert_int_equal(s.asked[i], i);
    for (size_t i = 0; i < PICTURES; i++) s.sides[i] = picture_of(i);
    assert_int_equal(firered_edit_run(engine, &edit, &given, &err), STATUS_OK);
    assert_int_equal(s.count, PICTURES); /* what is there is not asked for */
    assert_memory_equal(read_by_it.picture.rgb, given.picture.rgb, 64 * 64 * 3);
    picture_free(&read_by_it.picture);
    picture_free(&given.picture);
    for (size_t i = 0; i < PICTURES; i++) picture_free(&s.sides[i]);
}

static void test_failures(void **state) {
    (void)state;
    static const enum status ways[] = {STATUS_INVALID, STATUS_CANCELLED, STATUS_OK};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct source s;
        struct error err = {{0}};
        struct firered_edit edit = edit_of(&s);
        struct firered_result result;
        s.fail_at = 1;
        s.fail_as = ways[i];
        enum status got = firered_edit_run(engine, &edit, &result, &err);
        assert_int_equal(got, ways[i] == STATUS_OK ? STATUS_INTERNAL : ways[i]);
        assert_non_null(strstr(err.text, ways[i] == STATUS_OK
                                             ? "picture 2 is 80x95, and was planned as 80x96"
                                             : "picture 1 is gone"));
        assert_int_equal(s.count, 2);
        assert_null(result.picture.rgb);
    }
    struct source s;
    struct error err = {{0}};
    struct firered_edit edit = edit_of(&s);
    struct firered_result result;
    s.stop_after = 2; /* cancelled between two pictures */
    assert_int_equal(firered_edit_run(engine, &edit, &result, &err), STATUS_CANCELLED);
    assert_int_equal(s.count, 2);
    edit.read = NULL; /* nobody has the pixels */
    assert_int_equal(firered_edit_run(engine, &edit, &result, &err), STATUS_CANCELLED);
    s.stop_after = 0;
    assert_int_equal(firered_edit_run(engine, &edit, &result, &err), STATUS_INTERNAL);
    assert_string_equal(err.text, "picture 1 has no pixels");
}

static uint64_t planned(struct firered_edit *edit) {
    int width, height;
    uint64_t bytes = 0;
    assert_int_equal(firered_edit_plan(engine, edit, &width, &height, &bytes, NULL), STATUS_OK);
    return bytes;
}

/* The largest picture that is read counts, where reading takes more than all that comes after; one
 * that the caller has does not. */
static void test_reading_is_planned(void **state) {
    (void)state;
    struct source s;
    struct firered_edit edit = edit_of(&s);
    uint64_t little = planned(&edit);
    edit.read_bytes = little / 2;
    assert_true(planned(&edit) == little);
    edit.read_bytes = 500000000;
    assert_in_range(planned(&edit), 500000000, 501000000);
    edit.read_bytes = 0;
    s.sides[1] = (struct picture){8000, 8000, NULL};
    assert_in_range(planned(&edit), 192000000, 230000000);
    uint8_t pixel;
    s.sides[1].rgb = &pixel;
    assert_true(planned(&edit) < 60000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_reading_is_planned),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
