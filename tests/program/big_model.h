/*
 * big_model.h - a model large enough that its memory can be measured: the tiny one with a
 * transformer of random weights in any size.
 */
#ifndef PROGRAM_BIG_MODEL_H
#define PROGRAM_BIG_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct big_model {
    int64_t heads, layers; /* heads of 64 */
    bool bfloat16;
};

/* Makes the folder, below 700 bytes of path, with links to the tiny model's other files.  Returns
 * the bytes of all weights. */
int64_t big_model_write(const char *folder, const struct big_model *m);

#endif
