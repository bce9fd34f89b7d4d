/*
 * What `firered info` reports of a model folder without loading it: the model is put together on a
 * device that only plans.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "pipeline/engine.h"

/* "55.46 GB", or "12.34 MB" where that says more. */
static void print_size(struct buffer *b, uint64_t bytes) {
    bool small = bytes < 100000000;
    buffer_printf(b, "%7.2f %s", (double)bytes / (small ? 1e6 : 1e9), small ? "MB" : "GB");
}

/* Likewise. */
static void print_count(struct buffer *b, uint64_t count) {
    bool small = count < 100000000;
    buffer_printf(b, "%7.2f %s", (double)count / (small ? 1e6 : 1e9), small ? "M" : "B");
}

static void report_component(struct buffer *b, const char *name, const struct weights *w) {
    uint64_t bytes = 0, elements = 0;
    bool kinds[DTYPE_COUNT] = {false};
    for (size_t i = 0; i < weights_count(w); i++) {
        const struct weight *t = weights_at(w, i);
        elements += (uint64_t)t->count;
        bytes += dtype_bytes(t->dtype, (size_t)t->count);
        kinds[t->dtype] = true;
    }
    buffer_printf(b, "%-13s %5zu tensors, ", name, weights_count(w));
    print_count(b, elements);
    buffer_printf(b, " parameters, ");
    print_size(b, bytes);
    buffer_printf(b, " as");
    for (int k = 0; k < DTYPE_COUNT; k++)
        if (kinds[k]) buffer_printf(b, " %s", dtype_name((enum dtype)k));
    buffer_printf(b, "\n");
}

static void report_networks(struct buffer *b, const struct model_config *c) {
    buffer_printf(b, "transformer:  %lld blocks, width %lld (%lld heads of %lld)%s\n",
                  (long long)c->transformer.layers, (long long)c->transformer.width,
                  (long long)c->transformer.heads, (long long)c->transformer.head_dim,
                  c->transformer.zero_cond_t ? ", reference pictures at timestep 0" : "");
    buffer_printf(b,
                  "text encoder: %lld layers, width %lld; vision tower %lld layers, width %lld\n",
                  (long long)c->language.layers, (long long)c->language.hidden,
                  (long long)c->vision.layers, (long long)c->vision.hidden);
    buffer_printf(b, "VAE:          %lld channels at 1/%d size, base width %lld\n",
                  (long long)c->vae.z, vae_scale(&c->vae), (long long)c->vae.base);
    buffer_printf(
        b,
        "areas:        pictures %lld pixels for the text encoder, %lld for the VAE; output %lld\n",
        (long long)c->edit.condition_area, (long long)c->edit.vae_area,
        (long long)c->edit.output_area);
}

static enum status check_tokenizer(const char *path, struct error *err) {
    struct tokenizer *tokenizer = NULL;
    enum status s = tokenizer_open(&tokenizer, path, err);
    tokenizer_close(tokenizer);
    return s;
}

static void report_notes(struct buffer *b, const struct buffer *notes) {
    for (const char *line = notes->data, *end; line && (end = strchr(line, '\n')); line = end + 1)
        buffer_printf(b, "warning:      %.*s\n", (int)(end - line), line);
}

static enum status report_memory(struct buffer *b, const struct memory_plan *p) {
    uint64_t streamed = memory_plan_streamed(p);
    buffer_printf(b, "memory:      ");
    print_size(b, p->weights);
    buffer_printf(b, " weights, packed for this device\n             ");
    print_size(b, workspace_size_sum(p->working));
    buffer_printf(b, " working memory, at most, to edit one picture of %dx%d\n             ",
                  p->width, p->height);
    print_size(b, memory_plan_peak(p));
    buffer_printf(b, " in all");
    if (!p->device.is_host) {
        buffer_printf(b, ", ");
        print_size(b, memory_plan_on_device(p));
        buffer_printf(b, " of it on the card, which has");
        print_size(b, p->device.free);
        buffer_printf(b, " free");
    }
    if (p->limit != UINT64_MAX) {
        buffer_printf(b, ", of a limit of ");
        print_size(b, p->limit);
    }
    buffer_printf(b, "\n");
    if (!streamed) return STATUS_OK;
    buffer_printf(b, "streams:     ");
    print_size(b, streamed);
    buffer_printf(b, " more weights, packed from the files when needed:\n              ");
    struct buffer stacks = {0};
    enum status s = memory_plan_describe(p, &stacks);
    if (s == STATUS_OK) s = buffer_printf(b, "%s\n", stacks.data);
    buffer_free(&stacks);
    return s;
}

static void report_run(struct buffer *b, const struct firered *e) {
    struct firered_info info;
    firered_describe(e, &info);
    buffer_printf(b, "runs on:      %s (%s kernels), %s, %d threads\n", info.device, info.kernels,
                  info.dtype, info.threads);
    buffer_printf(b, "defaults:     %d steps, guidance scale %g%s\n", info.default_steps,
                  info.default_guidance_scale, info.distilled ? " (distilled: never guided)" : "");
    if (info.max_pictures < FIRERED_MAX_PICTURES)
        buffer_printf(b, "pictures:     at most %d at a time\n", info.max_pictures);
    if (info.note) buffer_printf(b, "note:         %s\n", info.note);
    if (e->known) buffer_printf(b, "known as:     %s (%s)\n", e->known->name, e->known->source);
}

/* The model is not there to be run, so a product as it has them stands for all of it. */
static enum status report_time(struct buffer *b, struct firered *e, const struct firered_options *o,
                               struct error *err) {
    struct firered live = {0};
    struct firered_info info;
    struct firered_estimate found;
    firered_describe(e, &info);
    enum status s = engine_open_device(&live, o, &e->checkpoint, false, err);
    if (s == STATUS_OK)
        s = engine_speed_of_product(&e->speed, live.compute, e->model.config.transformer.width,
                                    err);
    compute_destroy(live.compute);
    if (s == STATUS_OK)
        s = firered_estimate(e, info.default_steps, info.default_guidance_scale, &found, err);
    if (s != STATUS_OK) return s;
    buffer_printf(b, "time:         about %.*f s to edit a picture of %dx%d with these defaults\n",
                  found.seconds < 10 ? 1 : 0, found.seconds, found.width, found.height);
    buffer_printf(b,
                  "              (%.2f TFLOP, at the %.0f GFLOP/s that a product had just now)\n",
                  found.flops / 1e12, e->speed.phases[FIRERED_PHASE_DENOISE].products / 1e9);
    return STATUS_OK;
}

static enum status inspect(struct buffer *b, struct firered *e, const struct firered_options *o,
                           struct error *err) {
    struct model_config config;
    enum status s = engine_read(e, o, &config, err);
    if (s == STATUS_OK) s = engine_plan_memory(e, o, &config, err);
    if (s == STATUS_OK) s = engine_open_device(e, o, &e->checkpoint, true, err);
    if (s != STATUS_OK) return s;
    buffer_printf(b, "model:        %s\n", o->model);
    report_networks(b, &config);
    report_component(b, "transformer:", e->checkpoint.transformer);
    report_component(b, "text_encoder:", e->checkpoint.text_encoder);
    report_component(b, "vae:", e->checkpoint.vae);
    const struct model_options options = {.compute = e->compute, .keep = e->memory.keep};
    s = model_load(&e->model, &config, &e->checkpoint, &options, err);
    if (s != STATUS_OK) return s;
    buffer_printf(b, "all %zu tensors found, with the shapes that the configs ask for\n",
                  e->model.tensors);
    s = engine_describe_unused(e, err);
    report_notes(b, &e->notes);
    report_run(b, e);
    if (s == STATUS_OK && compute_is_here(e->compute)) s = report_time(b, e, o, err);
    return s == STATUS_OK ? report_memory(b, &e->memory) : s;
}

enum status firered_inspect(const struct firered_options *options, char **report,
                            struct error *err) {
    struct firered engine = {0};
    struct buffer b = {0};
    enum status s = inspect(&b, &engine, options, err);
    if (s != STATUS_OK) buffer_free(&b);
    if (s == STATUS_OK) s = check_tokenizer(engine.source.paths[SOURCE_TOKENIZER], err);
    model_unload(&engine.model);
    compute_destroy(engine.compute);
    checkpoint_close(&engine.checkpoint);
    source_free(&engine.source);
    buffer_free(&engine.notes);
    free(engine.name);
    if (s == STATUS_OK && !b.data) s = fail(err, STATUS_NO_MEMORY, "no memory for the report");
    *report = b.data;
    return s;
}
