/*
 * What nobody should give firered: one sentence, a status other than 0, and no file.
 *
 * Every case starts from an edit that works and spoils one thing: here pictures, flags and outputs.
 */
#include "support/unit_test.h"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program/spoil.h"

/* ---- pictures ---- */

static void test_the_good_edit(void **state) {
    (void)state;
    static struct child child;
    fresh_model();
    start();
    line_run_well(&line, &child);
    assert_int_equal(count_files("out/p"), 1);
    fresh_sharded_model();
    start();
    line_run_well(&line, &child);
}

/* All that the recorded decoder refused. */
static void test_bad_pictures(void **state) {
    (void)state;
    int seen = 0;
    fresh_model();
    DIR *d = opendir(TEST_DATA "/decode");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (strncmp(e->d_name, "bad-", 4) != 0) continue;
        start();
        line_add(&line, "--image", "%s/decode/%s", TEST_DATA, e->d_name);
        fails_with(e->d_name);
        seen++;
    }
    closedir(d);
    assert_true(seen >= 10);
}

static void test_pictures_that_are_none(void **state) {
    (void)state;
    static const struct {
        const char *path, *part;
    } pictures[] = {{"out/missing.png", "out/missing.png"},
                    {"out/text.png", "out/text.png"},
                    {"out/empty.png", "out/empty.png"},
                    {"out/m", "out/m"},
                    {"/dev/null", "/dev/null"},
                    {"/dev/zero", "/dev/zero"},
                    {"", "--image"},
                    {"out/locked.png", "out/locked.png"}};
    fresh_model();
    write_text("out/text.png", "<html>not found</html>\n");
    write_text("out/empty.png", "");
    write_text("out/locked.png", "x");
    assert_int_equal(chmod("out/locked.png", 0), 0);
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
        start();
        line_add(&line, "--image", "%s", pictures[i].path);
        fails_with(pictures[i].part);
    }
}

/* ---- flags ---- */

static void test_bad_flags(void **state) {
    (void)state;
    static const struct {
        const char *flag, *value, *part;
    } flags[] = {{"--steps", "0", "--steps"},
                 {"--steps", "1001", "--steps"},
                 {"--steps", "-3", "--steps"},
                 {"--steps", "4.5", "--steps"},
                 {"--steps", "12abc", "--steps"},
                 {"--steps", "99999999999999999999", "--steps"},
                 {"--guidance-scale", "-1", "--guidance-scale"},
                 {"--guidance-scale", "31", "--guidance-scale"},
                 {"--guidance-scale", "nan", "--guidance-scale"},
                 {"--guidance-scale", "inf", "--guidance-scale"},
                 {"--guidance-scale", "1e999", "--guidance-scale"},
                 {"--seed", "18446744073709551616", "--seed"},
                 {"--seed", "-2", "--seed"},
                 {"--seed", "0x10", "--seed"},
                 {"--width", "64", "--height"},
                 {"--height", "64", "--width"},
                 {"--width", "63", "--width"},
                 {"--width", "2049", "--width"},
                 {"--threads", "many", "--threads"},
                 {"--threads", "-1", "--threads"},
                 {"--dtype", "float8", "--dtype"},
                 {"--device", "abacus", "--device"},
                 {"--prompt", "", "prompt"},
                 {"--prompt", " \t\n", "prompt"},
                 {"--prompt", "\xc3\x28", "UTF-8"},
                 {"--output", "", "--output"},
                 {"--output", "out/p/edited.gif", "--output"},
                 {"--output", "out/p/edited", "--output"},
                 {"--lora", "out/none.safetensors", "none.safetensors"},
                 {"--lora", ":0.5", "--lora"},
                 {"--model", "out/none", "out/none"},
                 {"--model", "/dev/null", "/dev/null"},
                 {"--imgae", "a.png", "--image"},
                 {"--colour", "red", "--colour"}};
    fresh_model();
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        start();
        line_add(&line, flags[i].flag, "%s", flags[i].value);
        fails_with(flags[i].part);
    }
    for (int i = 0; i < 3; i++) { /* with the good one that makes four */
        start();
        for (int k = 0; k < 3; k++) line_add(&line, "--image", "%s", TEST_DATA "/decode/rgb.png");
        fails_with("--image");
    }
}

static void test_long_prompt(void **state) {
    (void)state;
    fresh_model();
    static char prompt[690];
    memset(prompt, 'q', sizeof prompt - 1); /* the tiny vocabulary has no long words */
    for (int i = 1; i < (int)sizeof prompt - 1; i += 2) prompt[i] = (char)('1' + i % 9);
    start();
    static struct child child;
    line_add(&line, "--prompt", "%s", prompt);
    line_run_well(&line, &child); /* 689 tokens are allowed */
    static char longer[5000];
    for (size_t i = 0; i + 1 < sizeof longer; i++) longer[i] = prompt[i % 600];
    assert_int_equal(unlink("out/p/edited.png"), 0);
    start();
    line.words[line.count] = "--prompt";
    line.words[line.count + 1] = longer;
    line.words[line.count + 2] = NULL;
    line.count += 2;
    fails_with("1024");
}

/* ---- outputs ---- */

static void test_bad_outputs(void **state) {
    (void)state;
    fresh_model();
    start();
    line_add(&line, "--output", "out/none/edited.png");
    fails_with("out/none");
    assert_int_equal(mkdir("out/p/folder.png", 0700), 0);
    start();
    line_add(&line, "--output", "out/p/folder.png");
    line_run_badly(&line, "folder.png");
    assert_int_equal(count_files("out/p/folder.png"), 0);
    assert_int_equal(rmdir("out/p/folder.png"), 0);
    write_text("out/file", "");
    start();
    line_add(&line, "--output", "out/file/edited.png");
    fails_with("out/file");
}

static void test_full_disk(void **state) {
    (void)state;
    fresh_model();
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(symlink("/dev/full", "out/full.png"), 0);
        start();
        line_add(&line, "--output", "out/full.png");
        fails_with("the disk is full");
    } else {
        print_message("no /dev/full here\n");
    }
    assert_int_equal(mkdir("out/disk", 0700), 0);
    if (mount("none", "out/disk", "tmpfs", 0, "size=16k") != 0) {
        print_message("no right to mount a small disk: not tested\n");
        return;
    }
    write_text("out/disk/old.png", "what was there before");
    start();
    line_add(&line, "--output", "out/disk/edited.png");
    line_run_badly(&line, "the disk is full");
    int files = count_files("out/disk");
    line_add(&line, "--output", "out/disk/old.png");
    line_add_switch(&line, "--force");
    line_run_badly(&line, "the disk is full");
    struct buffer old = read_bytes("out/disk/old.png");
    bool kept = old.size == 21;
    buffer_free(&old);
    assert_int_equal(umount("out/disk"), 0);
    assert_int_equal(files, 1);
    assert_true(kept);
}

static void test_unwritable_folder(void **state) {
    (void)state;
    fresh_model();
    if (geteuid() != 0) {
        assert_int_equal(chmod("out/p", 0500), 0);
        edit_fails_with("out/p");
        assert_int_equal(chmod("out/p", 0700), 0);
        return;
    }
    start(); /* even root writes nothing here */
    line_add(&line, "--output", "/proc/edited.png");
    fails_with("/proc");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_good_edit),
        cmocka_unit_test(test_bad_pictures),
        cmocka_unit_test(test_pictures_that_are_none),
        cmocka_unit_test(test_bad_flags),
        cmocka_unit_test(test_long_prompt),
        cmocka_unit_test(test_bad_outputs),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_unwritable_folder),
    };
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
