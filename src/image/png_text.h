/*
 * png_text.h - the notes in a PNG file, such as the prompt and seed that made the picture.
 *
 * They are written by picture_encode_with (encode.h).  Here they are read back, without a look at
 * the pixels, from files of any origin: chunks tEXt, zTXt and iTXt, all as UTF-8.
 *
 *     struct png_texts texts;
 *     enum status s = png_texts_read(&texts, file.data, file.size, &err);
 *     const char *prompt = png_texts_find(&texts, "prompt");
 *     png_texts_free(&texts);
 *
 * Source: PNG, third edition, section 11.3.3.
 */
#ifndef IMAGE_PNG_TEXT_H
#define IMAGE_PNG_TEXT_H

#include <stddef.h>

#include "firered/status.h"
#include "image/encode.h"

enum {
    PNG_TEXTS_MAX = 256,           /* of one file */
    PNG_TEXTS_MAX_BYTES = 1 << 20, /* all keys and values together, inflated */
};

struct png_texts {
    struct picture_text *items; /* in the file's order; a key may be there more than once */
    size_t count;
    /* Text chunks that are not among the items: damaged, not UTF-8 where it should be, or beyond
     * the limits. */
    size_t left_out;
};

/* The caller releases *out; when it fails, *out is empty.  The strings are valid UTF-8, but may
 * hold control characters: whoever shows them on a terminal leaves those out.
 * STATUS_UNSUPPORTED: no PNG file.  STATUS_INVALID: it ends before it should.  STATUS_NO_MEMORY. */
enum status png_texts_read(struct png_texts *out, const void *bytes, size_t size,
                           struct error *err);
void png_texts_free(struct png_texts *t); /* leaves it empty */

/* The value of the first item with this key, or NULL. */
const char *png_texts_find(const struct png_texts *t, const char *key);

#endif
