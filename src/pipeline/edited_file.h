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
 * JPEG and WebP files carry none.
 */
#ifndef PIPELINE_EDITED_FILE_H
#define PIPELINE_EDITED_FILE_H

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

#endif
