/*
 * Memory: a model's weights are resident once, the file's pages go while they are packed, an edit
 * takes what it planned, and a limit is kept by what streams.
 */
#include "support/unit_test.h"

#include <math.h>
#include <unistd.h>

#include "firered.h"
#include "program/big_model.h"
#include "program/program.h"

static const int64_t ALLOWANCE = 64 << 20;

/* The program runs first: what this process holds when it forks would count as the program's. */
static void check(const char *model, const char *dtype, int64_t stored, int side) {
    static struct command_line line;
    static struct child child;
    struct firered *engine;
    struct firered_info about;
    struct error err = {{0}};
    int width, height;
    uint64_t working = 0;
    line_start_small_edit(&line, model);
    line_add(&line, "--dtype", "%s", dtype);
    line_add(&line, "--width", "%d", side);
    line_add(&line, "--height", "%d", side);
    line_add(&line, "--output", "out/edited.png");
    line_add_switch(&line, "--force");
    line_run_well(&line, &child);

    struct picture picture;
    read_picture(&picture, TEST_DATA "/decode/rgb.png");
    struct firered_options options = {
        .model = model,
        .dtype = strcmp(dtype, "bfloat16") == 0 ? FIRERED_DTYPE_BFLOAT16 : FIRERED_DTYPE_FLOAT32};
    struct firered_edit edit = {.pictures = &picture,
                                .picture_count = 1,
                                .prompt = "a red hat",
                                .guidance_scale = 1,
                                .steps = 1,
                                .width = side,
                                .height = side};
    if (firered_open(&engine, &options, &err) != STATUS_OK) fail_msg("%s", err.text);
    firered_describe(engine, &about);
    if (firered_edit_plan(engine, &edit, &width, &height, &working, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    firered_close(engine);
    picture_free(&picture);

    int64_t weights = (int64_t)about.weight_bytes, planned = weights + (int64_t)working;
    print_message("%s, %s, %d: %.1f MB resident at most, %.1f of weights, %.1f planned for the "
                  "edit, %.2f s\n",
                  model, dtype, side, (double)child.peak_bytes / 1e6, (double)weights / 1e6,
                  (double)working / 1e6, child.seconds);
    assert_true(weights <
                stored + stored / 20 +
                    (1 << 24)); /* never more than as stored, the tiny model's rest beside */
    assert_true(child.peak_bytes <= planned + ALLOWANCE);
    assert_true(child.peak_bytes >=
                planned * 9 / 10); /* or something is wrong with the measuring */
    assert_true(child.seconds < 60 ||
                side > 1024); /* the VAE's attention grows with the fourth power */
}

/* The same edit with ever less memory, down to what `firered` says that it needs: the same picture,
 * within the limit. */
static void check_limits(const char *model, const char *dtype, int64_t stored) {
    static struct command_line line;
    static struct child child;
    for (int percent = 100; percent >= 40; percent -= 20) {
        int64_t limit = stored * percent / 100;
        line_start_small_edit(&line, model);
        line_add(&line, "--dtype", "%s", dtype);
        line_add(&line, "--width", "256");
        line_add(&line, "--height", "256");
        line_add(&line, "--steps", "2");
        line_add(&line, "--output", "out/%s-%d.png", dtype, percent);
        if (percent < 100) line_add(&line, "--memory-limit", "%lld", (long long)limit);
        line_run_well(&line, &child);
        print_message("%s, %s, limit %.1f MB: %.1f MB resident at most, %.2f s\n", model, dtype,
                      percent < 100 ? (double)limit / 1e6 : INFINITY,
                      (double)child.peak_bytes / 1e6, child.seconds);
        if (percent == 100) continue;
        char whole[64], edited[64];
        snprintf(whole, sizeof whole, "out/%s-100.png", dtype);
        snprintf(edited, sizeof edited, "out/%s-%d.png", dtype, percent);
        assert_true(same_files(whole, edited));
        assert_true(child.peak_bytes <= limit + ALLOWANCE);
        assert_true(child.peak_bytes >= limit * 6 / 10); /* what there is, is used */
    }
}

static void test_limits(void **state) {
    (void)state;
    int64_t stored = big_model_write("out/m", &(struct big_model){8, 12, true});
    check_limits("out/m", "bfloat16", stored);
    stored = big_model_write("out/n", &(struct big_model){8, 6, false});
    check_limits("out/n", "float32", stored);
}

/* Where the edit is all that there is: its pictures count in the plan. */
static void test_every_size(void **state) {
    (void)state;
    static const int sides[] = {64, 512, 1024, 2048};
    int64_t stored = big_model_write("out/m", &(struct big_model){1, 1, false});
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        check("out/m", "float32", stored, sides[i]);
}

static void test_tiny(void **state) {
    (void)state;
    check(TINY_MODEL, "float32", 12 << 20, 128);
    check(BF16_MODEL, "bfloat16", 6 << 20, 96);
}

static void test_float32(void **state) {
    (void)state;
    int64_t stored = big_model_write("out/m", &(struct big_model){8, 6, false});
    assert_true(stored > 150000000);
    check("out/m", "float32", stored, 128);
    check("out/m", "float32", stored, 512);
    check("out/m", "bfloat16", stored, 128);
}

static void test_bfloat16(void **state) {
    (void)state;
    int64_t stored = big_model_write("out/m", &(struct big_model){8, 10, true});
    assert_true(stored > 150000000);
    check("out/m", "bfloat16", stored, 128);
    check("out/m", "float32", stored,
          128); /* exact products of 16-bit weights, which stay 16 bits */
}

int main(void) {
    if (SANITIZED) {
        puts("a sanitizer's memory is not ours: nothing to measure");
        return 0;
    }
#define TEST(name) cmocka_unit_test_setup(name, scene_reset)
    const struct CMUnitTest tests[] = {TEST(test_every_size), TEST(test_tiny), TEST(test_float32),
                                       TEST(test_bfloat16), TEST(test_limits)};
#undef TEST
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
