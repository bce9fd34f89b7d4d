/*
 * The story of an edit, as diffusers' QwenImageEditPlusPipeline tells it.  Read edit_run first, at
 * the end.
 *
 * The stages are written once and run twice: first in a dry workspace, which only counts memory,
 * then in one of that size.
 */
#include "pipeline/edit.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pipeline/finish.h"
#include "pipeline/intake.h"
#include "pipeline/latents.h"
#include "pipeline/noise.h"

/* What an edit holds in the workspace's host memory while it runs; NULL in a dry run. */
struct host {
    float *pixel_values; /* [patches, patch size] */
    float *noise;        /* [noise tokens, channels], packed */
    float *planes;       /* the same as it is drawn */
    float *pixels;       /* the largest picture as floats */
};

static_assert((int)OPERATION_KINDS == (int)FIRERED_OPERATIONS, "the same kinds, in the same order");

struct edit_work {
    const struct firered *engine;
    const struct firered_edit *edit;
    const struct plan *plan;
    const struct model_config *config;
    const struct trace *trace; /* NULL in a dry run */
    struct workspace *w;
    struct host host;
    struct intake pictures;        /* empty in a dry run */
    struct firered_result *result; /* costs are written here; NULL: nobody asks */
    int steps;                     /* all take the same memory: a dry run need not do each */
    double phase_start;
    struct operation_cost before[OPERATION_KINDS]; /* the phase */
};

static void report(const struct edit_work *r, enum firered_stage stage, int step) {
    if (!r->edit->progress || workspace_is_dry(r->w)) return;
    struct firered_progress now = {stage, step, r->plan->steps};
    r->edit->progress(r->edit->arg, &now);
}

/* What was spent since the last call goes to `phase`. */
static void charge(struct edit_work *r, enum firered_phase phase) {
    if (!r->result) return;
    const struct operation_cost *costs = workspace_costs(r->w); /* waits for the device */
    double now = clock_now_seconds();
    struct firered_cost *all = &r->result->phases[phase];
    *all = (struct firered_cost){.seconds = now - r->phase_start,
                                 .memory = workspace_recent_peak(r->w)};
    for (int i = 0; i < OPERATION_KINDS; i++) {
        const struct operation_cost *to = &costs[i], *from = &r->before[i];
        r->result->operations[phase][i] =
            (struct firered_cost){.seconds = to->seconds - from->seconds,
                                  .flops = to->flops - from->flops,
                                  .bytes = to->bytes - from->bytes};
        all->flops += to->flops - from->flops;
        if (i != OPERATION_TRANSFER) all->bytes += to->bytes - from->bytes;
        r->before[i] = *to;
    }
    r->phase_start = now;
}

/* ---- host memory ---- */

static int64_t largest_pixels(const struct plan *p) {
    int64_t max = (int64_t)p->output.width * p->output.height;
    for (size_t i = 0; i < p->pictures; i++) {
        int64_t n = (int64_t)p->vae[i].width * p->vae[i].height;
        if (n > max) max = n;
    }
    return max;
}

/* Taken first and held to the end. */
static void host_take(struct edit_work *r) {
    const struct plan *p = r->plan;
    const struct model_config *c = r->config;
    int64_t patches = 0, channels = c->transformer.in_channels;
    for (size_t i = 0; i < p->pictures; i++) patches += p->patches[i].height * p->patches[i].width;
    int64_t pixels = largest_pixels(p);
    struct {
        float **to;
        int64_t n;
    } wanted[] = {
        {&r->host.pixel_values, patches * vision_patch_size(&c->vision)},
        {&r->host.noise, p->noise_tokens * channels},
        {&r->host.planes, p->noise_tokens * channels},
        {&r->host.pixels, pixels * 3},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        *wanted[i].to = workspace_host(r->w, (size_t)wanted[i].n * sizeof(float));
}

/* Of all pictures, what the vision tower takes. */
static void take_patches(struct edit_work *r) {
    const struct vision_config *c = &r->config->vision;
    float *patches = r->host.pixel_values;
    for (size_t i = 0; i < r->plan->pictures; i++) {
        const struct patch_grid *grid = &r->plan->patches[i];
        vision_patches(patches, c, &r->pictures.condition[i]);
        patches += grid->height * grid->width * vision_patch_size(c);
    }
}

/* ---- encoding the prompts ---- */

/* Which row of the pictures' embeddings stands in the place of each token from `first` on; -1: none. */
static void find_pictures(const struct edit_work *r, int32_t *rows, const struct token_ids *ids,
                          int64_t first) {
    int32_t image_pad = tokenizer_token_id(r->engine->tokenizer, "<|image_pad|>"), picture = 0;
    for (int64_t i = 0; i < (int64_t)ids->count; i++) {
        int32_t row = ids->ids[i] == image_pad ? picture++ : -1;
        if (i >= first) rows[i - first] = row;
    }
}

/* Embeddings of a prompt's tokens from `first` on, with the pictures' embeddings in the places kept
 * for them. */
static enum status embed_prompt(const struct edit_work *r, struct tensor out,
                                const struct plan_prompt *prompt, int64_t first,
                                struct tensor pictures, struct error *err) {
    const struct token_ids *ids = &prompt->text.ids;
    size_t mark = workspace_host_mark(r->w);
    int32_t *rows = workspace_host(r->w, (size_t)out.rows * sizeof *rows);
    if (rows) find_pictures(r, rows, ids, first);
    enum status s = language_embed(r->engine->model.language, r->w, out,
                                   ids->ids ? ids->ids + first : NULL, err);
    if (s == STATUS_OK) op_rows(r->w, out, pictures, rows);
    workspace_host_release(r->w, mark);
    return s;
}

/* Hidden states of tokens `first` and on; those before are in the cache. */
static enum status read_prompt(struct edit_work *r, struct tensor hidden,
                               const struct plan_prompt *prompt, int64_t first,
                               struct tensor pictures, struct language_cache *cache,
                               const struct trace *trace, struct error *err) {
    int64_t count = (int64_t)prompt->text.ids.count, rest = count - first;
    struct tensor x = tensor_rows(hidden, first, rest);
    size_t mark = workspace_host_mark(r->w);
    int32_t *positions = workspace_host(r->w, (size_t)(3 * rest) * sizeof *positions);
    for (int64_t axis = 0; axis < 3 && positions; axis++)
        memcpy(positions + axis * rest, prompt->positions + axis * count + first,
               (size_t)rest * sizeof *positions);
    enum status s = embed_prompt(r, x, prompt, first, pictures, err);
    if (s == STATUS_OK)
        s = language_forward(r->engine->model.language, r->w, x, positions, first, cache, trace,
                             "cond", err);
    workspace_host_release(r->w, mark);
    return s;
}

/* Runs the vision tower once and the language model over both prompts, the second from where
 * they part. positive, negative: [tokens, hidden], every token's. */
static enum status encode_prompts(struct edit_work *r, struct tensor positive,
                                  struct tensor negative, struct error *err) {
    const struct plan *p = r->plan;
    const struct model *m = &r->engine->model;
    int64_t tokens = vision_tokens(&r->config->vision, p->patches, (int64_t)p->pictures);
    size_t mark = workspace_mark(r->w);
    struct tensor pictures = tensor_take(r->w, tokens, r->config->vision.out_hidden);
    enum status s = vision_forward(m->vision, r->w, pictures, r->host.pixel_values, p->patches,
                                   (int64_t)p->pictures, err);
    if (s != STATUS_OK) return s;
    charge(r, FIRERED_PHASE_VISION);
    trace_tensor(r->trace, r->w, pictures, "cond.vision_embeds");
    if (p->guided) /* the same: the tower does not see the prompt */
        trace_tensor(r->trace, r->w, pictures, "uncond.vision_embeds");
    struct language_cache cache;
    int64_t capacity = positive.rows > negative.rows ? positive.rows : negative.rows;
    s = language_cache_create(&cache, m->language, r->w, capacity, err);
    if (s == STATUS_OK)
        s = read_prompt(r, positive, &p->positive, 0, pictures, &cache, r->trace, err);
    if (s == STATUS_OK && p->guided) {
        op_copy(r->w, tensor_rows(negative, 0, p->shared), tensor_rows(positive, 0, p->shared));
        s = read_prompt(r, negative, &p->negative, p->shared, pictures, &cache, NULL, err);
    }
    language_cache_destroy(&cache);
    workspace_release(r->w, mark);
    return s;
}

/* ---- encoding the pictures, decoding the result ---- */

static void trace_planes(const struct trace *t, const char *format, size_t i, const float *map,
                         int64_t pixels, int64_t channels) {
    char name[64];
    float *planes = t ? malloc((size_t)(pixels * channels) * sizeof *planes) : NULL;
    if (!planes) return;
    for (int64_t k = 0; k < pixels; k++)
        for (int64_t c = 0; c < channels; c++) planes[c * pixels + k] = map[k * channels + c];
    snprintf(name, sizeof name, format, (int)i);
    t->floats(t->arg, name, planes, channels, pixels);
    free(planes);
}

static void trace_map(const struct edit_work *r, const char *format, size_t i,
                      struct feature_map map) {
    float *host = r->trace ? malloc((size_t)(map.t.rows * map.t.cols) * sizeof *host) : NULL;
    if (!host) return;
    tensor_download(r->w, host, map.t);
    trace_planes(r->trace, format, i, host, map.t.rows, map.t.cols);
    free(host);
}

/* What latents are normalised by, channel by channel. */
struct spread {
    struct tensor mean, std; /* [1, channels] */
};

static struct tensor upload_row(struct workspace *w, const double *values, int64_t n) {
    size_t mark = workspace_host_mark(w);
    float *row = workspace_host(w, (size_t)n * sizeof *row);
    struct tensor t = tensor_take(w, 1, n);
    for (int64_t i = 0; i < n && row; i++) row[i] = (float)values[i];
    if (row) tensor_upload(w, t, row);
    workspace_host_release(w, mark);
    return t;
}

static struct spread take_spread(struct workspace *w, const struct vae_config *c) {
    struct tensor mean = upload_row(w, c->mean, c->z);
    return (struct spread){mean, upload_row(w, c->std, c->z)};
}

/* The pictures' normalised, packed latents. */
static enum status encode_pictures(struct edit_work *r, struct tensor latents, struct error *err) {
    const struct plan *p = r->plan;
    const struct vae_config *c = &r->config->vae;
    bool dry = workspace_is_dry(r->w);
    int64_t row = 0;
    size_t mark = workspace_mark(r->w);
    struct spread spread = take_spread(r->w, c);
    enum status s = STATUS_OK;
    for (size_t i = 0; i < p->pictures && s == STATUS_OK; i++) {
        int64_t height = p->vae[i].height, width = p->vae[i].width, scale = vae_scale(c);
        size_t inner = workspace_mark(r->w);
        struct feature_map mean = feature_map_take(r->w, height / scale, width / scale, c->z);
        if (!dry) pixels_to_floats(r->host.pixels, &r->pictures.vae[i]);
        if (!dry) trace_planes(r->trace, "vae_input%d", i, r->host.pixels, height * width, 3);
        s = vae_encode(r->engine->model.vae, r->w, mean.t, r->host.pixels, height, width, err);
        if (s == STATUS_OK) {
            trace_map(r, "vae_mean%d", i, mean);
            op_normalise(r->w, mean.t, mean.t, spread.mean, spread.std);
            op_pack(r->w, tensor_rows(latents, row, mean.t.rows / 4), mean);
            row += mean.t.rows / 4;
        }
        workspace_release(r->w, inner);
    }
    workspace_release(r->w, mark);
    return s == STATUS_OK ? workspace_check(r->w, err) : s;
}

static enum status decode_picture(struct edit_work *r, struct vae_picture *to,
                                  struct tensor latents, struct error *err) {
    const struct vae_config *c = &r->config->vae;
    const struct edit_size size = r->plan->output;
    int64_t height = size.height / vae_scale(c), width = size.width / vae_scale(c);
    size_t mark = workspace_mark(r->w);
    struct spread spread = take_spread(r->w, c);
    struct feature_map map = feature_map_take(r->w, height, width, c->z);
    op_unpack(r->w, map, latents);
    op_denormalise(r->w, map.t, map.t, spread.mean, spread.std);
    trace_map(r, "vae_decode_input", 0, map);
    enum status s = vae_decode(r->engine->model.vae, r->w, to, map.t, height, width, err);
    workspace_release(r->w, mark);
    return s;
}

static enum status decode_latents(struct edit_work *r, struct tensor latents, struct error *err) {
    const struct edit_size size = r->plan->output;
    int64_t pixels = (int64_t)size.height * size.width;
    struct vae_picture decoded = {.floats = r->trace ? r->host.pixels : NULL};
    if (workspace_is_dry(r->w)) return decode_picture(r, &decoded, latents, err);
    struct picture *out = &r->result->picture;
    *out = (struct picture){size.width, size.height, malloc((size_t)pixels * 3)};
    if (!out->rgb) return fail(err, STATUS_NO_MEMORY, "no memory for the edited picture");
    decoded.bytes = out->rgb;
    enum status s = decode_picture(r, &decoded, latents, err);
    if (s != STATUS_OK) return s;
    if (r->trace) trace_planes(r->trace, "vae_decode_output", 0, r->host.pixels, pixels, 3);
    if (decoded.finite) return STATUS_OK;
    return fail(err, STATUS_NOT_FINITE,
                "the VAE decoded something that is not a number; its weights may be damaged");
}

/* ---- denoising ---- */

static void draw_noise(struct edit_work *r) {
    const struct vae_config *c = &r->config->vae;
    int64_t height = r->plan->grids[0].height * 2, width = r->plan->grids[0].width * 2;
    enum noise_generator g =
        r->engine->generator == FIRERED_GENERATOR_CUDA ? NOISE_TORCH_CUDA : NOISE_TORCH_CPU;
    noise_fill(r->host.planes, (size_t)(c->z * height * width), r->edit->seed, g,
               r->engine->dtype != FIRERED_DTYPE_FLOAT32);
    latents_pack_planes(r->host.noise, r->host.planes, height, width, c->z);
    if (r->trace)
        r->trace->floats(r->trace->arg, "noise", r->host.noise, r->plan->noise_tokens,
                         r->config->transformer.in_channels);
}

struct denoiser {
    struct transformer_text positive, negative;
    struct modulation modulation;
    struct tensor latents; /* the noise's rows first */
    struct tensor velocity, negative_velocity;
    struct tensor finite; /* [1, 1]: 0 once something is not finite */
};

static enum status predict(struct edit_work *r, const struct denoiser *d,
                           const struct transformer_text *text, struct tensor velocity, int step,
                           const char *tag, struct error *err) {
    const struct trace *blocks = text == &d->positive && step == 0 ? r->trace : NULL;
    enum status s = transformer_forward(r->engine->model.transformer, r->w, velocity, d->latents,
                                        text, &d->modulation, step, blocks, err);
    if (s == STATUS_OK) trace_tensor(r->trace, r->w, velocity, "step%d.noise_pred_%s", step, tag);
    return s;
}

static enum status denoise_step(struct edit_work *r, const struct denoiser *d, int step,
                                struct error *err) {
    const struct plan *p = r->plan;
    struct tensor noise = tensor_rows(d->latents, 0, p->noise_tokens);
    enum status s = predict(r, d, &d->positive, d->velocity, step, "cond", err);
    if (s == STATUS_OK && p->guided)
        s = predict(r, d, &d->negative, d->negative_velocity, step, "uncond", err);
    if (s != STATUS_OK) return s;
    if (p->guided) op_guide(r->w, d->velocity, d->negative_velocity, p->guidance_scale);
    op_euler_step(r->w, noise, d->velocity, p->sigmas[step + 1] - p->sigmas[step]);
    op_all_finite(r->w, d->finite, noise);
    float finite = 1;
    tensor_download(r->w, &finite, d->finite);
    s = workspace_check(r->w, err);
    if (s != STATUS_OK) return s;
    if (finite == 0)
        return fail(
            err, STATUS_NOT_FINITE,
            "step %d gave something that is not a number; the weights or an adapter may be damaged",
            step + 1);
    trace_tensor(r->trace, r->w, noise, "step%d.latents", step);
    report(r, FIRERED_STAGE_DENOISE, step + 1);
    return STATUS_OK;
}

/* What every step needs.  The prompts' embeddings leave out the template's first tokens, as the
 * reference does. */
static enum status prepare_denoiser(struct edit_work *r, struct denoiser *d, struct tensor positive,
                                    struct tensor negative, struct error *err) {
    const struct plan *p = r->plan;
    const struct transformer *t = r->engine->model.transformer;
    int64_t drop = (int64_t)p->positive.text.drop, grids = 1 + (int64_t)p->pictures;
    const float finite = 1;
    struct tensor embeds = tensor_rows(positive, drop, positive.rows - drop);
    trace_tensor(r->trace, r->w, embeds, "prompt_embeds");
    enum status s = transformer_text_create(&d->positive, t, r->w, embeds, p->grids, grids, err);
    if (s == STATUS_OK && p->guided) {
        embeds = tensor_rows(negative, drop, negative.rows - drop);
        trace_tensor(r->trace, r->w, embeds, "negative_prompt_embeds");
        s = transformer_text_create(&d->negative, t, r->w, embeds, p->grids, grids, err);
    }
    if (s == STATUS_OK) s = modulation_create(&d->modulation, t, r->w, p->timesteps, p->steps, err);
    d->velocity = tensor_take(r->w, p->noise_tokens, d->latents.cols);
    d->negative_velocity = tensor_take(r->w, p->guided ? p->noise_tokens : 0, d->latents.cols);
    d->finite = tensor_take(r->w, 1, 1);
    tensor_upload(r->w, d->finite, &finite);
    if (s == STATUS_OK) trace_tensor(r->trace, r->w, d->latents, "packed_input");
    return s;
}

static enum status denoise(struct edit_work *r, struct tensor latents, struct tensor positive,
                           struct tensor negative, struct error *err) {
    struct denoiser d = {.latents = latents};
    size_t mark = workspace_mark(r->w);
    enum status s = prepare_denoiser(r, &d, positive, negative, err);
    for (int step = 0; step < r->steps && s == STATUS_OK; step++)
        s = denoise_step(r, &d, step, err);
    modulation_destroy(&d.modulation);
    workspace_release(r->w, mark);
    return s;
}

/* ---- the story ---- */

static enum status compute_stages(struct edit_work *r, struct error *err) {
    const struct plan *p = r->plan;
    int64_t hidden = r->config->language.hidden;
    struct tensor latents =
        tensor_take(r->w, p->noise_tokens + p->picture_tokens, r->config->transformer.in_channels);
    struct tensor noise = tensor_rows(latents, 0, p->noise_tokens);
    if (r->host.noise) tensor_upload(r->w, noise, r->host.noise);
    size_t mark = workspace_mark(r->w);
    struct tensor positive = tensor_take(r->w, (int64_t)p->positive.text.ids.count, hidden);
    struct tensor negative = tensor_take(r->w, (int64_t)p->negative.text.ids.count, hidden);
    r->phase_start = clock_now_seconds();

    report(r, FIRERED_STAGE_ENCODE, 0);
    enum status s = encode_prompts(r, positive, negative, err);
    charge(r, FIRERED_PHASE_TEXT);
    if (s == STATUS_OK)
        s = encode_pictures(r, tensor_rows(latents, p->noise_tokens, p->picture_tokens), err);
    charge(r, FIRERED_PHASE_VAE_ENCODE);

    if (s == STATUS_OK) report(r, FIRERED_STAGE_DENOISE, 0);
    if (s == STATUS_OK) s = denoise(r, latents, positive, negative, err);
    workspace_release(r->w, mark);
    charge(r, FIRERED_PHASE_DENOISE);

    if (s == STATUS_OK) report(r, FIRERED_STAGE_DECODE, p->steps);
    if (s == STATUS_OK) s = decode_latents(r, noise, err);
    charge(r, FIRERED_PHASE_VAE_DECODE);
    return s;
}

static enum status run_dry(struct edit_work *r, struct workspace_size *size, struct error *err) {
    enum status s = workspace_create_dry(&r->w, r->engine->compute, err);
    if (s != STATUS_OK) return s;
    host_take(r);
    s = compute_stages(r, err);
    *size = workspace_peak(r->w);
    workspace_destroy(r->w);
    return s;
}

enum status edit_memory(const struct firered *engine, const struct firered_edit *edit,
                        const struct plan *plan, struct workspace_size *size, struct error *err) {
    struct edit_work r = {
        .engine = engine, .edit = edit, .plan = plan, .config = &engine->model.config, .steps = 1};
    enum status s = run_dry(&r, size, err);
    /* Pictures are there beside the arenas, before them, and after them. */
    bool one_memory = compute_memory(engine->compute).is_host;
    size_t arenas = size->host + (one_memory ? size->device : 0), kept = intake_bytes(plan);
    size_t result = 3 * (size_t)plan->output.width * (size_t)plan->output.height;
    size_t peak = arenas + kept + result;
    size_t before = intake_filling_bytes(plan, edit), after = kept + finish_bytes(plan);
    if (before > peak) peak = before;
    if (after > peak) peak = after;
    size->beside = peak - arenas;
    return s;
}

enum status edit_costs(const struct firered *engine, const struct firered_edit *edit,
                       const struct plan *plan, struct edit_costs *out, struct error *err) {
    enum status s = STATUS_OK;
    *out = (struct edit_costs){0};
    for (int steps = 1; steps <= 2 && s == STATUS_OK; steps++) {
        struct firered_result result = {0};
        struct workspace_size size;
        struct edit_work r = {.engine = engine,
                              .edit = edit,
                              .plan = plan,
                              .config = &engine->model.config,
                              .result = &result,
                              .steps = steps};
        s = run_dry(&r, &size, err);
        const struct firered_cost *denoise = result.operations[FIRERED_PHASE_DENOISE];
        const struct firered_cost *one = out->once[FIRERED_PHASE_DENOISE];
        if (steps == 1) memcpy(out->once, result.operations, sizeof out->once);
        for (int i = 0; i < FIRERED_OPERATIONS && steps == 2; i++)
            out->step[i] = (struct firered_cost){.flops = denoise[i].flops - one[i].flops,
                                                 .bytes = denoise[i].bytes - one[i].bytes};
    }
    return s;
}

static void trace_plan(const struct trace *t, const struct plan *p, const struct host *h,
                       const struct model_config *c) {
    if (!t) return;
    int64_t patches = 0, n = (int64_t)p->positive.text.ids.count,
            m = (int64_t)p->negative.text.ids.count;
    int32_t grids[FIRERED_MAX_PICTURES * 3];
    for (size_t i = 0; i < p->pictures; i++) {
        patches += p->patches[i].height * p->patches[i].width;
        grids[i * 3] = 1;
        grids[i * 3 + 1] = (int32_t)p->patches[i].height;
        grids[i * 3 + 2] = (int32_t)p->patches[i].width;
    }
    t->integers(t->arg, "image_grid_thw", grids, (int64_t)p->pictures, 3);
    t->integers(t->arg, "cond.input_ids", p->positive.text.ids.ids, 1, n);
    t->integers(t->arg, "cond.position_ids", p->positive.positions, 3, n);
    if (p->guided) t->integers(t->arg, "uncond.input_ids", p->negative.text.ids.ids, 1, m);
    if (p->guided) t->integers(t->arg, "uncond.position_ids", p->negative.positions, 3, m);
    t->floats(t->arg, "pixel_values", h->pixel_values, patches, vision_patch_size(&c->vision));
    t->floats(t->arg, "sigmas", p->sigmas, 1, p->steps + 1);
    t->floats(t->arg, "timesteps", p->timesteps, 1, p->steps);
}

enum status edit_run(const struct firered *engine, const struct firered_edit *edit,
                     struct firered_result *result, const struct trace *trace, struct error *err) {
    *result = (struct firered_result){0};
    struct plan plan;
    struct edit_work r = {.engine = engine,
                          .edit = edit,
                          .plan = &plan,
                          .config = &engine->model.config,
                          .result = result,
                          .trace = trace};
    struct workspace_size size = {0};
    double started = clock_now_seconds(), read = 0, prepared = started, finish_seconds = 0;
    enum status s = plan_edit(&plan, engine, edit, err);
    r.steps = plan.steps;
    if (s == STATUS_OK) s = firered_check_files(engine, err);
    if (s == STATUS_OK) s = edit_memory(engine, edit, &plan, &size, err);
    if (s == STATUS_OK)
        s = workspace_admit(&r.w, engine->compute, size, edit->cancelled, edit->arg, err);
    if (s == STATUS_OK) s = intake_fill(&r.pictures, &plan, edit, &read, err);
    if (s == STATUS_OK) s = workspace_reserve(r.w, err);
    if (s == STATUS_OK) host_take(&r);
    if (s == STATUS_OK) s = workspace_check(r.w, err);
    if (s == STATUS_OK) {
        take_patches(&r);
        trace_plan(trace, &plan, &r.host, r.config);
        draw_noise(&r);
        prepared = clock_now_seconds();
        s = compute_stages(&r, err);
    }
    workspace_destroy(r.w);
    if (s == STATUS_OK) {
        double decoded = clock_now_seconds();
        s = finish_edit(result, &plan, &r.pictures.vae[plan.pictures - 1], err);
        finish_seconds = clock_now_seconds() - decoded;
    }
    intake_free(&r.pictures);
    result->steps = plan.steps;
    result->guidance_scale = plan.guidance_scale;
    const struct firered_cost *phases = result->phases;
    result->encode_seconds = prepared - started - read + phases[FIRERED_PHASE_VISION].seconds +
                             phases[FIRERED_PHASE_TEXT].seconds +
                             phases[FIRERED_PHASE_VAE_ENCODE].seconds;
    result->denoise_seconds = phases[FIRERED_PHASE_DENOISE].seconds;
    result->decode_seconds = phases[FIRERED_PHASE_VAE_DECODE].seconds + finish_seconds;
    if (s != STATUS_OK) {
        picture_free(&result->picture);
        *result = (struct firered_result){0};
    }
    plan_free(&plan);
    return s;
}
