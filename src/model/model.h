/*
 * model.h - a model folder as a whole: its configs and its networks, packed for one device.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "firered.h"
#include "model/config.h"
#include "model/language.h"
#include "model/transformer.h"
#include "model/vae.h"
#include "model/vision.h"

struct model_config {
    struct transformer_config transformer;
    struct language_config language;
    struct vision_config vision;
    struct vae_config vae;
    struct edit_config edit;
};

/* Reads all config files, and checks that the networks fit each other. */
enum status model_config_load(struct model_config *out, const char *folder, struct error *err);

struct model {
    struct model_config config;
    struct transformer *transformer;
    struct vision *vision;
    struct language *language;
    struct vae *vae;
    struct weights *text_weights; /* the token embeddings are read from it */
    uint64_t parameters;
    size_t tensors;
};

/* The three folders of weights, open but not loaded. */
struct checkpoint {
    struct weights *transformer, *text_encoder, *vae;
};
enum status checkpoint_open(struct checkpoint *out, const char *folder, struct error *err);
void checkpoint_close(struct checkpoint *c);
bool checkpoint_is_16_bit(
    const struct checkpoint *c); /* no tensor of the transformer is stored in 32 bits */
uint64_t checkpoint_bytes(const struct checkpoint *c); /* as stored */

struct model_options {
    struct compute
        *compute; /* on a plan-only one every tensor is looked up and checked, and none is read */
    const struct firered_lora *loras; /* not together with a plan-only device */
    size_t lora_count;
    const struct log *log;
    void (*loading)(void *arg, double share); /* may be NULL */
    void *loading_arg;
};

/* Loads the networks; `checkpoint` gives up the text encoder's weights to the model, the rest
 * stays the caller's. STATUS_INVALID names the tensor, key or adapter that is wrong. */
enum status model_load(struct model *out, const struct model_config *config,
                       struct checkpoint *checkpoint, const struct model_options *options,
                       struct error *err);
void model_unload(struct model *m); /* leaves it empty */

#endif
