/*
 * The whole pipeline against the recorded runs of the reference implementation: every traced
 * tensor, and the picture. FIRERED_SHOW_TRACE=1 prints each tensor's error.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compute/backend.h"
#include "image/quality.h"
#include "pipeline/edit.h"
#include "pipeline/reference_case.h"
#include "support/device.h"

static const double FLOAT32_TOLERANCE = 2e-4;
static const double INT8_PSNR = 40; /* dB; see docs/decisions/009-int8.md for measured ones */

static struct firered *open_engine(const char *model, enum firered_dtype dtype,
                                   const struct firered_lora *loras, size_t lora_count) {
    char path[1024];
    struct firered *engine;
    struct error err = {{0}};
    snprintf(path, sizeof path, TEST_DATA "/%s/model", model);
    struct firered_options options = {.model = path,
                                      .device = test_device(),
                                      .dtype = dtype,
                                      .loras = loras,
                                      .lora_count = lora_count};
    if (firered_open(&engine, &options, &err) != STATUS_OK) fail_msg("%s", err.text);
    return engine;
}

/* Without a trace the last block leaves out what nobody reads; the picture must not know. */
static void untraced(struct firered *engine, const struct firered_edit *edit,
                     const struct picture *traced) {
    struct firered_result again;
    struct error err = {{0}};
    if (firered_edit_run(engine, edit, &again, &err) != STATUS_OK) fail_msg("%s", err.text);
    assert_int_equal(picture_max_difference(traced, &again.picture), 0);
    picture_free(&again.picture);
}

static void run_float32(const char *model, const char *name, const struct firered_lora *loras,
                        size_t lora_count) {
    char folder[256];
    struct reference_case c;
    struct comparison comparison;
    struct firered_result result;
    struct error err = {{0}};
    snprintf(folder, sizeof folder, "%s/%s", model, name);
    reference_case_open(&c, folder);
    comparison_open(&comparison, &c, FLOAT32_TOLERANCE);
    struct trace trace = comparison_trace(&comparison);
    struct firered *engine = open_engine(model, FIRERED_DTYPE_FLOAT32, loras, lora_count);

    if (edit_run(engine, &c.edit, &result, &trace, &err) != STATUS_OK) fail_msg("%s", err.text);
    double psnr = picture_psnr(&result.picture, &c.output);
    int difference = picture_max_difference(&result.picture, &c.output);
    print_message("%s: %d tensors, worst %s %.1e, picture %.1f dB, max difference %d\n", folder,
                  comparison.compared, comparison.worst_name, comparison.worst, psnr, difference);
    if (comparison.failed) fail_msg("%s", comparison.first);
    assert_int_equal(comparison.compared, (int)safetensors_reader_count(comparison.expected));
    assert_true(psnr >= 60);
    assert_true(difference <= (test_device_is_cuda() ? 1 : 2));
    if (!test_device_is_cuda()) untraced(engine, &c.edit, &result.picture);
    picture_free(&result.picture);
    firered_close(engine);
    comparison_close(&comparison);
    reference_case_close(&c);
}

static void test_one_image_guided(void **state) {
    (void)state;
    run_float32("tiny-edit", "one-image-cfg", NULL, 0);
}

static void test_two_images_unguided(void **state) {
    (void)state;
    run_float32("tiny-edit", "two-images-no-cfg", NULL, 0);
}

static void test_three_images_sized(void **state) {
    (void)state;
    run_float32("tiny-edit", "three-images-size", NULL, 0);
}

static void test_lora_layouts(void **state) {
    (void)state;
    const char *files[] = {TEST_DATA "/tiny-edit/lora_peft.safetensors",
                           TEST_DATA "/tiny-edit/lora_lightx2v.safetensors",
                           TEST_DATA "/tiny-edit/lora_kohya.safetensors"};
    for (int i = 0; i < 3; i++)
        run_float32("tiny-edit", "lora-0.7", &(struct firered_lora){files[i], 0.7}, 1);
}

/* Two adapters add up: 0.3 and 0.4 of the same one are 0.7 of it. */
static void test_lora_several(void **state) {
    (void)state;
    const struct firered_lora loras[] = {{TEST_DATA "/tiny-edit/lora_peft.safetensors", 0.3},
                                         {TEST_DATA "/tiny-edit/lora_kohya.safetensors", 0.4}};
    run_float32("tiny-edit", "lora-0.7", loras, 2);
}

static void test_bfloat16(void **state) {
    (void)state;
    struct reference_case c;
    struct firered_result result;
    struct error err = {{0}};
    reference_case_open(&c, "tiny-edit-bf16-sharded/bf16-zero-cond-t");
    struct comparison comparison;
    comparison_open(
        &comparison, &c,
        0.1); /* bfloat16 has 8 bits; what comes after many layers is off by some percent */
    struct trace trace = comparison_trace(&comparison);
    struct firered *engine = open_engine("tiny-edit-bf16-sharded", FIRERED_DTYPE_AUTO, NULL, 0);
    if (edit_run(engine, &c.edit, &result, &trace, &err) != STATUS_OK) fail_msg("%s", err.text);
    double psnr = picture_psnr(&result.picture, &c.output);
    print_message("bf16: %d tensors, worst %s %.1e, picture %.1f dB\n", comparison.compared,
                  comparison.worst_name, comparison.worst, psnr);
    if (comparison.failed) fail_msg("%s", comparison.first);
    assert_true(psnr >= (test_device_is_cuda() ? 40 : 30));
    picture_free(&result.picture);
    firered_close(engine);
    comparison_close(&comparison);
    reference_case_close(&c);
}

static struct picture edit_in(const struct reference_case *c, const char *model,
                              enum firered_dtype dtype) {
    struct firered_result result;
    struct error err = {{0}};
    struct firered *engine = open_engine(model, dtype, NULL, 0);
    if (firered_edit_run(engine, &c->edit, &result, &err) != STATUS_OK) fail_msg("%s", err.text);
    firered_close(engine);
    return result.picture;
}

/* int8 shares bfloat16's noise and timesteps, so it gives that picture with a little noise of its
 * own, whatever the model was stored as. */
static void test_int8(void **state) {
    (void)state;
    static const struct {
        const char *model, *name;
    } cases[] = {{"tiny-edit", "one-image-cfg"},
                 {"tiny-edit", "two-images-no-cfg"},
                 {"tiny-edit-bf16-sharded", "bf16-zero-cond-t"}};
    for (int i = 0; i < 3; i++) {
        char folder[256];
        struct reference_case c;
        snprintf(folder, sizeof folder, "%s/%s", cases[i].model, cases[i].name);
        reference_case_open(&c, folder);
        struct picture fine = edit_in(&c, cases[i].model, FIRERED_DTYPE_BFLOAT16),
                       coarse = edit_in(&c, cases[i].model, FIRERED_DTYPE_INT8);
        double psnr = picture_psnr(&coarse, &fine);
        print_message("%s: int8 is at %.1f dB of bfloat16, at %.1f dB of the reference\n", folder,
                      psnr, picture_psnr(&coarse, &c.output));
        assert_true(psnr >= INT8_PSNR);
        if (c.bfloat16) assert_true(picture_psnr(&coarse, &c.output) >= 30);
        assert_true(picture_max_difference(&coarse, &fine) > 0); /* it is another arithmetic */
        picture_free(&fine);
        picture_free(&coarse);
        reference_case_close(&c);
    }
}

/* On a device whose operands are bfloat16 the networks run as they are. */
static void test_bfloat16_operands(void **state) {
    (void)state;
    struct reference_case c;
    struct firered_result result;
    struct error err = {{0}};
    reference_case_open(&c, "tiny-edit/one-image-cfg");
    struct firered *engine = open_engine("tiny-edit", FIRERED_DTYPE_FLOAT32, NULL, 0);
    engine->compute->operand = DTYPE_BF16;
    if (firered_edit_run(engine, &c.edit, &result, &err) != STATUS_OK) fail_msg("%s", err.text);
    double psnr = picture_psnr(&result.picture, &c.output);
    print_message("bfloat16 operands: picture %.1f dB\n", psnr);
    assert_true(psnr >= 30 && psnr < 60); /* it is another arithmetic */
    picture_free(&result.picture);
    firered_close(engine);
    reference_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_image_guided),
        cmocka_unit_test(test_two_images_unguided),
        cmocka_unit_test(test_three_images_sized),
        cmocka_unit_test(test_lora_layouts),
        cmocka_unit_test(test_lora_several),
        cmocka_unit_test(test_bfloat16),
        cmocka_unit_test(test_int8),
        cmocka_unit_test(test_bfloat16_operands),
    };
    /* What the card computes is here; on a simulated one the others take minutes for no more. */
    const struct CMUnitTest on_cuda[] = {
        cmocka_unit_test(test_one_image_guided),
        cmocka_unit_test(test_three_images_sized),
        cmocka_unit_test(test_lora_several),
        cmocka_unit_test(test_bfloat16),
    };
    return test_device_is_cuda() ? cmocka_run_group_tests(on_cuda, NULL, NULL)
                                 : cmocka_run_group_tests(tests, NULL, NULL);
}
