/*
 * eval_list.h - the list of edits that `firered eval` runs, and what each should have given.
 *
 * One edit a line, fields parted by tabs; empty lines and lines that start with # are skipped:
 *
 *     PICTURE  PROMPT  EXPECTED  CLASS  [steps=N]  [seed=N]  [guidance=G]
 *
 * PICTURE and EXPECTED are picture files, relative to the list's own folder.  The edit is made in
 * EXPECTED's size.  CLASS names the kind of edit, such as "night".  Without steps and guidance the
 * command's or the model's count; without a seed it is 0.
 */
#ifndef CLI_EVAL_LIST_H
#define CLI_EVAL_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"

struct eval_item {
    char *picture, *expected; /* paths as they can be opened */
    const char *prompt, *class;
    int steps;       /* 0: not said */
    double guidance; /* negative: not said */
    uint64_t seed;
    int width, height; /* 0: not known yet; for whoever reads the expected picture */
};

struct eval_list {
    struct eval_item *items;
    size_t count;
    char *text; /* the file; prompts and classes point into it */
};

/* STATUS_IO: the file cannot be read.  STATUS_INVALID: it is empty or too large, or a line is wrong,
 * which is named.  STATUS_NO_MEMORY.  On success the caller releases *out. */
enum status eval_list_read(struct eval_list *out, const char *path, struct error *err);
void eval_list_free(struct eval_list *list); /* leaves it empty */

#endif
