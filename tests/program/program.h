/*
 * program.h - what the tests of the whole program share: command lines, recorded cases, and copies
 * of a model to damage.
 *
 * Tests run in a scene (support/child.h): a folder of their own, of which `out` is empty before each.
 */
#ifndef PROGRAM_PROGRAM_H
#define PROGRAM_PROGRAM_H

#include "support/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "image/quality.h"
#include "pipeline/reference_case.h"
#include "support/child.h"
#include "support/files.h"
#include "support/sanitized.h"

#define TINY       "tiny-edit"
#define TINY_MODEL TEST_DATA "/tiny-edit/model"
#define BF16       "tiny-edit-bf16-sharded"
#define BF16_MODEL TEST_DATA "/tiny-edit-bf16-sharded/model"

enum { MAX_WORDS = 40 };

struct command_line {
    const char *words[MAX_WORDS + 1];
    char texts[MAX_WORDS][700];
    int count;
};

void line_start(struct command_line *l, const char *command);
__attribute__((format(printf, 3, 4))) void line_add(struct command_line *l, const char *flag,
                                                    const char *format, ...);
void line_add_switch(struct command_line *l, const char *flag); /* one without a value */
/* Model, pictures, prompts, seed, steps, guidance, size and dtype of a recorded case. */
void line_add_case(struct command_line *l, const struct reference_case *c, const char *model);
/* An edit that takes one step of a small picture, with everything but the output. */
void line_start_small_edit(struct command_line *l, const char *model);
void line_run(const struct command_line *l, struct child *c);

/* Runs and fails the test, with what the program said, unless it ends well and says nothing. */
void line_run_well(const struct command_line *l, struct child *c);

/* Runs a command that is to fail: with a status from 1 to 127, nothing on standard output, and
 * one sentence of one line that has `part` in it.  FIRERED_SHOW_SENTENCES=1 prints them. */
void line_run_badly(const struct command_line *l, const char *part);

/* What the running test has spoiled; shown when line_run_badly fails. */
__attribute__((format(printf, 1, 2))) void tell_story(const char *format, ...);

void read_picture(struct picture *out, const char *path);
bool same_files(const char *a, const char *b);
int count_files(const char *folder); /* hidden ones too; 0 for no folder */

/* Keeps only the first `size` bytes of a file (a negative size: all but the last -size). */
void cut_file(const char *path, long size);
/* Sets a key of a JSON file, or takes it away (value NULL).  key: "text_config.hidden_size". */
void patch_json(const char *path, const char *key, const char *value);

#endif
