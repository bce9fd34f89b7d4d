/*
 * The settings become key and value pairs, which the encoder writes as the format has it.
 */
#include "pipeline/edited_file.h"

#include <stdio.h>

enum status edited_file_encode(struct buffer *out, const struct picture *picture,
                               enum picture_format format, int quality,
                               const struct edit_settings *settings, struct error *err) {
    char seed[24], steps[16], guidance[32];
    bool guided = settings->guidance_scale > 1;
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)settings->seed);
    snprintf(steps, sizeof steps, "%d", settings->steps);
    snprintf(guidance, sizeof guidance, "%.15g", settings->guidance_scale);
    const struct picture_text texts[] = {
        {"Software", "firered " FIRERED_VERSION},
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
