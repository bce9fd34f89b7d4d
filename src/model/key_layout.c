/*
 * Each layout of a checkpoint is a list of prefixes to exchange, and a tensor by which it is known.
 */
#include "model/key_layout.h"

#include <stdio.h>
#include <string.h>

enum { MAX_RULES = 2 };

struct key_rule {
    const char *from, *to; /* prefixes: the network's, the file's */
};

struct key_layout {
    const char *component;
    const char *mark; /* a tensor that only this layout has; NULL: the layout of all others */
    struct key_rule rules[MAX_RULES];
};

/* Of a component, the first whose mark is there. */
static const struct key_layout LAYOUTS[] = {
    /* transformers 5 */
    {"text_encoder",
     "model.language_model.embed_tokens.weight",
     {{"language.", "model.language_model."}, {"visual.", "model.visual."}}},
    /* transformers 4 */
    {"text_encoder", NULL, {{"language.", "model."}}},
};

static const struct key_layout AS_THE_NETWORK = {0};

const struct key_layout *key_layout_find(const char *component, const struct weights *w) {
    for (size_t i = 0; i < sizeof LAYOUTS / sizeof LAYOUTS[0]; i++) {
        const struct key_layout *l = &LAYOUTS[i];
        if (strcmp(component, l->component) != 0) continue;
        if (!l->mark || weights_find(w, l->mark)) return l;
    }
    return &AS_THE_NETWORK;
}

void key_layout_apply(const struct key_layout *l, char *out, size_t size, const char *name) {
    const char *to = "";
    for (int i = 0; i < MAX_RULES && l->rules[i].from; i++) {
        size_t n = strlen(l->rules[i].from);
        if (strncmp(name, l->rules[i].from, n) != 0) continue;
        to = l->rules[i].to;
        name += n;
        break;
    }
    if (snprintf(out, size, "%s%s", to, name) >= (int)size) out[0] = '\0';
}

static const struct {
    const char *text;
    enum adapter_role role;
} SUFFIXES[] = {
    {".lora_A.weight", ADAPTER_DOWN},
    {".lora_A.default.weight", ADAPTER_DOWN},
    {".lora_down.weight", ADAPTER_DOWN},
    {".lora_B.weight", ADAPTER_UP},
    {".lora_B.default.weight", ADAPTER_UP},
    {".lora_up.weight", ADAPTER_UP},
    {".alpha", ADAPTER_ALPHA},
};

static const struct {
    const char *text;
    bool flat;
} PREFIXES[] = {
    {"base_model.model.", false},
    {"diffusion_model.", false},
    {"transformer.", false},
    {"lora_unet_", true},
};

bool adapter_key_read(struct adapter_key *out, const char *key) {
    size_t n = strlen(key);
    *out = (struct adapter_key){.module = key, .role = ADAPTER_ROLES};
    for (size_t i = 0; i < sizeof SUFFIXES / sizeof SUFFIXES[0]; i++) {
        size_t tail = strlen(SUFFIXES[i].text);
        if (n <= tail || strcmp(key + n - tail, SUFFIXES[i].text) != 0) continue;
        out->role = SUFFIXES[i].role;
        out->length = n - tail;
    }
    if (out->role == ADAPTER_ROLES) return false;
    for (size_t i = 0; i < sizeof PREFIXES / sizeof PREFIXES[0]; i++) {
        size_t head = strlen(PREFIXES[i].text);
        if (out->length <= head || strncmp(out->module, PREFIXES[i].text, head) != 0) continue;
        out->module += head;
        out->length -= head;
        out->flat |= PREFIXES[i].flat;
    }
    return true;
}
