/*
 * firered eval from outside: the list arrives at the engine, the scores are those of the pictures,
 * and a wrong line gets its sentence.
 */
#include "support/unit_test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/child.h"
#include "support/files.h"

static struct child c;

static void run(const char *const *words) {
    child_start(&c, FAKE_PROGRAM, words);
    child_wait(&c);
}
#define RUN(...)  run((const char *const[]){__VA_ARGS__, NULL})
#define EVAL(...) RUN("eval", "--model", "m", "--list", "out/list.tsv", __VA_ARGS__)

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("no \"%s\" in: %s", part, text);
}

static void write_list(const char *text) {
    FILE *f = fopen("out/list.tsv", "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* What the stand-in makes of the seeds 1, 3 and 5: three pictures that have nothing in common. */
static int make_pictures(void **state) {
    static const char *const pictures[][2] = {
        {"1", "out/a.png"}, {"3", "out/b.png"}, {"5", "out/c.png"}};
    if (scene_reset(state) != 0) return -1;
    for (size_t i = 0; i < 3; i++)
        RUN("edit", "--model", "m", "--image", TEST_DATA "/decode/rgb.png", "--prompt", "p",
            "--seed", pictures[i][0], "--output", pictures[i][1]);
    remove("report");
    return c.status;
}

static void test_settings_arrive(void **state) {
    (void)state;
    static char report[16384];
    write_list("# a comment\n\n"
               "a.png\tone\tb.png\tx\n"
               "a.png\ttwo words\tb.png\tx\tsteps=9\tguidance=4\tseed=8\r\n");
    EVAL("--steps", "2", "--negative-prompt", "grey");
    assert_string_equal(c.err, "");
    assert_int_equal(c.status, 0);
    text_from_file("report", report, sizeof report);
    assert_has(report, "edit prompt=one negative=grey steps=2 guidance=2.5 seed=0 size=64x64\n");
    assert_has(report,
               "edit prompt=two words negative=grey steps=9 guidance=4 seed=8 size=64x64\n");
}

static void test_scores(void **state) {
    (void)state;
    write_list("a.png\tcopy\ta.png\tkeep\n"
               "a.png\tp\tb.png\tnoise\tseed=3\n"
               "a.png\tcopy\tb.png\tnoise\n"   /* comes out as "keep" */
               "c.png\tcopy\tb.png\tnoise\n"); /* the only class of its picture: not judged */
    EVAL("--threads", "1");
    assert_int_equal(c.status, 0);
    assert_has(c.out, "keep            1     100.00   100.00     1.0000   1.0000\n");
    assert_has(c.out, "noise           3      38.5"); /* 100, and twice what noise has to noise */
    assert_has(c.out, "all             4 ");
    assert_has(c.out,
               "The instruction decides: 2 of 3 (66.7%) are nearest to what was asked for.\n");
    assert_has(c.out, "noise       keep        1 of 2\n");
}

static void test_json(void **state) {
    (void)state;
    const char *class;
    double psnr;
    json_int_t right, of, wrong, count;
    write_list("a.png\tcopy\ta.png\tkeep\n"
               "a.png\tcopy\tb.png\tnoise\n");
    EVAL("--json");
    assert_int_equal(c.status, 0);
    json_t *root = json_loads(c.out, 0, NULL);
    assert_non_null(root);
    assert_int_equal(json_unpack(root,
                                 "{s:{s:I, s:I}, s:{s:{s:I}}, s:{s:{s:I, s:{s:f}}}, s:[{s:s}]}",
                                 "instruction_decides", "right", &right, "of", &of, "confusion",
                                 "noise", "keep", &wrong, "classes", "keep", "count", &count,
                                 "psnr", "min", &psnr, "items", "nearest", &class),
                     0);
    assert_int_equal(right, 1);
    assert_int_equal(of, 2);
    assert_int_equal(wrong, 1);
    assert_int_equal(count, 1);
    assert_float_equal(psnr, 100, 0);
    assert_string_equal(class, "keep");
    json_decref(root);
}

static void test_wrong_lists(void **state) {
    (void)state;
    static const struct {
        const char *list, *sentence;
    } cases[] = {
        {"", "out/list.tsv is empty or no text"},
        {"# nothing\n", "out/list.tsv lists no edit"},
        {"a.png\tp\tb.png\n",
         "out/list.tsv, line 1: expected four fields parted by tabs: picture, prompt, expected "
         "picture, class"},
        {"#\na.png\tp\tb.png\tx\tsteps=0\n",
         "out/list.tsv, line 2: steps=0: must be a whole number from 1 to 1000"},
        {"a.png\tp\tb.png\tx\tguidance=31\n",
         "out/list.tsv, line 1: guidance=31: must be a number from 0 to 30"},
        {"a.png\tp\tb.png\tx\tseed=-1\n",
         "out/list.tsv, line 1: seed=-1: must be a whole number from 0 to 18446744073709551615"},
        {"a.png\tp\tb.png\tx\tsize=3\n",
         "out/list.tsv, line 1: 'size=3' is none of steps=N, seed=N, guidance=G"},
        {"a.png\tp\tnone.png\tx\n", "cannot open out/none.png: No such file or directory"},
        {"a.png\tp\t" TEST_DATA "/decode/rgb.png\tx\n",
         TEST_DATA "/decode/rgb.png has 53x37 pixels: an edit's sides are multiples of 16 from 64 "
                   "to 2048"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[700];
        write_list(cases[i].list);
        EVAL("--threads", "1");
        snprintf(expected, sizeof expected, "firered eval: %s\n", cases[i].sentence);
        assert_string_equal(c.err, expected);
        assert_int_equal(c.status, 1);
        assert_string_equal(c.out, "");
    }
    RUN("eval", "--model", "m");
    assert_string_equal(c.err, "firered eval: no list of edits: name its file with --list\n");
    assert_int_equal(c.status, 2);
}

static void test_failed_edit(void **state) {
    (void)state;
    write_list("a.png\toom\tb.png\tx\n");
    EVAL("--json");
    assert_int_equal(c.status, 1);
    assert_string_equal(c.out, "");
    assert_has(c.err, "firered eval: the edit needs 9 GB");
}

static void test_progress(void **state) {
    (void)state;
    write_list("a.png\tcopy\ta.png\tkeep\na.png\tcopy\ta.png\tkeep\n");
    child_run_on_terminal(
        &c, FAKE_PROGRAM,
        (const char *const[]){"eval", "--model", "m", "--list", "out/list.tsv", NULL});
    assert_int_equal(c.status, 0);
    assert_has(c.out, "eval     [============>           ] 1/2  0 s left");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, make_pictures)
    const struct CMUnitTest tests[] = {
        TEST(test_settings_arrive), TEST(test_scores),      TEST(test_json),
        TEST(test_wrong_lists),     TEST(test_failed_edit), TEST(test_progress),
    };
#undef TEST
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
