/*
 * firered edit from outside: every flag arrives at the engine, every mistake gets its sentence,
 * and the output is there whole or not at all.
 */
#include "support/unit_test.h"

#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "image/decode.h"
#include "image/png_text.h"
#include "support/child.h"
#include "support/files.h"

#define PICTURE TEST_DATA "/decode/rgb.png"

static struct child c;

static void run(const char *const *words) {
    child_start(&c, FAKE_PROGRAM, words);
    child_wait(&c);
}
static void run_shell(const char *line) {
    child_start(&c, "/bin/bash", (const char *const[]){"-c", line, FAKE_PROGRAM, NULL});
    child_wait(&c);
}

#define EDIT(...) run((const char *const[]){"edit", __VA_ARGS__, NULL})
/* A complete request, to which a test adds one thing. */
#define EDIT_WITH(...)                                                                             \
    EDIT("--model", "m", "--image", PICTURE, "--prompt", "p", "--output", "out/a.png", "--seed",   \
         "7", __VA_ARGS__)

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("no \"%s\" in: %s", part, text);
}

static const char *report(void) {
    static char text[16384];
    text_from_file("report", text, sizeof text);
    return text;
}

static int files_in_out(void) {
    DIR *dir = opendir("out");
    int n = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static void assert_refused(int status, const char *sentence) {
    assert_string_equal(c.err, sentence);
    assert_int_equal(c.status, status);
    assert_string_equal(c.out, "");
    assert_int_equal(files_in_out(), 0);
}

static enum picture_format read_output(const char *path, struct picture *p) {
    struct buffer file = read_bytes(path);
    struct picture_header header;
    struct error err;
    assert_int_equal(picture_probe(&header, file.data, file.size, &err), STATUS_OK);
    assert_int_equal(picture_decode(p, file.data, file.size, 1 << 24, &err), STATUS_OK);
    buffer_free(&file);
    return header.format;
}

static void test_plain(void **state) {
    (void)state;
    EDIT("--model", "m", "--image", PICTURE, "--prompt", "p", "--output", "out/a.png", "--seed",
         "42");
    assert_string_equal(c.err, "");
    assert_int_equal(c.status, 0);
    assert_has(c.out, "out/a.png: 64x64, seed 42, steps 3, guidance 2.5, ");
    assert_has(c.out, " s\n");
    assert_string_equal(report(), "open model=m device=auto dtype=0 generator=0 threads=0\n"
                                  "edit prompt=p negative=  steps=3 guidance=2.5 seed=42 size=0x0\n"
                                  "picture 53x37\nclose\n");
    struct picture p;
    assert_int_equal(read_output("out/a.png", &p), PICTURE_PNG);
    assert_int_equal(p.width, 64);
    picture_free(&p);
    assert_int_equal(files_in_out(), 1);
}

static void test_every_flag(void **state) {
    (void)state;
    EDIT("--model=m", "--image", PICTURE, "--image", TEST_DATA "/decode/q80-s2.jpg", "--image",
         TEST_DATA "/tiny-edit/one-image-cfg/input0.png", "--prompt", "two words", "--output",
         "out/a.webp", "--negative-prompt", "blurry", "--guidance-scale", "4.5", "--steps", "9",
         "--seed", "18446744073709551615", "--width", "96", "--height", "80", "--lora", "x:0.5",
         "--lora=y", "--dtype", "bfloat16", "--device", "cpu", "--threads", "2", "--seed-generator",
         "cuda", "--verbose");
    assert_int_equal(c.status, 0);
    assert_has(c.out, "out/a.webp: 96x80, seed 18446744073709551615, steps 9, guidance 4.5, ");
    assert_string_equal(
        report(), "open model=m device=cpu dtype=2 generator=1 threads=2\nlora x 0.5\nlora y 1\n"
                  "edit prompt=two words negative=blurry steps=9 guidance=4.5 "
                  "seed=18446744073709551615 size=96x80\n"
                  "picture 53x37\npicture 53x37\npicture 200x130\nclose\n");
}

static void test_formats(void **state) {
    (void)state;
    static const struct {
        const char *path;
        enum picture_format format;
    } cases[] = {{"out/a.jpg", PICTURE_JPEG},
                 {"out/b.JPEG", PICTURE_JPEG},
                 {"out/c.webp", PICTURE_WEBP},
                 {"out/d.x.png", PICTURE_PNG}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct picture p;
        EDIT("--model", "m", "--image", PICTURE, "--prompt", "p", "--output", cases[i].path);
        assert_int_equal(c.status, 0);
        assert_int_equal(read_output(cases[i].path, &p), cases[i].format);
        picture_free(&p);
    }
}

static void test_random_seed(void **state) {
    (void)state;
    char first[256];
    EDIT("--model", "m", "--image", PICTURE, "--prompt", "p", "--output", "out/a.png");
    assert_int_equal(c.status, 0);
    snprintf(first, sizeof first, "%.200s", strstr(c.out, "seed "));
    *strchr(first, ',') = '\0';
    assert_has(report(), " seed=");
    EDIT("--model", "m", "--image", PICTURE, "--prompt", "p", "--output", "out/b.png", "--seed",
         "-1");
    assert_int_equal(c.status, 0);
    assert_null(strstr(c.out, first));
}

static void test_environment(void **state) {
    (void)state;
    setenv("MODEL_ID", "m", 1);
    setenv("DEFAULT_STEPS", "5", 1);
    setenv("DEFAULT_GUIDANCE", "1", 1);
    setenv("NEGATIVE_PROMPT", "grey", 1);
    setenv("PORT", "not of this command", 1);
    EDIT("--image", PICTURE, "--prompt", "p", "--output", "out/a.png", "--seed", "1");
    assert_int_equal(c.status, 0);
    assert_has(report(), "open model=m ");
    assert_has(report(), "negative=grey steps=5 guidance=1 ");
    EDIT_WITH("--force", "--steps", "6", "--guidance-scale", "0", "--negative-prompt", "");
    assert_has(report(), "negative= steps=6 guidance=0 ");
}

static void test_demo(void **state) {
    (void)state;
    EDIT("--image", PICTURE, "--prompt", "p", "--output", "out/a.png");
    assert_int_equal(c.status, 0);
    assert_has(c.err, "firered edit: running the small demo model");
    assert_has(report(), "models/demo ");
}

static void test_bad_requests(void **state) {
    (void)state;
    EDIT("--prompt", "p", "--output", "out/a.png");
    assert_refused(2, "firered edit: no picture to edit: name one with --image\n");
    EDIT("--image", PICTURE, "--output", "out/a.png");
    assert_refused(2, "firered edit: no prompt: say with --prompt what to change\n");
    EDIT("--image", PICTURE, "--prompt", " \t\n", "--output", "out/a.png");
    assert_refused(2, "firered edit: no prompt: say with --prompt what to change\n");
    EDIT_WITH("--image", PICTURE, "--image", PICTURE, "--image", PICTURE);
    assert_refused(2, "firered edit: --image was given more than 3 times\n");
    EDIT("--image", "", "--prompt", "p", "--output", "out/a.png");
    assert_refused(2, "firered edit: --image needs the name of a file\n");
    EDIT("--image", PICTURE, "--prompt", "--output", "out/a.png");
    assert_refused(2,
                   "firered edit: --prompt needs a value: TEXT (write --prompt=--output if that is "
                   "meant to be it)\n");
    EDIT_WITH("--promt", "x");
    assert_refused(2, "firered edit: unknown flag --promt: did you mean --prompt? (firered edit "
                      "--help lists all)\n");
    EDIT_WITH("--verbose=1");
    assert_refused(2, "firered edit: --verbose takes no value\n");
    EDIT_WITH("--width", "128");
    assert_refused(2, "firered edit: --width and --height go together: give both or none\n");
    EDIT_WITH("--height", "128");
    assert_refused(2, "firered edit: --width and --height go together: give both or none\n");
    EDIT_WITH("--width", "128", "--height", "128", "--size", "input");
    assert_refused(2, "firered edit: give either --size or --width and --height, not both\n");
    EDIT_WITH("--image", "-", "--image", "-");
    assert_refused(2, "firered edit: only one --image can be standard input\n");
    EDIT_WITH("--seed", "8", "--count", "2");
    assert_refused(2, "firered edit: give either several --seed or --count, not both\n");
    EDIT_WITH("--count", "2", "--output", "-");
    assert_refused(2,
                   "firered edit: standard output takes one picture: name a file with --output\n");
    EDIT_WITH("--json", "--output", "-");
    assert_refused(2,
                   "firered edit: --json and the picture cannot both go to standard output: name "
                   "a file with --output\n");
    assert_string_equal(report(), "");
}

static void test_bad_values(void **state) {
    (void)state;
    static const struct {
        const char *flag, *value, *sentence;
    } cases[] = {
        {"--steps", "0", "--steps 0: must be a whole number from 1 to 1000"},
        {"--steps", "1001", "--steps 1001: must be a whole number from 1 to 1000"},
        {"--steps", "4.0", "--steps 4.0: must be a whole number from 1 to 1000"},
        {"--steps", "12abc", "--steps 12abc: must be a whole number from 1 to 1000"},
        {"--width", "63", "--width 63: must be a whole number from 64 to 2048"},
        {"--height", "2049", "--height 2049: must be a whole number from 64 to 2048"},
        {"--count", "0", "--count 0: must be a whole number from 1 to 1000"},
        {"--size", "big",
         "--size big: must be input, model, or WIDTHxHEIGHT with sides from 64 to 2048"},
        {"--size", "128x",
         "--size 128x: must be input, model, or WIDTHxHEIGHT with sides from 64 to 2048"},
        {"--size", "63x128",
         "--size 63x128: must be input, model, or WIDTHxHEIGHT with sides from 64 to 2048"},
        {"--guidance-scale", "-0.1", "--guidance-scale -0.1: must be a number from 0 to 30"},
        {"--guidance-scale", "30.1", "--guidance-scale 30.1: must be a number from 0 to 30"},
        {"--guidance-scale", "nan", "--guidance-scale nan: must be a number from 0 to 30"},
        {"--guidance-scale", "1e999", "--guidance-scale 1e999: must be a number from 0 to 30"},
        {"--seed", "-2",
         "--seed -2: must be a whole number from 0 to 18446744073709551615, or -1 for a random "
         "one"},
        {"--seed", "18446744073709551616",
         "--seed 18446744073709551616: must be a whole number from 0 to "
         "18446744073709551615, or -1 for a random one"},
        {"--seed", "0x1",
         "--seed 0x1: must be a whole number from 0 to 18446744073709551615, or -1 for a random "
         "one"},
        {"--dtype", "fp16", "DTYPE=fp16 (from --dtype): must be auto, float32, bfloat16 or int8"},
        {"--device", "gpu",
         "DEVICE=gpu (from --device): must be auto, cpu, cuda, or cuda:N with N from 0 to 999"},
        {"--threads", "-1", "THREADS=-1 (from --threads): must be a whole number from 0 to 4096"},
        {"--seed-generator", "mt",
         "SEED_GENERATOR=mt (from --seed-generator): must be cpu or cuda"},
        {"--lora", ":1", "LORA (from --lora): ':1' names no adapter file: it must be FILE[:SCALE]"},
        {"--output", "a.gif", "--output a.gif: the name must end in .png, .jpg, .jpeg or .webp"},
        {"--output", "out/png", "--output png: the name must end in .png, .jpg, .jpeg or .webp"},
        {"--output", "out/.png", "--output .png: the name must end in .png, .jpg, .jpeg or .webp"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[512];
        snprintf(expected, sizeof expected, "firered edit: %s\n", cases[i].sentence);
        EDIT_WITH(cases[i].flag, cases[i].value);
        assert_refused(2, expected);
    }
}

static void test_bad_pictures(void **state) {
    (void)state;
    EDIT("--model", "m", "--image", "none.png", "--prompt", "p", "--output", "out/a.png");
    assert_refused(1, "firered edit: cannot open none.png: No such file or directory\n");
    EDIT("--model", "m", "--image", "m", "--prompt", "p", "--output", "out/a.png");
    assert_refused(1, "firered edit: m is not a regular file\n");
    static const char *const bad[] = {"bad-empty.png", "bad-half.png", "bad-text.png",
                                      "bad-head.jpg", "bad-half.webp"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char path[512], expected[600];
        snprintf(path, sizeof path, TEST_DATA "/decode/%s", bad[i]);
        snprintf(expected, sizeof expected, "firered edit: cannot use %s: ", path);
        EDIT("--model", "m", "--image", path, "--prompt", "p", "--output", "out/a.png");
        assert_int_equal(c.status, 1);
        assert_has(c.err, expected);
        assert_int_equal(files_in_out(), 0);
    }
    EDIT_WITH("--max-image-pixels", "1960");
    assert_int_equal(c.status, 1);
    EDIT_WITH("--max-image-pixels", "1961");
    assert_int_equal(c.status, 0);
}

static void test_engine_fails(void **state) {
    (void)state;
    EDIT_WITH("--prompt", "oom");
    assert_refused(1, "firered edit: the edit needs 9 GB of memory and 1 GB is free\n");
    EDIT_WITH("--prompt", "nan");
    assert_refused(1, "firered edit: the result is not finite\n");
    EDIT_WITH("--model", "./broken");
    assert_refused(1, "firered edit: transformer/config.json is missing from the model folder\n");
    EDIT_WITH("--model", "no-such-model");
    assert_int_equal(c.status, 1);
}

static void test_output_in_the_way(void **state) {
    (void)state;
    EDIT_WITH("--output", "nowhere/a.png");
    assert_refused(
        1, "firered edit: cannot write into the folder nowhere/: No such file or directory\n");
    assert_int_equal(mkdir("folder.png", 0700), 0);
    EDIT_WITH("--output", "folder.png");
    assert_refused(1, "firered edit: cannot write folder.png: it is a folder\n");
    assert_int_equal(rmdir("folder.png"), 0);
    EDIT_WITH("--output", "/proc/a.png");
    assert_int_equal(c.status, 1);
    assert_int_equal(files_in_out(), 0);
}

static void assert_written(const char *path) {
    if (c.status != 0 || access(path, F_OK) != 0) fail_msg("no %s: %d, %s", path, c.status, c.err);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(files_in_out(), 0);
}

static void test_output_into_a_folder(void **state) {
    (void)state;
    EDIT("--model", "m", "--image", PICTURE, "--prompt", "p", "--output", "out/");
    assert_written("out/rgb-edited.png");
    EDIT("--model", "m", "--image", PICTURE, "--prompt", "p", "--output", "out");
    assert_written("out/rgb-edited.png");
    EDIT("--model", "m", "--image", PICTURE, "--prompt", "p", "--output", "out/", "--count", "2");
    assert_int_equal(unlink("out/rgb-edited-2.png"), 0);
    assert_written("out/rgb-edited-1.png");
    EDIT("--model", "m", "--image", PICTURE, "--prompt", "p", "--output", "nowhere/");
    assert_refused(
        1, "firered edit: cannot write into the folder nowhere/: No such file or directory\n");
    run_shell("$0 edit --model m --image /dev/stdin --prompt p --output out/ <" PICTURE);
    assert_written("out/edited.png");
}

/* What a shell makes of <(...), a named pipe, and the names of standard input. */
static void test_pipes(void **state) {
    (void)state;
    run_shell("$0 edit --model m --image <(cat " PICTURE ") --prompt p --output out/a.png");
    assert_written("out/a.png");
    run_shell("mkfifo f; cat " PICTURE
              " >f & $0 edit --model m --image f --prompt p --output out/a.png; rm f");
    assert_written("out/a.png");
    run_shell("cat " PICTURE
              " | $0 edit --model m --image /dev/stdin --prompt p --output out/a.png");
    assert_written("out/a.png");
    run_shell("$0 edit --model m --image <(cat " PICTURE ") --prompt p >out/a.png"); /* as from - */
    assert_written("out/a.png");
    run_shell("$0 info <(cat " PICTURE ")");
    assert_int_equal(c.status, 0);
    assert_has(c.out, ": PNG, ");
    run_shell("$0 edit --model m --image /dev/zero --prompt p --output out/a.png");
    assert_refused(1, "firered edit: /dev/zero is not a regular file\n");
}

static void test_nothing_is_fetched(void **state) {
    (void)state;
    EDIT("--model", "m", "--image", "https://example.org/a.png", "--prompt", "p");
    assert_refused(2,
                   "firered edit: https://example.org/a.png is a URL, and nothing is fetched here: "
                   "download the picture first (curl -o FILE URL), or pipe it in as -\n");
    run((const char *const[]){"info", "http://example.org/a.png", NULL});
    assert_int_equal(c.status, 1);
    assert_has(c.err, "is a URL, and nothing is fetched here");
}

static void test_full_disk(void **state) {
    (void)state;
    assert_int_equal(symlink("/dev/full", "full.png"), 0);
    EDIT_WITH("--output", "full.png");
    assert_refused(
        1, "firered edit: cannot write full.png: the disk is full (No space left on device)\n");
    assert_int_equal(unlink("full.png"), 0);
}

/* A file that may not grow stands for a disk that fills up while the temporary file is written. */
static void test_half_written(void **state) {
    (void)state;
    struct rlimit old, small;
    assert_int_equal(system("echo old > out/a.png"), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 4096, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN); /* inherited: the program sees the error instead */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    EDIT_WITH("--force", "--width", "64", "--height", "64");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_string_equal(c.err, "firered edit: cannot write out/a.png: File too large\n");
    assert_int_equal(c.status, 1);
    char text[16];
    assert_true(text_from_file("out/a.png", text, sizeof text));
    assert_string_equal(text, "old\n");
    assert_int_equal(files_in_out(), 1);
}

static void test_replaces(void **state) {
    (void)state;
    struct stat st;
    struct picture p;
    assert_int_equal(
        system("echo old > out/real.png; chmod 640 out/real.png; ln -s real.png out/link.png"), 0);
    EDIT_WITH("--output", "out/link.png", "--force");
    assert_int_equal(c.status, 0);
    assert_int_equal(lstat("out/link.png", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat("out/real.png", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    read_output("out/real.png", &p);
    picture_free(&p);
    assert_int_equal(files_in_out(), 2);
}

static void start_slow(const char *prompt, const char *steps) {
    child_start(&c, FAKE_PROGRAM,
                (const char *const[]){"edit", "--model", "m", "--image", PICTURE, "--prompt",
                                      prompt, "--output", "out/a.png", "--steps", steps, NULL});
    assert_true(wait_for_text("report", "running", 20));
}

static void assert_ends_soon(void) {
    for (int i = 0; i < 500 && !child_ended(&c); i++) usleep(10000);
    if (c.pid) kill(c.pid, SIGKILL);
    child_wait(&c);
}

static void test_keeps_what_is_there(void **state) {
    (void)state;
    char text[16];
    assert_int_equal(system("echo old > out/a.png; : > out/empty.png"), 0);
    EDIT_WITH("--threads", "1");
    assert_string_equal(c.err,
                        "firered edit: out/a.png is there already: name another --output, or "
                        "add --force\n");
    assert_int_equal(c.status, 1);
    assert_string_equal(report(), ""); /* before the model was loaded */
    assert_true(text_from_file("out/a.png", text, sizeof text));
    assert_string_equal(text, "old\n");
    EDIT_WITH("--output", "out/empty.png"); /* as mktemp makes them: there is nothing to lose */
    assert_int_equal(c.status, 0);
}

/* What comes to be there while the edit runs is nobody's to overwrite either. */
static void test_keeps_what_appears(void **state) {
    (void)state;
    char text[16];
    start_slow("slow", "6");
    assert_int_equal(system("echo new > out/a.png"), 0);
    assert_ends_soon();
    assert_has(c.err, "firered edit: out/a.png is there already: ");
    assert_int_equal(c.status, 1);
    assert_true(text_from_file("out/a.png", text, sizeof text));
    assert_string_equal(text, "new\n");
    assert_int_equal(files_in_out(), 1);
}

static void test_names_its_output(void **state) {
    (void)state;
    struct picture p;
    assert_int_equal(system("cp " PICTURE " out/photo.of.me.png; cp " PICTURE " bare"), 0);
    EDIT("--model", "m", "--prompt", "p", "--image", PICTURE, "--image", "out/photo.of.me.png",
         "--seed", "1");
    assert_int_equal(c.status, 0);
    assert_has(c.out, "out/photo.of.me-edited.png: 64x64, seed 1, ");
    assert_int_equal(read_output("out/photo.of.me-edited.png", &p), PICTURE_PNG);
    picture_free(&p);
    EDIT("--model", "m", "--prompt", "p", "--image", "./bare", "--count", "2", "--seed", "7");
    assert_int_equal(c.status, 0);
    assert_has(c.out, "./bare-edited-1.png: 64x64, seed 7, ");
    assert_has(c.out, "./bare-edited-2.png: 64x64, seed 8, ");
    EDIT("--model", "m", "--prompt", "p", "--image", "./bare", "--count", "2", "--seed", "7");
    assert_int_equal(c.status, 1);
    assert_int_equal(system("rm bare bare-edited-1.png bare-edited-2.png"), 0);
}

static void test_several_seeds(void **state) {
    (void)state;
    EDIT_WITH("--seed", "9", "--output", "out/b.webp", "--json");
    assert_int_equal(c.status, 0);
    assert_has(c.out, "{\"output\": \"out/b-1.webp\", \"width\": 64, \"height\": 64, \"seed\": 7, "
                      "\"steps\": 3, \"guidance_scale\": 2.5, \"model\": \"m\", \"seconds\": ");
    assert_has(c.out,
               "}\n{\"output\": \"out/b-2.webp\", \"width\": 64, \"height\": 64, \"seed\": 9, ");
    assert_has(report(), "open model=m"); /* once */
    assert_null(strstr(strstr(report(), "open model=m") + 1, "open"));
    assert_int_equal(files_in_out(), 2);
}

/* In words for people, in JSON for programs; nothing is said where much changed. */
static void test_hardly_changed(void **state) {
    (void)state;
    static const char note[] = "It mirrors, f\xc3\xbcrwahr.";
    EDIT_WITH("--json");
    assert_has(c.out, ", \"change\": 0.5}\n");
    assert_string_equal(c.err, "");
    EDIT_WITH("--force", "--prompt", "copy");
    assert_int_equal(c.status, 0);
    assert_string_equal(
        c.err, "firered edit: out/a.png: hardly anything changed (0.42 % of the pixels)\n");
    setenv("FAKE_NOTE", note, 1);
    EDIT_WITH("--force", "--prompt", "copy");
    assert_string_equal(c.err, "firered edit: out/a.png: hardly anything changed (0.42 % of the "
                               "pixels). It mirrors, f\xc3\xbcrwahr.\n");
    EDIT_WITH("--force", "--prompt", "copy", "--json");
    assert_has(c.out, ", \"change\": 0.0042, \"note\": \"It mirrors, f");
    assert_string_equal(c.err, "");
    EDIT_WITH("--force");
    assert_string_equal(c.err, "");
    unsetenv("FAKE_NOTE");
}

static void test_same_seed(void **state) {
    (void)state;
    EDIT_WITH("--output", "out/7.png");
    EDIT("--model", "m", "--prompt", "p", "--image", PICTURE, "--image", "out/7.png", "--seed", "7",
         "--seed", "8", "--output", "out/b.png");
    assert_int_equal(c.status, 0);
    assert_has(c.err, "firered edit: out/b-1.png: A picture was made with this very seed");
    assert_null(strstr(c.err, "out/b-2.png"));
}

static void test_size(void **state) {
    (void)state;
    EDIT_WITH("--size", "128x96");
    assert_int_equal(c.status, 0);
    assert_has(report(), "size=128x96\n");
    EDIT_WITH("--force", "--size", "input");
    assert_has(report(), "size=input\n");
    EDIT_WITH("--force", "--size", "model");
    assert_has(report(), "size=0x0\n");
}

static void test_pipe(void **state) {
    (void)state;
    struct picture p;
    assert_int_equal(system("cat " PICTURE " | " FAKE_PROGRAM
                            " edit --model m --image - --prompt p "
                            "--seed 7 > out/a.png 2> out/err"),
                     0);
    assert_int_equal(read_output("out/a.png", &p), PICTURE_PNG);
    picture_free(&p);
    char text[256];
    text_from_file("out/err", text, sizeof text);
    assert_has(text, "standard output: 64x64, seed 7, steps 3, ");
    assert_has(report(), "picture 53x37\n");
    assert_int_equal(WEXITSTATUS(system(FAKE_PROGRAM " edit --model m --image - --prompt p "
                                                     "--output - < /dev/null 2> out/err")),
                     1);
    text_from_file("out/err", text, sizeof text);
    assert_has(text, "firered edit: cannot use standard input: ");
    child_run_on_terminal(&c, FAKE_PROGRAM,
                          (const char *const[]){"edit", "--model", "m", "--image", PICTURE,
                                                "--prompt", "p", "--output", "-", NULL});
    assert_int_equal(c.status, 2);
    assert_has(c.out, "a picture is nothing for a terminal");
}

/* A PNG remembers how it was made; `firered info` tells it. */
static void test_texts(void **state) {
    (void)state;
    struct png_texts texts;
    EDIT_WITH("--prompt", "mach es\nblau \xf0\x9f\x98\x80", "--negative-prompt", "grey");
    assert_int_equal(c.status, 0);
    struct buffer file = read_bytes("out/a.png");
    assert_int_equal(png_texts_read(&texts, file.data, file.size, NULL), STATUS_OK);
    static const char *const expected[][2] = {{"Software", "firered " FIRERED_VERSION},
                                              {"prompt", "mach es\nblau \xf0\x9f\x98\x80"},
                                              {"negative_prompt", "grey"},
                                              {"seed", "7"},
                                              {"steps", "3"},
                                              {"guidance_scale", "2.5"},
                                              {"model", "m"}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const char *value = png_texts_find(&texts, expected[i][0]);
        assert_non_null(value);
        assert_string_equal(value, expected[i][1]);
    }
    png_texts_free(&texts);
    buffer_free(&file);
    EDIT_WITH("--force", "--guidance-scale", "1"); /* no guidance: nothing read the other prompt */
    assert_int_equal(buffer_read_file(&file, "out/a.png", 1 << 24, NULL), STATUS_OK);
    assert_int_equal(png_texts_read(&texts, file.data, file.size, NULL), STATUS_OK);
    assert_null(png_texts_find(&texts, "negative_prompt"));
    png_texts_free(&texts);
    buffer_free(&file);
}

static void test_interrupt(void **state) {
    (void)state;
    const int numbers[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < 2; i++) {
        unlink("report");
        start_slow("slow", "300");
        kill(c.pid, numbers[i]);
        assert_ends_soon();
        assert_refused(130, "firered edit: interrupted; nothing was written\n");
        assert_has(report(), "close\n");
    }
}

static void test_second_interrupt(void **state) {
    (void)state;
    start_slow("stubborn", "300");
    kill(c.pid, SIGINT);
    usleep(300000);
    assert_false(child_ended(&c));
    kill(c.pid, SIGINT);
    assert_ends_soon();
    assert_refused(130, "");
}

static void test_interrupt_while_loading(void **state) {
    (void)state;
    child_start(&c, FAKE_PROGRAM,
                (const char *const[]){"edit", "--model", "./slow", "--image", PICTURE, "--prompt",
                                      "p", "--output", "out/a.png", NULL});
    assert_true(wait_for_text("report", "open", 20));
    kill(c.pid, SIGINT);
    assert_ends_soon();
    assert_refused(130, "");
}

static void test_progress(void **state) {
    (void)state;
    const char *const words[] = {"edit", "--model",  "m",         "--image", PICTURE, "--prompt",
                                 "p",    "--output", "out/a.png", "--steps", "4",     NULL};
    child_run_on_terminal(&c, FAKE_PROGRAM, words);
    assert_int_equal(c.status, 0);
    assert_has(c.out, "load     [============>           ]  50%");
    assert_has(c.out, "encode   [>");
    assert_has(c.out, "denoise  [============>           ] 2/4  0 s left");
    assert_has(c.out, "decode   [========================]");
    assert_has(c.out, "\r\033[Kout/a.png: 64x64, ");

    const char *const verbose[] = {"edit",      "--model",  "m",         "--image",
                                   PICTURE,     "--prompt", "p",         "--output",
                                   "out/a.png", "--force",  "--verbose", NULL};
    child_run_on_terminal(&c, FAKE_PROGRAM, verbose);
    assert_int_equal(c.status, 0);
    assert_null(strchr(c.out, '\033'));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, scene_reset)
    const struct CMUnitTest tests[] = {
        TEST(test_plain),
        TEST(test_every_flag),
        TEST(test_formats),
        TEST(test_random_seed),
        TEST(test_environment),
        TEST(test_demo),
        TEST(test_bad_requests),
        TEST(test_bad_values),
        TEST(test_bad_pictures),
        TEST(test_engine_fails),
        TEST(test_output_in_the_way),
        TEST(test_full_disk),
        TEST(test_output_into_a_folder),
        TEST(test_pipes),
        TEST(test_nothing_is_fetched),
        TEST(test_half_written),
        TEST(test_replaces),
        TEST(test_keeps_what_is_there),
        TEST(test_keeps_what_appears),
        TEST(test_names_its_output),
        TEST(test_several_seeds),
        TEST(test_hardly_changed),
        TEST(test_same_seed),
        TEST(test_size),
        TEST(test_pipe),
        TEST(test_texts),
        TEST(test_interrupt),
        TEST(test_second_interrupt),
        TEST(test_interrupt_while_loading),
        TEST(test_progress),
    };
#undef TEST
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
