/*
 * nfc.h - Unicode's normalization form C, which the tokenizer applies to every stretch of ordinary
 * text.
 *
 * The character data are utf8proc's (2.8: Unicode 15).  The reference's normalizer (the package
 * tokenizers 0.23) has those of Unicode 9: a mark or a composition that came after that is brought
 * into form C here and left alone there.
 */
#ifndef TEXT_NFC_H
#define TEXT_NFC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* True when a glance shows that the text is in form C: it has no character from U+0300 on. */
bool nfc_is_plain(const char *text, size_t size);

/* Appends the form C of `text`, valid UTF-8, to `out`.  STATUS_INVALID: not UTF-8.
 * STATUS_NO_MEMORY. */
enum status nfc_append(struct buffer *out, const char *text, size_t size, struct error *err);

#endif
