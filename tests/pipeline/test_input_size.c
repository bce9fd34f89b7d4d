/*
 * Results in exactly the input's size: the model's own picture, resized as Pillow does, and nothing
 * else.
 */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "firered.h"
#include "image/resize.h"

static int open_engine(void **state) {
    struct firered_options options = {.model = TEST_DATA "/tiny-edit/model"};
    struct error err = {{0}};
    struct firered *engine;
    if (firered_open(&engine, &options, &err) != STATUS_OK) fail_msg("%s", err.text);
    *state = engine;
    return 0;
}

static int close_engine(void **state) {
    firered_close(*state);
    return 0;
}

static struct picture make_picture(int width, int height) {
    struct picture p = {width, height, malloc((size_t)width * (size_t)height * 3)};
    assert_non_null(p.rgb);
    for (int i = 0; i < width * height * 3; i++) p.rgb[i] = (uint8_t)(i * 7);
    return p;
}

static struct firered_edit edit_of(struct firered *engine, const struct picture *pictures,
                                   size_t count) {
    struct firered_edit edit = {.pictures = pictures, .picture_count = count, .prompt = "night"};
    firered_edit_defaults(engine, &edit);
    edit.steps = 1;
    edit.guidance_scale = 1;
    edit.seed = 5;
    return edit;
}

static struct picture run(struct firered *engine, const struct firered_edit *edit) {
    struct firered_result result;
    struct error err = {{0}};
    if (firered_edit_run(engine, edit, &result, &err) != STATUS_OK) fail_msg("%s", err.text);
    return result.picture;
}

/* The last of the pictures gives the size. */
static void check(struct firered *engine, const struct picture *pictures, size_t count) {
    const struct picture *last = &pictures[count - 1];
    struct firered_edit edit = edit_of(engine, pictures, count);
    struct picture models = run(engine, &edit), wanted;
    assert_int_equal(
        picture_resize(&wanted, &models, last->width, last->height, RESAMPLE_LANCZOS, NULL),
        STATUS_OK);
    edit.input_size = true;
    struct picture got = run(engine, &edit);
    assert_int_equal(got.width, last->width);
    assert_int_equal(got.height, last->height);
    assert_memory_equal(got.rgb, wanted.rgb, (size_t)got.width * (size_t)got.height * 3);
    picture_free(&got);
    picture_free(&wanted);
    picture_free(&models);
}

static void test_any_size(void **state) {
    static const int sizes[][2] = {{333, 517}, {517, 333}, {64, 2000}, {1, 1}, {3, 2}, {1, 200}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct picture p = make_picture(sizes[i][0], sizes[i][1]);
        check(*state, &p, 1);
        picture_free(&p);
    }
}

static void test_the_models_own_size(void **state) {
    struct picture small = make_picture(7, 5);
    struct firered_edit edit = edit_of(*state, &small, 1);
    struct picture same = run(*state, &edit);
    check(*state, &same, 1);
    picture_free(&same);
    picture_free(&small);
}

static void test_last_of_several(void **state) {
    struct picture pictures[] = {make_picture(90, 60), make_picture(61, 101)};
    check(*state, pictures, 2);
    for (int i = 0; i < 2; i++) picture_free(&pictures[i]);
}

static void test_plan(void **state) {
    struct picture small = {.width = 333, .height = 517}, large = {.width = 9001, .height = 7001};
    struct firered_edit edit = edit_of(*state, &small, 1);
    int width, height;
    uint64_t without, with;
    edit.input_size = true;
    assert_int_equal(firered_edit_plan(*state, &edit, &width, &height, &with, NULL), STATUS_OK);
    assert_true(width == 333 && height == 517);
    edit.pictures = &large;
    assert_int_equal(firered_edit_plan(*state, &edit, &width, &height, &with, NULL), STATUS_OK);
    assert_true(width == 9001 && height == 7001);
    edit.input_size = false;
    assert_int_equal(firered_edit_plan(*state, &edit, &width, &height, &without, NULL), STATUS_OK);
    assert_true(width < 2048 && height < 2048);
    assert_true(with > without && with > (uint64_t)9001 * 7001 * 3);
}

static void test_one_size_only(void **state) {
    struct picture p = {.width = 64, .height = 64};
    struct firered_edit edit = edit_of(*state, &p, 1);
    struct error err = {{0}};
    int width, height;
    uint64_t bytes;
    edit.input_size = true;
    edit.width = edit.height = 64;
    assert_int_equal(firered_edit_plan(*state, &edit, &width, &height, &bytes, &err),
                     STATUS_INVALID);
    assert_non_null(strstr(err.text, "exclude each other"));
}

/* 200 to 1, and no pixel more. */
static void test_longest_shapes(void **state) {
    static const int sizes[][2] = {{200, 1}, {400, 2}, {201, 1}, {401, 2}, {1, 201}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct picture p = {.width = sizes[i][0], .height = sizes[i][1]};
        struct firered_edit edit = edit_of(*state, &p, 1);
        struct error err = {{0}};
        int width, height;
        uint64_t bytes;
        assert_int_equal(firered_edit_plan(*state, &edit, &width, &height, &bytes, &err),
                         i < 2 ? STATUS_OK : STATUS_INVALID);
        if (i >= 2) assert_non_null(strstr(err.text, "at most 200 times the other"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_size),        cmocka_unit_test(test_the_models_own_size),
        cmocka_unit_test(test_last_of_several), cmocka_unit_test(test_plan),
        cmocka_unit_test(test_one_size_only),   cmocka_unit_test(test_longest_shapes),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
