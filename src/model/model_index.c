/*
 * The names come from a file that anybody may have written: they are shown cut, without control
 * characters.
 */
#include "model/model_index.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"

enum { INDEX_LIMIT = 1 << 20 };

static const struct {
    const char *part, *class;
} KNOWN[] = {
    {"transformer", "QwenImageTransformer2DModel"},
    {"text_encoder", "Qwen2_5_VLForConditionalGeneration"},
    {"vae", "AutoencoderKLQwenImage"},
    {"scheduler", "FlowMatchEulerDiscreteScheduler"},
    {"tokenizer", "Qwen2Tokenizer"},
    {"tokenizer", "Qwen2TokenizerFast"},
    {"processor", "Qwen2VLProcessor"},
    {"processor", "Qwen2_5_VLProcessor"},
};

struct word {
    char text[81];
};

static struct word shown(const char *text) {
    struct word w;
    snprintf(w.text, sizeof w.text, "%s", text);
    for (char *c = w.text; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e) *c = '?';
    return w;
}

static enum status check_pipeline(const char *class, struct buffer *notes, const char *path,
                                  struct error *err) {
    static const char ours[] = "QwenImageEditPlusPipeline";
    if (!class)
        return buffer_printf(notes,
                             "model_index.json does not say which pipeline it is for; taken "
                             "for a %s\n",
                             ours);
    if (strcmp(class, ours) == 0) return STATUS_OK;
    return fail(err, STATUS_INVALID,
                "%.250s: the model is for a %s, which is not supported; only %s is", path,
                shown(class).text, ours);
}

static enum status check_part(const char *part, const json_t *value, struct buffer *notes) {
    const char *class = json_string_value(json_array_get(value, 1));
    bool known_part = false;
    if (!class)
        return STATUS_OK; /* null: a part that this model has not; or a pipeline's setting */
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        if (strcmp(KNOWN[i].part, part) != 0) continue;
        known_part = true;
        if (strcmp(KNOWN[i].class, class) == 0) return STATUS_OK;
    }
    if (known_part)
        return buffer_printf(notes,
                             "model_index.json: the %s is a %s, which is not known here; "
                             "taken for what its config says\n",
                             part, shown(class).text);
    return buffer_printf(notes, "model_index.json: the part %s (%s) is not used\n",
                         shown(part).text, shown(class).text);
}

enum status model_index_check(const char *folder, struct buffer *notes, struct error *err) {
    struct buffer path = {0};
    json_t *root = NULL, *value;
    const char *key;
    enum status s = buffer_printf(&path, "%s/model_index.json", folder);
    if (s != STATUS_OK)
        s = fail(err, s, "no memory for the paths of a model");
    else if (access(path.data, F_OK) == 0 &&
             (s = json_open(&root, path.data, INDEX_LIMIT, err)) == STATUS_OK) {
        s = check_pipeline(json_string_value(json_object_get(root, "_class_name")), notes,
                           path.data, err);
        json_object_foreach(root, key, value) if (s == STATUS_OK && *key != '_') s =
            check_part(key, value, notes);
    }
    json_decref(root);
    buffer_free(&path);
    return s == STATUS_NO_MEMORY ? fail(err, s, "no memory to read model_index.json") : s;
}
