/*
 * The settings become key and value pairs, which the encoder writes as the format has it, and of which
 * one is read back.
 */
#include "pipeline/edited_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/png_text.h"

#define SOFTWARE "firered "

enum status edited_file_encode(struct buffer *out, const struct picture *picture,
                               enum picture_format format, int quality,
                               const struct edit_settings *settings, struct error *err) {
    char seed[24], steps[16], guidance[32];
    bool guided = settings->guidance_scale > 1;
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)settings->seed);
    snprintf(steps, sizeof steps, "%d", settings->steps);
    snprintf(guidance, sizeof guidance, "%.15g", settings->guidance_scale);
    const struct picture_text texts[] = {
        {"Software", SOFTWARE FIRERED_VERSION},
        {"prompt", settings->prompt},
        {"negative_prompt", guided ? settings->negative_prompt : ""},
        {"seed", seed},
        {"steps", steps},
        {"guidance_scale", guidance},
        {"model", settings->model},
    };
    const struct encode_options options = {texts, sizeof texts / sizeof texts[0], quality};
    return picture_encode_with(out, picture, format, &options, err);
}

static bool read_seed(uint64_t *out, const char *text) {
    if (!text || !*text || text[strspn(text, "0123456789")]) return false;
    errno = 0;
    *out = strtoull(text, NULL, 10);
    return errno == 0;
}

bool edited_file_seed(uint64_t *seed, const void *bytes, size_t size) {
    struct png_texts texts;
    if (png_texts_read(&texts, bytes, size, NULL) != STATUS_OK) return false;
    const char *software = png_texts_find(&texts, "Software");
    bool ours = software && strncmp(software, SOFTWARE, sizeof SOFTWARE - 1) == 0 &&
                read_seed(seed, png_texts_find(&texts, "seed"));
    png_texts_free(&texts);
    return ours;
}

bool edit_hardly_changed(double change) {
    return change < 0.01;
}

void edit_note(char out[EDIT_NOTE_SIZE], const char *model_note, double change, bool same_seed) {
    const char *note = model_note && edit_hardly_changed(change) ? model_note : "";
    snprintf(out, EDIT_NOTE_SIZE, "%s%s%s", note, *note && same_seed ? " " : "",
             same_seed ? "A picture was made with this very seed: from the same noise come haloed "
                         "near-copies; another seed does better."
                       : "");
}
