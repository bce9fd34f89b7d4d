/*
 * spoil.h - edits that work, for the tests that spoil one thing each.
 *
 * The model is a copy of links in out/m, the output is to go to out/p, which holds nothing else.
 */
#ifndef PROGRAM_SPOIL_H
#define PROGRAM_SPOIL_H

#include "program/program.h"

extern struct command_line line;

void start(void); /* makes `line` a good edit of the model in out/m */
void fresh_model(void);
void fresh_sharded_model(void);

/* Runs `line`, which must fail with one sentence that has `part` in it, and leave no file. */
void fails_with(const char *part);
void edit_fails_with(const char *part); /* start, then fails_with */

#endif
