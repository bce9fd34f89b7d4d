/*
 * vocabulary.h - how many ids a tokenizer can give.
 */
#ifndef TESTS_TEXT_VOCABULARY_H
#define TESTS_TEXT_VOCABULARY_H

#include "text/tokenizer_internal.h"

/* The largest id + 1, added tokens included. */
static inline size_t vocabulary_size(const struct tokenizer *t) {
    size_t size = bpe_size(t->bpe);
    for (size_t i = 0; i < t->added.count; i++)
        if ((size_t)t->added.tokens[i].id >= size) size = (size_t)t->added.tokens[i].id + 1;
    return size;
}

#endif
