/*
 * The networks are loaded one after another, the transformer first, since adapters can fail there; each
 * has a loader of its own over its component's weights.  Progress is counted in stored bytes over all
 * three.
 */
#include "model/model.h"

#include <stdlib.h>

enum status model_config_load(struct model_config *out, const struct source *from,
                              struct error *err) {
    const char *folder = from->paths[SOURCE_CONFIGS];
    enum status s = transformer_config_load(&out->transformer, folder, err);
    if (s == STATUS_OK) s = text_encoder_config_load(&out->language, &out->vision, folder, err);
    if (s == STATUS_OK) s = vae_config_load(&out->vae, folder, err);
    if (s == STATUS_OK) s = edit_config_load(&out->edit, folder, err);
    if (s != STATUS_OK) return s;
    if (out->transformer.text_width != out->language.hidden)
        return fail(err, STATUS_INVALID,
                    "the transformer takes prompts of width %lld (joint_attention_dim), but the "
                    "text encoder's "
                    "hidden_size is %lld",
                    (long long)out->transformer.text_width, (long long)out->language.hidden);
    if (out->transformer.in_channels != 4 * out->vae.z)
        return fail(err, STATUS_INVALID,
                    "the transformer's in_channels is %lld, but 4 times the VAE's z_dim is %lld",
                    (long long)out->transformer.in_channels, 4LL * out->vae.z);
    return STATUS_OK;
}

/* ---- checkpoint ---- */

static enum status open_component(struct weights **out, const char *folder, const char *component,
                                  const char *stem, struct error *err) {
    struct error why; /* names the file, but two components have files of the same name */
    enum status s = weights_open(out, folder, stem, &why);
    return s == STATUS_OK ? s : fail(err, s, "%s: %s", component, why.text);
}

enum status checkpoint_open(struct checkpoint *out, const struct source *from, struct error *err) {
    *out = (struct checkpoint){0};
    enum status s = open_component(&out->transformer, from->paths[SOURCE_TRANSFORMER],
                                   "transformer", "diffusion_pytorch_model", err);
    if (s == STATUS_OK)
        s = open_component(&out->text_encoder, from->paths[SOURCE_TEXT_ENCODER], "text_encoder",
                           "model", err);
    if (s == STATUS_OK)
        s = open_component(&out->vae, from->paths[SOURCE_VAE], "vae", "diffusion_pytorch_model",
                           err);
    if (s != STATUS_OK) checkpoint_close(out);
    return s;
}

void checkpoint_close(struct checkpoint *c) {
    weights_close(c->transformer);
    weights_close(c->text_encoder);
    weights_close(c->vae);
    *c = (struct checkpoint){0};
}

bool checkpoint_is_16_bit(const struct checkpoint *c) {
    for (size_t i = 0; i < weights_count(c->transformer); i++)
        if (weights_at(c->transformer, i)->dtype == DTYPE_F32) return false;
    return true;
}

static uint64_t stored_bytes(const struct weights *w) {
    uint64_t bytes = 0;
    for (size_t i = 0; w && i < weights_count(w); i++)
        bytes += dtype_bytes(weights_at(w, i)->dtype, (size_t)weights_at(w, i)->count);
    return bytes;
}

uint64_t checkpoint_bytes(const struct checkpoint *c) {
    return stored_bytes(c->transformer) + stored_bytes(c->text_encoder) + stored_bytes(c->vae);
}

/* ---- loading ---- */

struct loading {
    struct read_ahead ahead; /* runs where elements are read */
    const struct model_options *options;
    const struct checkpoint *checkpoint;
    const int64_t *keep;
    uint64_t done, total;
};

static void count_progress(void *arg, uint64_t bytes) {
    struct loading *l = arg;
    l->done += bytes;
    if (l->options->loading)
        l->options->loading(l->options->loading_arg, (double)l->done / (double)l->total);
}

static struct loader loader_for(struct loading *loading, const char *component,
                                const struct weights *weights) {
    return (struct loader){.component = component,
                           .weights = weights,
                           .compute = loading->options->compute,
                           .log = loading->options->log,
                           .reader = loading->ahead.runs ? &loading->ahead : NULL,
                           .progress = count_progress,
                           .progress_arg = loading};
}

static void take_counts(struct model *m, const struct loader *l) {
    m->parameters += l->parameters;
    m->tensors += l->tensors;
}

/* Vision tower and language model share a folder. */
static enum status load_text_encoder(struct model *m, struct loading *loading, struct error *err) {
    const struct weights *weights = loading->checkpoint->text_encoder;
    struct loader l = loader_for(loading, "text_encoder", weights);
    l.bears = PRECISION_FLOAT32 | PRECISION_BFLOAT16;
    l.blocks = m->config.language.layers;
    enum status s = loader_start(&l, err);
    loader_set_prefix(&l, "visual.");
    if (s == STATUS_OK)
        s = vision_load(&m->vision, &m->config.vision, loading->keep[MODEL_VISION_LAYERS], &l, err);
    loader_set_prefix(&l, "language.");
    if (s == STATUS_OK)
        s = language_load(&m->language, &m->config.language, loading->keep[MODEL_LANGUAGE_LAYERS],
                          &l, err);
    loader_set_prefix(&l, "");
    if (s == STATUS_OK)
        load_nothing(&l,
                     (const int64_t[]){m->config.language.vocabulary, m->config.language.hidden}, 2,
                     "lm_head.weight");
    enum status finished = loader_finish(&l);
    take_counts(m, &l);
    m->unused_text_encoder = l.unused;
    return s == STATUS_OK ? finished : s;
}

static enum status load_transformer(struct model *m, struct loading *loading, struct error *err) {
    const int64_t keep[] = {[TRANSFORMER_BLOCKS] = loading->keep[MODEL_TRANSFORMER_BLOCKS],
                            [TRANSFORMER_MODULATION] = loading->keep[MODEL_TRANSFORMER_MODULATION]};
    struct loader l = loader_for(loading, "transformer", loading->checkpoint->transformer);
    l.bears = PRECISION_FLOAT32 | PRECISION_BFLOAT16;
    l.loras = m->loras;
    l.lora_count = m->lora_count;
    l.layers = &m->transformer_layers;
    l.blocks = m->config.transformer.layers;
    enum status s = transformer_load(&m->transformer, &m->config.transformer, keep, &l, err);
    take_counts(m, &l);
    m->unused_transformer = l.unused;
    for (size_t i = 0; i < m->lora_count && s == STATUS_OK; i++)
        s = lora_check(m->loras[i], &m->transformer_layers, err);
    return s;
}

/* The VAE is small and its arithmetic visible in the picture: always in float32. */
static enum status load_vae(struct model *m, struct loading *loading, struct error *err) {
    struct loader l = loader_for(loading, "vae", loading->checkpoint->vae);
    l.bears = PRECISION_FLOAT32;
    enum status s = vae_load(&m->vae, &m->config.vae, &l, err);
    take_counts(m, &l);
    m->unused_vae = l.unused;
    return s;
}

static enum status open_loras(struct model *m, const struct model_options *o, struct error *err) {
    m->loras = calloc(o->lora_count + 1, sizeof(struct lora *));
    if (!m->loras) return fail(err, STATUS_NO_MEMORY, "no memory to load the adapters");
    enum status s = STATUS_OK;
    for (; m->lora_count < o->lora_count && s == STATUS_OK; m->lora_count++) {
        const struct firered_lora *lora = &o->loras[m->lora_count];
        s = lora_open(&m->loras[m->lora_count], lora->path, lora->scale, err);
        if (s == STATUS_OK && lora_passed_config_over(m->loras[m->lora_count]))
            log_event(o->log, LOG_WARN, "adapter_config.json passed over",
                      LOG_STR("adapter", lora->path),
                      LOG_STR("why", "several adapters share its folder"));
    }
    return s;
}

enum status model_load(struct model *out, const struct model_config *config,
                       const struct checkpoint *checkpoint, const struct model_options *options,
                       struct error *err) {
    static const int64_t keep_all[MODEL_STACKS] = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    *out = (struct model){.config = *config};
    struct loading loading = {.options = options,
                              .checkpoint = checkpoint,
                              .keep = options->keep ? options->keep : keep_all,
                              .total = checkpoint_bytes(checkpoint) + 1};
    bool reads = !compute_is_plan_only(options->compute);
    if (reads) read_ahead_start(&loading.ahead);
    enum status s = open_loras(out, options, err);
    if (s == STATUS_OK) s = load_transformer(out, &loading, err);
    if (s == STATUS_OK) s = load_text_encoder(out, &loading, err);
    if (s == STATUS_OK) s = load_vae(out, &loading, err);
    if (reads) read_ahead_stop(&loading.ahead);
    if (s != STATUS_OK) model_unload(out);
    return s;
}

enum status model_describe_unused(const struct model *m, struct buffer *notes) {
    const struct {
        const char *component, *depth;
        const struct unused_tensors *unused;
    } parts[] = {{"transformer", "num_layers", &m->unused_transformer},
                 {"text_encoder", "num_hidden_layers", &m->unused_text_encoder},
                 {"vae", "", &m->unused_vae}};
    enum status s = STATUS_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && s == STATUS_OK; i++) {
        const struct unused_tensors *u = parts[i].unused;
        if (u->count == 0) continue;
        s = buffer_printf(notes, "%s: %zu tensor%s not used, %s%.160s", parts[i].component,
                          u->count, u->count > 1 ? "s are" : " is", u->count > 1 ? "such as " : "",
                          u->block ? u->block : u->first);
        if (s == STATUS_OK && u->block)
            s = buffer_printf(notes, ": of a block beyond the \"%s\" of its config.json",
                              parts[i].depth);
        if (s == STATUS_OK) s = buffer_printf(notes, "\n");
    }
    return s;
}

void model_unload(struct model *m) {
    transformer_destroy(m->transformer);
    vision_destroy(m->vision);
    language_destroy(m->language);
    vae_destroy(m->vae);
    for (size_t i = 0; i < m->lora_count; i++) lora_close(m->loras[i]);
    free(m->loras);
    layer_list_free(&m->transformer_layers);
    *m = (struct model){0};
}

struct blocks_size model_stack_size(const struct model *m, enum model_stack stack) {
    switch (stack) {
    case MODEL_TRANSFORMER_BLOCKS:
        return blocks_size(transformer_stack(m->transformer, TRANSFORMER_BLOCKS));
    case MODEL_TRANSFORMER_MODULATION:
        return blocks_size(transformer_stack(m->transformer, TRANSFORMER_MODULATION));
    case MODEL_LANGUAGE_LAYERS: return blocks_size(language_layers(m->language));
    default: return blocks_size(vision_layers(m->vision));
    }
}

static bool streams(const struct model *m, enum model_stack a, enum model_stack b) {
    return model_stack_size(m, a).streamed || model_stack_size(m, b).streamed;
}

enum status model_check_files(const struct model *m, const struct checkpoint *checkpoint,
                              struct error *err) {
    enum status s = language_check_file(m->language, err);
    if (s == STATUS_OK && streams(m, MODEL_LANGUAGE_LAYERS, MODEL_VISION_LAYERS))
        s = weights_check(checkpoint->text_encoder, err);
    if (!streams(m, MODEL_TRANSFORMER_BLOCKS, MODEL_TRANSFORMER_MODULATION)) return s;
    if (s == STATUS_OK) s = weights_check(checkpoint->transformer, err);
    for (size_t i = 0; i < m->lora_count && s == STATUS_OK; i++)
        s = lora_check_file(m->loras[i], err);
    return s;
}
