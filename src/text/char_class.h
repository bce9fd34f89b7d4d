/* char_class.h - what added tokens and blank prompts ask of a character; the categories are
 * utf8proc's. */
#ifndef TEXT_CHAR_CLASS_H
#define TEXT_CHAR_CLASS_H

#include <stdbool.h>
#include <stdint.h>

/* The property White_Space, so neither U+180E nor U+200B. */
bool char_is_space(int32_t code_point);

/* \w as added tokens with `single_word` mean it (UTS #18, Annex C): alphabetic, marks, decimal
 * digits, connector punctuation, joiners. */
bool char_is_word(int32_t code_point);

#endif
