/*
 * What `firered info` tells of a model folder without loading it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "firered.h"
#include "model/model.h"
#include "pipeline/scheduler.h"
#include "text/tokenizer.h"

static void report_component(struct buffer *b, const char *name, const struct weights *w) {
    uint64_t bytes = 0, numbers = 0;
    bool kinds[3] = {false};
    for (size_t i = 0; i < weights_count(w); i++) {
        const struct weight *t = weights_at(w, i);
        numbers += (uint64_t)t->count;
        bytes += (uint64_t)t->count * dtype_size(t->dtype);
        kinds[t->dtype] = true;
    }
    buffer_printf(b, "%-13s %5zu tensors, %7.2f B parameters, %7.2f GB as", name, weights_count(w), (double)numbers / 1e9,
                  (double)bytes / 1e9);
    for (int k = 0; k < 3; k++)
        if (kinds[k]) buffer_printf(b, " %s", dtype_name((enum dtype)k));
    buffer_printf(b, "\n");
}

static void report_networks(struct buffer *b, const struct model_config *c) {
    buffer_printf(b, "transformer:  %lld blocks, width %lld (%lld heads of %lld)%s\n", (long long)c->transformer.layers,
                  (long long)c->transformer.width, (long long)c->transformer.heads, (long long)c->transformer.head_dim,
                  c->transformer.zero_cond_t ? ", reference pictures at timestep 0" : "");
    buffer_printf(b, "text encoder: %lld layers, width %lld; vision tower %lld layers, width %lld\n",
                  (long long)c->language.layers, (long long)c->language.hidden, (long long)c->vision.layers,
                  (long long)c->vision.hidden);
    buffer_printf(b, "VAE:          %lld channels at 1/%d size, base width %lld\n", (long long)c->vae.z, vae_scale(&c->vae),
                  (long long)c->vae.base);
    buffer_printf(b, "areas:        pictures %lld pixels for the text encoder, %lld for the VAE; output %lld\n",
                  (long long)c->edit.condition_area, (long long)c->edit.vae_area, (long long)c->edit.output_area);
    if (c->edit.default_steps) buffer_printf(b, "default steps: %lld\n", (long long)c->edit.default_steps);
    if (c->edit.default_guidance >= 0) buffer_printf(b, "default guidance scale: %g\n", c->edit.default_guidance);
    if (c->edit.distilled) buffer_printf(b, "distilled: runs without guidance\n");
}

enum status firered_inspect(const char *folder, char **report, struct error *err) {
    *report = NULL;
    struct model_config config;
    struct scheduler_config scheduler;
    struct checkpoint checkpoint = {0};
    struct model model = {0};
    struct buffer b = {0};
    enum status s = model_config_load(&config, folder, err);
    if (s == STATUS_OK) s = scheduler_config_load(&scheduler, folder, err);
    if (s == STATUS_OK) s = checkpoint_open(&checkpoint, folder, err);
    if (s == STATUS_OK) {
        buffer_printf(&b, "model:        %s\n", folder);
        report_networks(&b, &config);
        report_component(&b, "transformer", checkpoint.transformer);
        report_component(&b, "text_encoder", checkpoint.text_encoder);
        report_component(&b, "vae", checkpoint.vae);
        uint64_t bytes = checkpoint_bytes(&checkpoint);
        s = model_load(&model, &config, &checkpoint, &(struct model_options){0}, err);
        if (s == STATUS_OK)
            buffer_printf(&b, "all %zu tensors found, with the shapes that the configs ask for\n"
                              "weights in memory: %.2f GB\n", model.tensors, (double)bytes / 1e9);
    }
    model_unload(&model);
    checkpoint_close(&checkpoint);
    if (s == STATUS_OK && !b.data) s = fail(err, STATUS_NO_MEMORY, "no memory for the report");
    if (s != STATUS_OK) buffer_free(&b);
    *report = b.data;
    return s;
}
