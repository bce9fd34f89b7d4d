/*
 * base64.h - bytes as text (RFC 4648, section 4: with padding, without line breaks).
 *
 * Read, it may be as others write it: without padding, with line breaks and blanks, or in the other
 * alphabet (section 5).
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* Appends (n + 2) / 3 * 4 characters.  STATUS_NO_MEMORY: *out is as it was. */
enum status base64_append(struct buffer *out, const void *bytes, size_t n, struct error *err);

/* Puts the bytes in the place of their text; *out is how many there are.  False: it is no base64, and
 * the text is spoilt. */
bool base64_decode(char *text, size_t size, size_t *out);

#endif
