/*
 * How much an edit says that it changed: as counted from its result and the last picture, on the way
 * that the picture takes through the model.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "firered.h"
#include "image/quality.h"
#include "image/resize.h"
#include "model/config.h"
#include "pipeline/plan.h"

static const char model[] = TEST_DATA "/tiny-edit/model";

static int open_engine(void **state) {
    struct firered_options options = {.model = model};
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

static struct picture flat(int width, int height, int value) {
    struct picture p = {width, height, malloc((size_t)width * (size_t)height * 3)};
    assert_non_null(p.rgb);
    memset(p.rgb, value, (size_t)width * (size_t)height * 3);
    return p;
}

static struct picture resized(const struct picture *from, int width, int height) {
    struct picture p;
    assert_int_equal(picture_resize(&p, from, width, height, RESAMPLE_LANCZOS, NULL), STATUS_OK);
    return p;
}

/* What is to come: the last picture as the VAE gets it, in the result's size. */
static double expected(const struct picture *result, const struct picture *last) {
    struct edit_config c;
    assert_int_equal(edit_config_load(&c, model, NULL), STATUS_OK);
    assert_false(c.vae_follows_output);
    struct edit_size size = size_for_area(c.vae_area, last->width, last->height);
    struct picture seen = resized(last, size.width, size.height);
    struct picture compared = resized(&seen, result->width, result->height);
    double change = picture_change(result, &compared);
    picture_free(&seen);
    picture_free(&compared);
    return round(change * 1e4) / 1e4;
}

static double check(struct firered *engine, struct firered_edit edit) {
    struct firered_result result;
    struct error err = {{0}};
    firered_edit_defaults(engine, &edit);
    edit.prompt = "night";
    edit.steps = 1;
    edit.guidance_scale = 1;
    if (firered_edit_run(engine, &edit, &result, &err) != STATUS_OK) fail_msg("%s", err.text);
    double wanted = expected(&result.picture, &edit.pictures[edit.picture_count - 1]);
    assert_float_equal(result.change, wanted, 1e-12);
    picture_free(&result.picture);
    return result.change;
}

/* Of a grey from which the tiny model's noise is partly near, partly far. */
static void test_is_measured_at_every_size(void **state) {
    struct picture p = flat(150, 100, 128);
    struct firered_edit edit = {.pictures = &p, .picture_count = 1};
    double own = check(*state, edit);
    print_message("%g of the picture\n", own);
    assert_true(own > 0.05 && own < 1);
    edit.width = 96;
    edit.height = 160;
    check(*state, edit);
    edit.width = edit.height = 0;
    edit.input_size = true;
    check(*state, edit);
    picture_free(&p);
}

static void test_the_last_of_several_counts(void **state) {
    struct picture pictures[] = {flat(64, 64, 110), flat(64, 64, 200)};
    struct firered_edit edit = {.pictures = pictures, .picture_count = 2};
    double change = check(*state, edit);
    struct picture swapped[] = {pictures[1], pictures[0]};
    edit.pictures = swapped;
    assert_true(fabs(check(*state, edit) - change) > 0.0001);
    for (int i = 0; i < 2; i++) picture_free(&pictures[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_measured_at_every_size),
        cmocka_unit_test(test_the_last_of_several_counts),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
