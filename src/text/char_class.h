/*
 * char_class.h - what Qwen's split pattern asks of a character: letter, number, white space or
 * something else.
 *
 * The table is our own instead of a library's because the ids depend on it: the regular expressions
 * of the reference tokenizer (the package tokenizers 0.23) know the General Category of Unicode
 * 16.0, and a library of another Unicode version cuts the text in other places (PCRE2 10.42 on some
 * nine thousand characters).
 */
#ifndef TEXT_CHAR_CLASS_H
#define TEXT_CHAR_CLASS_H

#include <stdbool.h>
#include <stdint.h>

enum char_class {
    CHAR_OTHER,
    CHAR_LETTER, /* \p{L} */
    CHAR_NUMBER, /* \p{N} */
    CHAR_SPACE,  /* \s: the property White_Space, so neither U+180E nor U+200B */
};

enum char_class char_class(int32_t code_point);

/* \w as added tokens with `single_word` mean it (UTS #18, Annex C): alphabetic, marks, decimal
 * digits, connector punctuation, joiners.  The categories are utf8proc's. */
bool char_is_word(int32_t code_point);

#endif
