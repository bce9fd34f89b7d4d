/*
 * loading.h - settings as `firered serve` would read them: from flags, the environment and a .env in
 * the folder that the tests run in, which is empty and their own.
 */
#ifndef TESTS_CONFIG_LOADING_H
#define TESTS_CONFIG_LOADING_H

#include "config/config.h"

/* For a group of tests: the folder.  For every test: no variable set, no file there. */
int enter_folder(void **state);
int leave_folder(void **state);
int set_up(void **state);

void write_env(const char *text);

enum { MAX_WORDS = 32 };

/* words: flags up to a NULL; NULL for none. */
enum status load(struct config *c, struct error *err, const char *const *words);
#define LOAD(c, err, ...) load(c, err, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
void load_good(struct config *c);

#endif
