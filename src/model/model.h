/*
 * model.h - a model as a whole: its configs and its networks, packed for one device.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/buffer.h"
#include "firered.h"
#include "model/config.h"
#include "model/language.h"
#include "model/source.h"
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
enum status model_config_load(struct model_config *out, const struct source *from,
                              struct error *err);

/* Stacks of blocks of which some may stream, in the order in which it is worth most to keep their
 * blocks: the first is read in every step, the others once per edit. */
enum model_stack {
    MODEL_TRANSFORMER_BLOCKS,
    MODEL_TRANSFORMER_MODULATION,
    MODEL_LANGUAGE_LAYERS,
    MODEL_VISION_LAYERS,
    MODEL_STACKS
};

struct model {
    struct model_config config;
    struct transformer *transformer;
    struct vision *vision;
    struct language *language;
    struct vae *vae;
    struct lora **loras; /* what streams is merged again and again */
    size_t lora_count;
    struct layer_list transformer_layers; /* what an adapter may be for */
    uint64_t parameters;
    size_t tensors;
    struct unused_tensors unused_transformer, unused_text_encoder, unused_vae;
};

/* The weights of the three networks, open but not loaded. */
struct checkpoint {
    struct weights *transformer, *text_encoder, *vae;
};
enum status checkpoint_open(struct checkpoint *out, const struct source *from, struct error *err);
void checkpoint_close(struct checkpoint *c);
bool checkpoint_is_16_bit(
    const struct checkpoint *c); /* no tensor of the transformer is stored in 32 bits */
uint64_t checkpoint_bytes(const struct checkpoint *c); /* as stored */

struct model_options {
    struct compute
        *compute; /* on a plan-only one every tensor is looked up and checked, and none is read */
    const struct firered_lora *loras;
    size_t lora_count;
    const int64_t *keep; /* [MODEL_STACKS] blocks that stay resident of each; NULL: all of them */
    const struct log *log;
    void (*loading)(void *arg, double share); /* may be NULL */
    void *loading_arg;
};

/* Loads the networks.  `checkpoint` must outlive the model, which reads token embeddings and what
 * streams from it. STATUS_INVALID names the tensor, key or adapter that is wrong. */
enum status model_load(struct model *out, const struct model_config *config,
                       const struct checkpoint *checkpoint, const struct model_options *options,
                       struct error *err);
void model_unload(struct model *m); /* leaves it empty */

/* Adds a line to `notes` for each network whose files hold what it does not use.  STATUS_NO_MEMORY. */
enum status model_describe_unused(const struct model *m, struct buffer *notes);

/* Whether the files that edits read from, streamed blocks' and the embeddings', are as they were when
 * they were opened; STATUS_IO names one that is not.  What is resident needs its file no more. */
enum status model_check_files(const struct model *m, const struct checkpoint *checkpoint,
                              struct error *err);

struct blocks_size model_stack_size(const struct model *m, enum model_stack stack);

#endif
