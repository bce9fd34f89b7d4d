/*
 * mutate.h - chance that can be repeated, and what it does to bytes.
 */
#ifndef TESTS_SOAK_MUTATE_H
#define TESTS_SOAK_MUTATE_H

#include <stdint.h>

#include "base/buffer.h"

struct dice {
    uint64_t state; /* any but 0 */
};

/* 0 to below - 1. */
unsigned throw_dice(struct dice *d, unsigned below);

/* Changes a few places of a request: bits, bytes, runs that vanish or come twice, words that mean
 * something to a parser; every second time in its head, where little means much. */
void mutate(struct buffer *request, struct dice *d);

#endif
