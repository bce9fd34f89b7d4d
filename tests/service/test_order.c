/* Orders as data: what their files are counted in, and the rules that they are filled in by. */
#include "support/unit_test.h"

#include <string.h>

#include "service/edit_rules.h"
#include "service/order.h"

static struct edit_order order_in(struct upload_budget *budget) {
    struct edit_order order = {.file_count = 1,
                               .budget = budget,
                               .prompt = strdup("night"),
                               .negative_prompt = strdup(" "),
                               .steps = 3,
                               .seed = 7};
    assert_true(edit_order_hold(&order, 5));
    assert_int_equal(buffer_append(&order.files[0], "bytes", 5, NULL), STATUS_OK);
    return order;
}

static void test_files_are_counted_while_held(void **state) {
    (void)state;
    struct upload_budget budget = {.max_bytes = 12};
    struct edit_order order = order_in(&budget), copy, second;
    assert_true(edit_order_copy(&copy, &order));
    assert_int_equal(upload_budget_held(&budget), 10);
    assert_string_equal(copy.prompt, "night");
    assert_ptr_not_equal(copy.prompt, order.prompt);
    assert_memory_equal(copy.files[0].data, "bytes", 5);
    assert_false(edit_order_copy(&second, &order)); /* 15 bytes were too many */
    assert_int_equal(upload_budget_held(&budget), 10);
    edit_order_free(&second);
    assert_false(edit_order_hold(&order, 3));
    assert_true(edit_order_hold(&order, 2));
    edit_order_free_files(&order);
    assert_int_equal(upload_budget_held(&budget), 5);
    assert_null(order.files[0].data);
    assert_int_equal(order.file_count, 1);
    edit_order_free(&order);
    edit_order_free(&copy);
    assert_int_equal(upload_budget_held(&budget), 0);
}

static void test_no_budget(void **state) {
    (void)state;
    struct edit_order order = order_in(NULL);
    assert_true(edit_order_hold(&order, UINT64_MAX / 2));
    edit_order_free(&order);
}

static void test_rules(void **state) {
    (void)state;
    struct config config = {.default_guidance = -1, .max_steps = 50, .max_image_pixels = 1000};
    struct firered_info info = {.default_steps = 4, .default_guidance_scale = 2.5};
    struct edit_rules r = edit_rules_of("name", &info, &config);
    assert_string_equal(r.model, "name");
    assert_int_equal(r.max_steps, 50);
    assert_int_equal(r.max_image_pixels, 1000);
    assert_int_equal(r.steps, 4);
    assert_true(r.guidance_scale == 2.5);
    assert_false(r.fixed_guidance);
    assert_string_equal(r.negative_prompt, " ");

    config.default_steps = 9; /* settings go before the model's own */
    config.default_guidance = 0;
    config.negative_prompt = (char[]){"blurry"};
    r = edit_rules_of("name", &info, &config);
    assert_int_equal(r.steps, 9);
    assert_true(r.guidance_scale == 0);
    assert_string_equal(r.negative_prompt, "blurry");

    info.distilled = true; /* but not before what a distilled model needs */
    config.default_guidance = 5;
    r = edit_rules_of("name", &info, &config);
    assert_true(r.guidance_scale == 1);
    assert_true(r.fixed_guidance);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_counted_while_held),
        cmocka_unit_test(test_no_budget),
        cmocka_unit_test(test_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
