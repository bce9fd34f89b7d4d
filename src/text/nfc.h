/*
 * nfc.h - Unicode's normalization form C, which the tokenizer applies to every stretch of ordinary
 * text.
 *
 * The character data are utf8proc's, limited to the characters that the reference tokenizer's
 * normalizer knows: those of Unicode 9 (nfc_table.h).  A mark that was added to Unicode later keeps
 * its place, as it does there, whatever the version of utf8proc.  Two more things are our own:
 * marks are ordered by a stable sort that stays fast on absurdly long runs of marks (utf8proc's own
 * is quadratic), and U+11A7 is never swallowed (utf8proc, up to 2.8 at least, composes it with a
 * Hangul syllable, against the standard).
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
