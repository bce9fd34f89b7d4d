/*
 * pretokenize.h - cuts text into the words within which byte pairs are merged.
 *
 * Qwen2's pattern (PRETOKENIZE_REGEX in transformers, models/qwen2/tokenization_qwen2.py), first
 * alternative that matches:
 *
 *     (?i:'s|'t|'re|'ve|'m|'ll|'d)
 *     [^\r\n\p{L}\p{N}]?\p{L}+
 *     \p{N}
 *      ?[^\s\p{L}\p{N}]+[\r\n]*         (a blank, optionally, comes first)
 *     \s*[\r\n]+
 *     \s+(?!\S)
 *     \s+
 *
 * The alternatives need no general regular expression: each is decided by one run of characters, so
 * the time is linear whatever the text, and the classes are those of char_class.h.  (?i:'s) takes
 * U+017F, the long s, too, as Unicode's case folding wants it.
 */
#ifndef TEXT_PRETOKENIZE_H
#define TEXT_PRETOKENIZE_H

#include <stddef.h>

/* The pattern as a tokenizer.json spells it. */
extern const char *const pretokenize_pattern;

/* The bytes of the first word of `text`, which is valid UTF-8 of `size` > 0 bytes: 1..size.  The
 * pattern looks at nothing before its match, so calling this again with the rest yields the next
 * word; together they are the whole text. */
size_t pretokenize_next(const char *text, size_t size);

#endif
