/*
 * firered edit on the recorded cases: what it writes is what the reference pipeline painted,
 * whatever the threads, and again when it is asked again.
 */
#include "support/unit_test.h"

#include <math.h>

#include "program/program.h"

static void check_picture(const char *path, const struct reference_case *c) {
    struct picture edited;
    read_picture(&edited, path);
    double psnr = picture_psnr(&edited, &c->output);
    int off = picture_max_difference(&edited, &c->output);
    picture_free(&edited);
    if (psnr < (c->bfloat16 ? 30.0 : 60.0) || (!c->bfloat16 && off > 2))
        fail_msg("%s: %.1f dB, off by up to %d", c->folder, psnr, off);
}

/* The case as it was recorded; then twice more, on other numbers of threads. */
static void run_case(const char *model, const char *name, const char *lora) {
    static struct command_line line;
    static struct child child;
    struct reference_case c;
    char folder[200];
    snprintf(folder, sizeof folder, "%s/%s", model, name);
    reference_case_open(&c, folder);
    for (int threads = 0; threads <= 3; threads++) {
        line_start(&line, "edit");
        snprintf(folder, sizeof folder, "%s/%s/model", TEST_DATA, model);
        line_add_case(&line, &c, folder);
        if (lora) line_add(&line, "--lora", "%s/%s/%s:%.17g", TEST_DATA, model, lora, c.lora);
        if (threads) line_add(&line, "--threads", "%d", threads);
        line_add(&line, "--output", "out/%d.png", threads);
        line_run_well(&line, &child);
    }
    check_picture("out/0.png", &c);
    assert_true(same_files("out/0.png", "out/1.png"));
    assert_true(same_files("out/0.png", "out/2.png"));
    assert_true(same_files("out/0.png", "out/3.png"));
    assert_int_equal(count_files("out"), 4);
    reference_case_close(&c);
}

static void test_one_picture(void **state) {
    (void)state;
    run_case(TINY, "one-image-cfg", NULL);
}

static void test_two_pictures(void **state) {
    (void)state;
    run_case(TINY, "two-images-no-cfg", NULL);
}

static void test_three_pictures_with_size(void **state) {
    (void)state;
    run_case(TINY, "three-images-size", NULL);
}

static void test_bfloat16(void **state) {
    (void)state;
    run_case(BF16, "bf16-zero-cond-t", NULL);
}

static void test_lora_peft(void **state) {
    (void)state;
    run_case(TINY, "lora-0.7", "lora_peft.safetensors");
}

static void test_lora_lightx2v(void **state) {
    (void)state;
    run_case(TINY, "lora-0.7", "lora_lightx2v.safetensors");
}

static void test_lora_kohya(void **state) {
    (void)state;
    run_case(TINY, "lora-0.7", "lora_kohya.safetensors");
}

static void test_several_loras(void **state) {
    (void)state;
    static struct command_line line;
    static struct child child;
    struct reference_case c;
    reference_case_open(&c, TINY "/lora-0.7");
    line_start(&line, "edit");
    line_add_case(&line, &c, TINY_MODEL);
    line_add(&line, "--lora", "%s",
             TEST_DATA "/tiny-edit/lora_peft.safetensors:0.3," TEST_DATA
                       "/tiny-edit/lora_kohya.safetensors:0.4");
    line_add(&line, "--output", "out/a.png");
    line_run_well(&line, &child);
    check_picture("out/a.png", &c);
    reference_case_close(&c);
}

/* Without --seed a random one is drawn and printed; with that one the same picture comes out. */
static void test_told_seed(void **state) {
    (void)state;
    static struct command_line line;
    static struct child child;
    unsigned long long seeds[2];
    for (int i = 0; i < 2; i++) {
        line_start(&line, "edit");
        line_add(&line, "--model", "%s", TINY_MODEL);
        line_add(&line, "--image", "%s", TEST_DATA "/decode/rgb.png");
        line_add(&line, "--prompt", "a red hat");
        line_add(&line, "--steps", "2");
        line_add(&line, "--output", "out/random%d.png", i);
        line_run_well(&line, &child);
        const char *printed = strstr(child.out, "seed ");
        assert_non_null(printed);
        seeds[i] = strtoull(printed + 5, NULL, 10);
        line_add(&line, "--seed", "%llu", seeds[i]);
        line_add(&line, "--output", "out/again%d.png", i); /* the last one counts */
        line_run_well(&line, &child);
    }
    assert_true(seeds[0] != seeds[1]);
    assert_true(same_files("out/random0.png", "out/again0.png"));
    assert_true(same_files("out/random1.png", "out/again1.png"));
    assert_false(same_files("out/random0.png", "out/random1.png"));
}

static void test_sizes(void **state) {
    (void)state;
    static const struct {
        int width, height, becomes_width, becomes_height;
    } sizes[] = {{64, 64, 64, 64}, {100, 79, 96, 64}, {64, 271, 64, 256}, {0, 0, 128, 128}};
    static struct command_line line;
    static struct child child;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct picture p;
        char printed[40];
        line_start_small_edit(&line, TINY_MODEL);
        line_add(&line, "--image", "%s", TEST_DATA "/tiny-edit/two-images-no-cfg/input1.png");
        if (sizes[i].width) {
            line_add(&line, "--width", "%d", sizes[i].width);
            line_add(&line, "--height", "%d", sizes[i].height);
        }
        line_add(&line, "--output", "out/a.png");
        line_add_switch(&line, "--force");
        line_run_well(&line, &child);
        read_picture(&p, "out/a.png");
        assert_int_equal(p.width, sizes[i].becomes_width);
        assert_int_equal(p.height, sizes[i].becomes_height);
        snprintf(printed, sizeof printed, "%dx%d", p.width, p.height);
        assert_non_null(strstr(child.out, printed));
        picture_free(&p);
    }
}

/* The name's ending says the format, and the pictures are the same one but for what it loses. */
static void test_formats(void **state) {
    (void)state;
    static const struct {
        const char *name, *begins;
        double psnr;
    } formats[] = {{"out/a.png", "\x89PNG", INFINITY},
                   {"out/a.webp", "RIFF", 15},
                   {"out/a.jpg", "\xff\xd8\xff", 15},
                   {"out/b.jpeg", "\xff\xd8\xff", 15},
                   {"out/b.PNG", "\x89PNG", INFINITY}};
    static struct command_line line;
    static struct child child;
    struct picture first = {0};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        struct buffer file;
        struct picture p;
        line_start_small_edit(&line, TINY_MODEL);
        line_add(&line, "--output", "%s", formats[i].name);
        line_run_well(&line, &child);
        file = read_bytes(formats[i].name);
        assert_memory_equal(file.data, formats[i].begins, strlen(formats[i].begins));
        buffer_free(&file);
        read_picture(&p, formats[i].name);
        double psnr = i ? picture_psnr(&first, &p) : INFINITY;
        if (psnr < formats[i].psnr) fail_msg("%s: %.1f dB", formats[i].name, psnr);
        if (i)
            picture_free(&p);
        else
            first = p;
    }
    picture_free(&first);
}

/* A layer that the vision tower does not have may be named among those that see everything, as in
 * transformers: the picture stays.  Naming one less is another picture. */
static void test_full_attention_beyond_the_depth(void **state) {
    (void)state;
    static const char *const indexes[] = {"[1, 3]", "[1, 3, 99]", "[-1, 3, 9000000000, 4, 1]",
                                          "[3]"};
    static struct command_line line;
    static struct child child;
    link_model("out/m", TINY_MODEL);
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        patch_json("out/m/text_encoder/config.json", "vision_config.fullatt_block_indexes",
                   indexes[i]);
        line_start_small_edit(&line, "out/m");
        line_add(&line, "--output", "out/%zu.png", i);
        line_run_well(&line, &child);
    }
    assert_true(same_files("out/0.png", "out/1.png"));
    assert_true(same_files("out/0.png", "out/2.png"));
    assert_false(same_files("out/0.png", "out/3.png"));
}

/* Every kernel that this processor has paints the same picture, within rounding. */
static void test_kernels(void **state) {
    (void)state;
    static const char *const kernels[] = {"generic", "avx2", "avx512", "avx512-bf16"};
    static struct command_line line;
    static struct child child;
    struct reference_case c;
    int ran = 0;
    reference_case_open(&c, TINY "/one-image-cfg");
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        setenv("FIRERED_KERNELS", kernels[i], 1);
        line_start(&line, "edit");
        line_add_case(&line, &c, TINY_MODEL);
        line_add(&line, "--output", "out/%s.png", kernels[i]);
        line_run(&line, &child);
        if (child.status != 0 && strstr(child.err, "this CPU has no")) continue;
        if (child.status != 0) fail_msg("%s: %s", kernels[i], child.err);
        char path[40];
        snprintf(path, sizeof path, "out/%s.png", kernels[i]);
        if (i < 3) check_picture(path, &c);
        ran++;
    }
    unsetenv("FIRERED_KERNELS");
    assert_true(ran > 0);
    reference_case_close(&c);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, scene_reset)
    const struct CMUnitTest tests[] = {
        TEST(test_one_picture),
        TEST(test_two_pictures),
        TEST(test_three_pictures_with_size),
        TEST(test_bfloat16),
        TEST(test_lora_peft),
        TEST(test_lora_lightx2v),
        TEST(test_lora_kohya),
        TEST(test_several_loras),
        TEST(test_told_seed),
        TEST(test_sizes),
        TEST(test_formats),
        TEST(test_full_attention_beyond_the_depth),
        TEST(test_kernels),
    };
#undef TEST
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
