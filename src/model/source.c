/*
 * Diffusers gives each part a folder below the model's, and its config file a place in it.
 */
#include "model/source.h"

#include <stdlib.h>

#include "base/buffer.h"

enum status source_from_folder(struct source *out, const char *folder, struct error *err) {
    static const char *const BELOW[SOURCE_PARTS] = {
        [SOURCE_TRANSFORMER] = "/transformer",
        [SOURCE_TEXT_ENCODER] = "/text_encoder",
        [SOURCE_VAE] = "/vae",
        [SOURCE_TOKENIZER] = "/tokenizer",
        [SOURCE_CONFIGS] = "",
    };
    *out = (struct source){0};
    for (int i = 0; i < SOURCE_PARTS; i++) {
        struct buffer path = {0};
        if (buffer_printf(&path, "%s%s", folder, BELOW[i]) != STATUS_OK) {
            buffer_free(&path);
            source_free(out);
            return fail(err, STATUS_NO_MEMORY, "no memory for the paths of a model");
        }
        out->paths[i] = path.data;
    }
    return STATUS_OK;
}

void source_free(struct source *s) {
    for (int i = 0; i < SOURCE_PARTS; i++) free(s->paths[i]);
    *s = (struct source){0};
}
