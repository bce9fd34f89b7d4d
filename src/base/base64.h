/*
 * base64.h - bytes as text (RFC 4648, section 4: with padding, without line breaks).
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>

#include "base/buffer.h"

/* Appends (n + 2) / 3 * 4 characters.  STATUS_NO_MEMORY: *out is as it was. */
enum status base64_append(struct buffer *out, const void *bytes, size_t n, struct error *err);

#endif
