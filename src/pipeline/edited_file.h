/*
 * edited_file.h - an edited picture as a file that remembers how it was made.
 *
 * A PNG carries these texts, which `firered info FILE.png` reads back (image/png_text.h):
 *
 *     Software         "firered 0.1.0"
 *     prompt
 *     negative_prompt  only where there was guidance, which is what reads it
 *     seed, steps, guidance_scale
 *     model            its name
 *
 * JPEG and WebP files carry none.  A result that is nearly what went in, or is likely to disappoint for
 * a known reason, is explained in a note.
 */
#ifndef PIPELINE_EDITED_FILE_H
#define PIPELINE_EDITED_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "image/encode.h"

/* As they were used, not as they were asked for. */
struct edit_settings {
    const char *prompt, *negative_prompt, *model;
    uint64_t seed;
    int steps;
    double guidance_scale;
};

/* Appends the file to *out.  quality: of encode_options.  Errors as picture_encode_with. */
enum status edited_file_encode(struct buffer *out, const struct picture *picture,
                               enum picture_format format, int quality,
                               const struct edit_settings *settings, struct error *err);

/* The seed that made the picture in a file; false: it is no PNG of ours. */
bool edited_file_seed(uint64_t *seed, const void *bytes, size_t size);

/* Whether hardly anything changed: a share (firered_result) below 0.01.  The demo model leaves 0.006 of
 * a photograph that it was to leave alone, and its smallest edits are 0.06. */
bool edit_hardly_changed(double change);

/* What is to be said of an edit beside its numbers, in one line of at most EDIT_NOTE_SIZE - 1 bytes;
 * "": nothing.  Where hardly anything changed, the model's own note, which may be NULL; where one of its
 * pictures was made with its seed, that. */
enum { EDIT_NOTE_SIZE = 512 };
void edit_note(char out[EDIT_NOTE_SIZE], const char *model_note, double change, bool same_seed);

#endif
