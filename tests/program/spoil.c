/*
 * One command line for all: a small edit of the copy in out/m, whose picture would go into out/p,
 * a folder that has to stay empty.
 */
#include "program/spoil.h"

#include <sys/stat.h>

struct command_line line;

void start(void) {
    line_start_small_edit(&line, "out/m");
    line_add(&line, "--output", "out/p/edited.png");
}

void fresh_model(void) {
    assert_int_equal(scene_reset(NULL), 0);
    assert_int_equal(mkdir("out/p", 0700), 0);
    link_model("out/m", TINY_MODEL);
}

void fresh_sharded_model(void) {
    assert_int_equal(scene_reset(NULL), 0);
    assert_int_equal(mkdir("out/p", 0700), 0);
    link_model("out/m", BF16_MODEL);
}

void fails_with(const char *part) {
    line_run_badly(&line, part);
    assert_int_equal(count_files("out/p"), 0);
}

void edit_fails_with(const char *part) {
    start();
    fails_with(part);
}
