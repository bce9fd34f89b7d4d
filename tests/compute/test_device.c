/* Which device is chosen, and what is said about it. */
#include "support/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "compute/device.h"

static int asked_for; /* the number of the card that was made last; -1: none */

static enum status no_card(int index, struct error *what) {
    return fail(what, STATUS_INVALID, "there is no card %d", index);
}

static enum status two_cards(int index, struct error *what) {
    if (index > 1) return no_card(index, what);
    *what = (struct error){"a fine card"};
    return STATUS_OK;
}

static enum status make(struct compute **out, int index, const struct compute_options *options,
                        struct error *err) {
    (void)out;
    (void)options;
    (void)err;
    asked_for = index;
    return STATUS_OK;
}

static const struct device_kind without_card[] = {
    {.name = "gpu", .probe = no_card, .create = make},
    {.name = "cpu", .probe = cpu_probe, .create = cpu_create}};
static const struct device_kind with_cards[] = {
    {.name = "gpu", .probe = two_cards, .create = make},
    {.name = "cpu", .probe = cpu_probe, .create = cpu_create}};

static void test_auto_takes_what_can_be_used_and_says_why(void **state) {
    (void)state;
    struct compute *c;
    FILE *lines = tmpfile();
    assert_non_null(lines);
    const struct log log = {.min_level = LOG_INFO, .fd = fileno(lines)};
    const struct compute_options options = {.device = "auto", .threads = 1, .log = &log};
    char text[1024] = "";
    assert_int_equal(device_create(without_card, 2, &c, &options, NULL), STATUS_OK);
    assert_string_equal(compute_device(c), "cpu");
    compute_destroy(c);
    rewind(lines);
    assert_non_null(fgets(text, sizeof text, lines));
    assert_non_null(strstr(text, "device=cpu"));
    assert_non_null(strstr(text, "there is no card 0"));
    assert_null(fgets(text, sizeof text, lines));
    fclose(lines);

    asked_for = -1;
    assert_int_equal(device_create(with_cards, 2, &c, &(struct compute_options){0}, NULL),
                     STATUS_OK);
    assert_int_equal(asked_for, 0);
}

static void test_a_named_device_is_never_replaced(void **state) {
    (void)state;
    static const struct {
        const char *device, *why;
    } refused[] = {{"gpu", "there is no card 0"},     {"gpu:1", "there is no card 1"},
                   {"cpu:1", "one device cpu"},       {"gpu:", "no device \"gpu:\""},
                   {"gpu:x", "no device \"gpu:x\""},  {"gp", "no device \"gp\""},
                   {"gpu:1:2", "no device \"gpu:1:"}, {"", "no device \"\""}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct compute *c;
        struct error err = {{0}};
        const struct compute_options options = {.device = refused[i].device};
        asked_for = -1;
        assert_int_equal(device_create(without_card, 2, &c, &options, &err), STATUS_INVALID);
        assert_null(c);
        assert_non_null(strstr(err.text, refused[i].why));
        assert_int_equal(asked_for, -1);
    }
}

static void test_one_of_several_cards(void **state) {
    (void)state;
    struct compute *c;
    asked_for = -1;
    assert_int_equal(
        device_create(with_cards, 2, &c, &(struct compute_options){.device = "gpu:1"}, NULL),
        STATUS_OK);
    assert_int_equal(asked_for, 1);
}

/* Whatever was built, and whatever card is here. */
static void test_cuda_is_never_another_device(void **state) {
    (void)state;
    struct compute *c;
    struct error err = {{0}};
    enum status s = compute_create(&c, &(struct compute_options){.device = "cuda"}, &err);
    if (s == STATUS_OK) {
        assert_string_equal(compute_device(c), "cuda");
        compute_destroy(c);
        return;
    }
    assert_int_equal(s, STATUS_INVALID);
    assert_true(strstr(err.text, "NVIDIA") ||
                strstr(err.text, "no CUDA backend; use the device cpu or auto"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_takes_what_can_be_used_and_says_why),
        cmocka_unit_test(test_a_named_device_is_never_replaced),
        cmocka_unit_test(test_one_of_several_cards),
        cmocka_unit_test(test_cuda_is_never_another_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
