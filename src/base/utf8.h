/*
 * utf8.h - text from outside: whether it is UTF-8 (RFC 3629: no surrogates, no overlong forms), and
 * whether it says anything.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character that `text` begins with goes to *c.  Returns its bytes, 1 to 4; 0 where `size` is 0
 * or no UTF-8 begins, *c is undefined then. */
size_t utf8_next(const char *text, size_t size, int32_t *c);

/* How many bytes at the beginning of `text` are UTF-8: `size` when all of it is. */
size_t utf8_valid(const char *text, size_t size);

/* Whether all of it is UTF-8, without a NUL. */
bool utf8_is_text(const char *text, size_t size);

/* Whether a text, which may be empty, shows nothing: white space, control and format characters
 * alone (the last make U+200B one).  False for what is not UTF-8. */
bool utf8_is_blank(const char *text, size_t size);

/* Where a text begins: behind a byte order mark (U+FEFF), which editors and shells of Windows put
 * before one, and which is no part of it. */
const char *utf8_skip_mark(const char *text);

#endif
