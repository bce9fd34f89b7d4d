/*
 * The settings go before what the model's makers say, and a distilled model before both: guidance
 * would spoil its pictures.
 */
#include "service/edit_rules.h"

struct edit_rules edit_rules_of(const char *model, const struct firered_info *info,
                                const struct config *config) {
    double guidance =
        config->default_guidance >= 0 ? config->default_guidance : info->default_guidance_scale;
    return (struct edit_rules){
        .model = model,
        .note = info->note,
        .max_pictures = info->max_pictures,
        .max_image_pixels = config->max_image_pixels,
        .max_steps = config->max_steps,
        .steps = config->default_steps ? config->default_steps : info->default_steps,
        .guidance_scale = info->distilled ? 1.0 : guidance,
        .fixed_guidance = info->distilled,
        .negative_prompt = config->negative_prompt ? config->negative_prompt : " ",
    };
}
