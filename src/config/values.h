/*
 * values.h - strict reading of the values that people write: numbers, words, adapters.
 *
 * Strict means that the whole text is the value: `12abc`, ` 12`, `0x10`, `1e999`, `nan` and the
 * empty text are refused.  Each returns whether the text is such a value; the caller, who knows
 * where it came from, says what is wrong.
 */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered.h"

bool value_int(const char *text, int64_t min, int64_t max, int64_t *out);
bool value_uint64(const char *text, uint64_t *out); /* 0 .. 2^64-1 */
/* Bytes, from 1: digits, and perhaps K, M or G for 1024 and its powers. */
bool value_bytes(const char *text, uint64_t *out);
/* [-]digits[.digits][e[+-]digits], where one side of the point may be empty.  The decimal sign is
 * '.', whatever the locale. */
bool value_real(const char *text, double min, double max, double *out);
/* WIDTHxHEIGHT. */
bool value_size(const char *text, int min, int max, int *width, int *height);

bool value_url(const char *text); /* http:// or https://, a host, visible ASCII */

/* n bytes of a path, with the home directory ($HOME) in place of `~` or `~/` in front; malloc'ed, the
 * caller's.  NULL: no memory. */
char *value_path(const char *text, size_t n);

/* Something is there, and it is no folder. */
bool value_is_file(const char *path);

/* `FILE[:SCALE]`.  A text that is a file as it stands is that file at scale 1.  Else a path may
 * contain ':', too: what follows the last one is the scale only if it is a number, from -100 to 100;
 * so "a:1" is the file "a" at scale 1, and "C:adapter" is a file.  `~` is the home directory.
 * out->path is malloc'ed, the caller's. */
enum status value_lora(const char *text, struct firered_lora *out, struct error *err);
void loras_free(struct firered_lora *loras, size_t count); /* the array and its paths */

/* One of several words, and what it stands for. */
struct choice {
    const char *name; /* NULL ends a list */
    int value;
};
const struct choice *choice_find(const struct choice *list, const char *name); /* or NULL */
const struct choice *choice_find_word(const struct choice *list,
                                      const char *name); /* in any case */
/* "cpu, cuda or auto" */
void choice_names(const struct choice *list, char *out, size_t size);

/* A value as it may stand in a message: one line, no control characters, cut where it is long. */
struct shown_value {
    char text[96];
};
void value_show(struct shown_value *out, const char *value);

#endif
