/*
 * The real program on the recorded cases: what `firered edit` writes is what the reference pipeline
 * painted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "cli/child.h"
#include "image/decode.h"
#include "pipeline/reference_case.h"

#include <cmocka.h> /* last: its macro fail() would hide ours */

enum { MOST_WORDS = 40 };

struct command_line {
    const char *words[MOST_WORDS + 1];
    char texts[MOST_WORDS][600];
    int count;
};

__attribute__((format(printf, 3, 4))) static void add(struct command_line *l, const char *flag,
                                                      const char *format, ...) {
    assert_true(l->count + 2 <= MOST_WORDS);
    l->words[l->count++] = flag;
    va_list args;
    va_start(args, format);
    vsnprintf(l->texts[l->count], sizeof l->texts[0], format, args);
    va_end(args);
    l->words[l->count] = l->texts[l->count];
    l->count++;
}

static void compose(struct command_line *l, const struct reference_case *c, const char *model) {
    *l = (struct command_line){.words = {"edit"}, .count = 1};
    add(l, "--model", "%s/%s", TEST_DATA, model);
    for (size_t i = 0; i < c->edit.picture_count; i++)
        add(l, "--image", "%s/input%zu.png", c->folder, i);
    add(l, "--prompt", "%s", c->prompt);
    if (c->negative_prompt) add(l, "--negative-prompt", "%s", c->negative_prompt);
    add(l, "--seed", "%llu", (unsigned long long)c->edit.seed);
    add(l, "--steps", "%d", c->edit.steps);
    add(l, "--guidance-scale", "%.17g", c->edit.guidance_scale);
    if (c->edit.width) {
        add(l, "--width", "%d", c->edit.width);
        add(l, "--height", "%d", c->edit.height);
    }
    add(l, "--dtype", "%s", c->bfloat16 ? "bfloat16" : "float32");
    add(l, "--output", "out/edited.png");
}

static void read_edited(struct picture *out) {
    struct buffer file = {0};
    struct error err;
    assert_int_equal(buffer_read_file(&file, "out/edited.png", 1 << 24, &err), STATUS_OK);
    assert_int_equal(picture_decode(out, file.data, file.size, 1 << 24, &err), STATUS_OK);
    buffer_free(&file);
}

static void check_case(const char *model, const char *name, const char *lora) {
    static struct command_line line;
    static struct child c;
    struct reference_case reference;
    struct picture edited;
    reference_case_open(&reference, name);
    compose(&line, &reference, model);
    if (lora) add(&line, "--lora", "%s/%s:%.17g", TEST_DATA, lora, reference.lora);
    child_start(&c, FIRERED_PROGRAM, line.words);
    child_wait(&c);
    assert_string_equal(c.err, "");
    assert_int_equal(c.status, 0);
    read_edited(&edited);
    double psnr = picture_psnr(&edited, &reference.output);
    int off = picture_max_difference(&edited, &reference.output);
    if (psnr < (reference.bfloat16 ? 30.0 : 60.0) || (!reference.bfloat16 && off > 2))
        fail_msg("%s: %.1f dB, off by up to %d", name, psnr, off);
    picture_free(&edited);
    reference_case_close(&reference);
}

static void test_one_picture(void **state) {
    (void)state;
    check_case("tiny-edit/model", "tiny-edit/one-image-cfg", NULL);
}

static void test_two_pictures(void **state) {
    (void)state;
    check_case("tiny-edit/model", "tiny-edit/two-images-no-cfg", NULL);
}

static void test_three_pictures(void **state) {
    (void)state;
    check_case("tiny-edit/model", "tiny-edit/three-images-size", NULL);
}

static void test_bfloat16(void **state) {
    (void)state;
    check_case("tiny-edit-bf16-sharded/model", "tiny-edit-bf16-sharded/bf16-zero-cond-t", NULL);
}

static void test_lora(void **state) {
    (void)state;
    check_case("tiny-edit/model", "tiny-edit/lora-0.7", "tiny-edit/lora_peft.safetensors");
    check_case("tiny-edit/model", "tiny-edit/lora-0.7", "tiny-edit/lora_lightx2v.safetensors");
    check_case("tiny-edit/model", "tiny-edit/lora-0.7", "tiny-edit/lora_kohya.safetensors");
}

static void test_info(void **state) {
    (void)state;
    static struct child c;
    child_start(&c, FIRERED_PROGRAM,
                (const char *const[]){"info", "--model", TEST_DATA "/tiny-edit/model", NULL});
    child_wait(&c);
    assert_string_equal(c.err, "");
    assert_int_equal(c.status, 0);
    assert_non_null(strstr(c.out, "all 363 tensors found"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, scene_reset)
    const struct CMUnitTest tests[] = {
        TEST(test_one_picture), TEST(test_two_pictures), TEST(test_three_pictures),
        TEST(test_bfloat16),    TEST(test_lora),         TEST(test_info),
    };
#undef TEST
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
