/*
 * What becomes of an edit when the device fails at any point of it, and of the edits after it.
 */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "pipeline/engine.h"
#include "support/faulty_device.h"

static struct firered *open_engine(void) {
    struct firered_options options = {.model = TEST_DATA "/tiny-edit/model", .threads = 1};
    struct error err = {{0}};
    struct firered *engine;
    if (firered_open(&engine, &options, &err) != STATUS_OK) fail_msg("%s", err.text);
    return engine;
}

static enum status edit(struct firered *engine, struct firered_result *result, struct error *err) {
    enum { SIDE = 64 };
    static uint8_t grey[SIDE * SIDE * 3];
    memset(grey, 128, sizeof grey);
    const struct picture picture = {SIDE, SIDE, grey};
    struct firered_edit edit = {.pictures = &picture,
                                .picture_count = 1,
                                .prompt = "night",
                                .guidance_scale = 4,
                                .steps = 1,
                                .seed = 3,
                                .width = SIDE,
                                .height = SIDE};
    return firered_edit_run(engine, &edit, result, err);
}

/* Counts what a whole edit asks of the device. */
static int calls_of_an_edit(struct firered *engine, struct firered_result *result) {
    faulty_device_arm(engine->compute, -1, STATUS_OK, NULL);
    assert_int_equal(edit(engine, result, NULL), STATUS_OK);
    faulty_device_disarm(engine->compute);
    return faulty_device_calls();
}

static void test_an_edit_that_the_device_cannot_do(void **state) {
    (void)state;
    struct firered *engine = open_engine();
    struct firered_result wanted, got;
    int calls = calls_of_an_edit(engine, &wanted);
    assert_in_range(calls, 20, 100000);
    for (int at = calls - 1; at >= 0; at -= 1 + calls / 25) { /* the last one, too */
        struct error err = {{0}};
        faulty_device_arm(engine->compute, at, STATUS_INTERNAL, "kernel gemm was refused");
        assert_int_equal(edit(engine, &got, &err), STATUS_INTERNAL);
        faulty_device_disarm(engine->compute);
        assert_string_equal(err.text, "kernel gemm was refused");
        assert_null(got.picture.rgb);
    }
    assert_int_equal(edit(engine, &got, NULL), STATUS_OK);
    assert_memory_equal(got.picture.rgb, wanted.picture.rgb,
                        (size_t)got.picture.width * (size_t)got.picture.height * 3);
    picture_free(&got.picture);
    picture_free(&wanted.picture);
    firered_close(engine);
}

static void test_later_edits_fail_with_the_reason(void **state) {
    (void)state;
    struct firered *engine = open_engine();
    struct firered_result result;
    int calls = calls_of_an_edit(engine, &result);
    picture_free(&result.picture);
    faulty_device_arm(engine->compute, calls / 2, STATUS_DEVICE, "card 0 is gone");
    for (int i = 0; i < 3; i++) {
        struct error err = {{0}};
        assert_int_equal(edit(engine, &result, &err), STATUS_DEVICE);
        assert_string_equal(err.text, "card 0 is gone");
        assert_null(result.picture.rgb);
    }
    assert_int_equal(faulty_device_calls(), calls / 2 + 1);
    faulty_device_disarm(engine->compute);
    firered_close(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_edit_that_the_device_cannot_do),
        cmocka_unit_test(test_later_edits_fail_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
