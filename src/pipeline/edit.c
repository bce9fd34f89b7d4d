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
#include "image/resize.h"
#include "pipeline/latents.h"
#include "pipeline/noise.h"

/* What an edit holds in host memory while it runs.  All but the pictures is the workspace's: NULL in
 * a dry run. */
struct host {
    struct picture condition[FIRERED_MAX_PICTURES]; /* resized for the vision tower */
    struct picture vae[FIRERED_MAX_PICTURES];       /* resized for the VAE */
    float *pixel_values;                            /* [patches, patch numbers] */
    float *latents;                                 /* packed: the noise, then the pictures */
    float *velocity, *negative_velocity;
    float *pixels; /* the largest picture as floats */
    float *map;    /* the largest latent map */
};

static_assert((int)OPERATIONS == (int)FIRERED_OPERATIONS, "the same kinds, in the same order");

struct run {
    const struct firered *engine;
    const struct firered_edit *edit;
    const struct plan *plan;
    const struct model_config *config;
    const struct trace *trace; /* NULL in a dry run */
    struct workspace *w;
    struct host host;
    struct firered_result *result; /* costs are written here; NULL in a dry run */
    double phase_start;
    struct operation_cost before[OPERATIONS]; /* the phase */
};

static void tell(const struct run *r, enum firered_stage stage, int step) {
    if (!r->edit->progress || workspace_is_dry(r->w)) return;
    struct firered_progress now = {stage, step, r->plan->steps};
    r->edit->progress(r->edit->arg, &now);
}

/* What was spent since the last call goes to `phase`. */
static void charge(struct run *r, enum firered_phase phase) {
    if (!r->result) return;
    const struct operation_cost *costs = workspace_costs(r->w); /* waits for the device */
    double now = clock_now_seconds();
    struct firered_cost *all = &r->result->phases[phase];
    *all = (struct firered_cost){.seconds = now - r->phase_start,
                                 .memory = workspace_recent_peak(r->w)};
    for (int i = 0; i < OPERATIONS; i++) {
        const struct operation_cost *to = &costs[i], *from = &r->before[i];
        r->result->operations[phase][i] =
            (struct firered_cost){.seconds = to->seconds - from->seconds,
                                  .flops = to->flops - from->flops,
                                  .bytes = to->bytes - from->bytes};
        all->flops += to->flops - from->flops;
        all->bytes += to->bytes - from->bytes;
        r->before[i] = *to;
    }
    r->phase_start = now;
}

/* ---- host memory ---- */

static int64_t largest_pixels(const struct plan *p) {
    int64_t most = (int64_t)p->output.width * p->output.height;
    for (size_t i = 0; i < p->pictures; i++) {
        int64_t n = (int64_t)p->vae[i].width * p->vae[i].height;
        if (n > most) most = n;
    }
    return most;
}

static void host_free(struct host *h) {
    for (size_t i = 0; i < FIRERED_MAX_PICTURES; i++) {
        picture_free(&h->condition[i]);
        picture_free(&h->vae[i]);
    }
}

/* Taken first and held to the end. */
static void host_take(struct run *r) {
    const struct plan *p = r->plan;
    const struct model_config *c = r->config;
    int64_t patches = 0, scale = vae_scale(&c->vae), channels = c->transformer.in_channels;
    for (size_t i = 0; i < p->pictures; i++) patches += p->patches[i].height * p->patches[i].width;
    int64_t pixels = largest_pixels(p);
    struct {
        float **to;
        int64_t n;
    } wanted[] = {
        {&r->host.pixel_values, patches * vision_patch_numbers(&c->vision)},
        {&r->host.latents, (p->noise_tokens + p->picture_tokens) * channels},
        {&r->host.velocity, p->noise_tokens * channels},
        {&r->host.negative_velocity, p->noise_tokens * channels},
        {&r->host.pixels, pixels * 3},
        {&r->host.map, pixels / (scale * scale) * c->vae.z},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        *wanted[i].to = workspace_host(r->w, (size_t)wanted[i].n * sizeof(float));
}

/* ---- preparing pictures ---- */

/* The reference pipeline resizes twice for the vision tower: by area with LANCZOS, then its
 * image processor to whole patches with BICUBIC. */
static enum status resize_pictures(struct run *r, struct error *err) {
    const struct plan *p = r->plan;
    struct host *h = &r->host;
    float *patches = h->pixel_values;
    enum status s = STATUS_OK;
    for (size_t i = 0; i < p->pictures && s == STATUS_OK; i++) {
        const struct picture *in = &r->edit->pictures[i];
        struct picture half_way = {0};
        s = picture_resize(&half_way, in, p->condition[i].width, p->condition[i].height,
                           RESAMPLE_LANCZOS, err);
        if (s == STATUS_OK)
            s = picture_resize(&h->condition[i], &half_way, p->vision[i].width, p->vision[i].height,
                               RESAMPLE_BICUBIC_TORCH, err);
        picture_free(&half_way);
        if (s == STATUS_OK)
            s = picture_resize(&h->vae[i], in, p->vae[i].width, p->vae[i].height, RESAMPLE_LANCZOS,
                               err);
        if (s != STATUS_OK) break;
        vision_patches(patches, &r->config->vision, &h->condition[i]);
        patches +=
            p->patches[i].height * p->patches[i].width * vision_patch_numbers(&r->config->vision);
    }
    return s;
}

/* ---- encoding the prompts ---- */

/* Which row of the pictures' embeddings stands in the place of each token from `first` on; -1: none. */
static void find_pictures(const struct run *r, int32_t *rows, const struct token_ids *ids,
                          int64_t first) {
    int32_t image_pad = tokenizer_token_id(r->engine->tokenizer, "<|image_pad|>"), picture = 0;
    for (int64_t i = 0; i < (int64_t)ids->count; i++) {
        int32_t row = ids->ids[i] == image_pad ? picture++ : -1;
        if (i >= first) rows[i - first] = row;
    }
}

/* Embeddings of a prompt's tokens from `first` on, with the pictures' embeddings in the places kept
 * for them. */
static enum status embed_prompt(const struct run *r, struct tensor out,
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
static enum status read_prompt(struct run *r, struct tensor hidden,
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
static enum status encode_prompts(struct run *r, struct tensor positive, struct tensor negative,
                                  struct error *err) {
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
    int64_t room = positive.rows > negative.rows ? positive.rows : negative.rows;
    s = language_cache_create(&cache, m->language, r->w, room, err);
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

/* The pictures' normalised, packed latents, behind the noise. */
static enum status encode_pictures(struct run *r, struct error *err) {
    const struct plan *p = r->plan;
    const struct vae_config *c = &r->config->vae;
    bool dry = workspace_is_dry(r->w);
    float *packed =
        dry ? NULL : r->host.latents + p->noise_tokens * r->config->transformer.in_channels;
    enum status s = STATUS_OK;
    for (size_t i = 0; i < p->pictures && s == STATUS_OK; i++) {
        int64_t height = p->vae[i].height, width = p->vae[i].width, scale = vae_scale(c);
        int64_t latent_pixels = height / scale * (width / scale);
        if (!dry) pixels_to_floats(r->host.pixels, &r->host.vae[i]);
        if (!dry) trace_planes(r->trace, "vae_input%d", i, r->host.pixels, height * width, 3);
        s = vae_encode(r->engine->model.vae, r->w, r->host.map, r->host.pixels, height, width, err);
        if (dry || s != STATUS_OK) continue;
        trace_planes(r->trace, "vae_mean%d", i, r->host.map, latent_pixels, c->z);
        latents_normalise(r->host.map, latent_pixels, c);
        latents_pack(packed, r->host.map, height / scale, width / scale, c->z);
        packed += latent_pixels * c->z;
    }
    return s;
}

static enum status decode_latents(struct run *r, struct error *err) {
    const struct vae_config *c = &r->config->vae;
    const struct edit_size size = r->plan->output;
    int64_t height = size.height / vae_scale(c), width = size.width / vae_scale(c);
    bool dry = workspace_is_dry(r->w);
    if (!dry) {
        latents_unpack(r->host.map, r->host.latents, height, width, c->z);
        latents_denormalise(r->host.map, height * width, c);
        trace_planes(r->trace, "vae_decode_input", 0, r->host.map, height * width, c->z);
    }
    enum status s =
        vae_decode(r->engine->model.vae, r->w, r->host.pixels, r->host.map, height, width, err);
    if (dry || s != STATUS_OK) return s;
    int64_t pixels = (int64_t)size.height * size.width;
    trace_planes(r->trace, "vae_decode_output", 0, r->host.pixels, pixels, 3);
    if (!all_finite(r->host.pixels, (size_t)pixels * 3))
        return fail(err, STATUS_NOT_FINITE,
                    "the VAE decoded something that is not a number; its weights may be damaged");
    struct picture *out = &r->result->picture;
    *out = (struct picture){size.width, size.height, malloc((size_t)pixels * 3)};
    if (!out->rgb) return fail(err, STATUS_NO_MEMORY, "no memory for the edited picture");
    pixels_from_floats(out, r->host.pixels);
    return STATUS_OK;
}

/* ---- denoising ---- */

static void draw_noise(struct run *r) {
    const struct vae_config *c = &r->config->vae;
    int64_t height = r->plan->grids[0].height * 2, width = r->plan->grids[0].width * 2;
    enum noise_generator g =
        r->engine->generator == FIRERED_GENERATOR_CUDA ? NOISE_TORCH_CUDA : NOISE_TORCH_CPU;
    noise_fill(r->host.map, (size_t)(c->z * height * width), r->edit->seed, g,
               r->engine->dtype != FIRERED_DTYPE_FLOAT32);
    latents_pack_planes(r->host.latents, r->host.map, height, width, c->z);
    if (r->trace)
        r->trace->floats(r->trace->arg, "noise", r->host.latents, r->plan->noise_tokens,
                         r->config->transformer.in_channels);
}

static double length_of(const float *x, int64_t n) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += (double)x[i] * x[i];
    return sqrt(s);
}

/* True classifier-free guidance: towards the prompt and away from the negative one, at each
 * token rescaled to the length that the prompt's own prediction has. */
static void guide(float *velocity, const float *negative, double scale, int64_t tokens,
                  int64_t channels) {
    for (int64_t t = 0; t < tokens; t++, velocity += channels, negative += channels) {
        double before = length_of(velocity, channels);
        for (int64_t i = 0; i < channels; i++)
            velocity[i] = negative[i] + (float)scale * (velocity[i] - negative[i]);
        double after = length_of(velocity, channels);
        if (after == 0) continue;
        for (int64_t i = 0; i < channels; i++) velocity[i] *= (float)(before / after);
    }
}

struct denoiser {
    struct transformer_text positive, negative;
    struct modulation modulation;
    struct tensor latents, velocity;
};

static enum status predict(struct run *r, const struct denoiser *d,
                           const struct transformer_text *text, float *out, int step,
                           const char *tag, struct error *err) {
    const struct trace *blocks = text == &d->positive && step == 0 ? r->trace : NULL;
    enum status s = transformer_forward(r->engine->model.transformer, r->w, d->velocity, d->latents,
                                        text, &d->modulation, step, blocks, err);
    if (s != STATUS_OK) return s;
    trace_tensor(r->trace, r->w, d->velocity, "step%d.noise_pred_%s", step, tag);
    tensor_download(r->w, out, d->velocity);
    return STATUS_OK;
}

static enum status denoise_step(struct run *r, const struct denoiser *d, int step,
                                struct error *err) {
    const struct plan *p = r->plan;
    int64_t channels = r->config->transformer.in_channels;
    tensor_upload(r->w, d->latents, r->host.latents);
    enum status s = predict(r, d, &d->positive, r->host.velocity, step, "cond", err);
    if (s == STATUS_OK && p->guided)
        s = predict(r, d, &d->negative, r->host.negative_velocity, step, "uncond", err);
    if (s != STATUS_OK || workspace_is_dry(r->w)) return s;
    if (p->guided)
        guide(r->host.velocity, r->host.negative_velocity, p->guidance_scale, p->noise_tokens,
              channels);
    size_t numbers = (size_t)(p->noise_tokens * channels);
    scheduler_step(r->host.latents, r->host.velocity, numbers, p->sigmas[step],
                   p->sigmas[step + 1]);
    if (!all_finite(r->host.latents, numbers))
        return fail(
            err, STATUS_NOT_FINITE,
            "step %d gave something that is not a number; the weights or an adapter may be damaged",
            step + 1);
    trace_floats(r->trace, r->host.latents, p->noise_tokens, channels, "step%d.latents", step);
    tell(r, FIRERED_STAGE_DENOISE, step + 1);
    return STATUS_OK;
}

/* What every step needs.  The prompts' embeddings leave out the template's first tokens, as the
 * reference does. */
static enum status prepare_denoiser(struct run *r, struct denoiser *d, struct tensor positive,
                                    struct tensor negative, struct error *err) {
    const struct plan *p = r->plan;
    const struct transformer *t = r->engine->model.transformer;
    int64_t drop = (int64_t)p->positive.text.drop, grids = 1 + (int64_t)p->pictures;
    int64_t channels = r->config->transformer.in_channels;
    struct tensor embeds = tensor_rows(positive, drop, positive.rows - drop);
    trace_tensor(r->trace, r->w, embeds, "prompt_embeds");
    enum status s = transformer_text_create(&d->positive, t, r->w, embeds, p->grids, grids, err);
    if (s == STATUS_OK && p->guided) {
        embeds = tensor_rows(negative, drop, negative.rows - drop);
        trace_tensor(r->trace, r->w, embeds, "negative_prompt_embeds");
        s = transformer_text_create(&d->negative, t, r->w, embeds, p->grids, grids, err);
    }
    if (s == STATUS_OK) s = modulation_create(&d->modulation, t, r->w, p->timesteps, p->steps, err);
    d->latents = tensor_take(r->w, p->noise_tokens + p->picture_tokens, channels);
    d->velocity = tensor_take(r->w, p->noise_tokens, channels);
    if (r->trace && s == STATUS_OK)
        r->trace->floats(r->trace->arg, "packed_input", r->host.latents, d->latents.rows, channels);
    return s;
}

static enum status denoise(struct run *r, struct tensor positive, struct tensor negative,
                           struct error *err) {
    struct denoiser d = {0};
    size_t mark = workspace_mark(r->w);
    enum status s = prepare_denoiser(r, &d, positive, negative, err);
    int steps = workspace_is_dry(r->w) ? 1 : r->plan->steps; /* all steps take the same memory */
    for (int step = 0; step < steps && s == STATUS_OK; step++) s = denoise_step(r, &d, step, err);
    modulation_destroy(&d.modulation);
    workspace_release(r->w, mark);
    return s;
}

/* ---- the result's size ---- */

static bool is_resized(const struct plan *p) {
    return p->result.width != p->output.width || p->result.height != p->output.height;
}

/* What resizing holds: the edited picture, one with its rows resized, and the result. */
static size_t resizing_bytes(const struct plan *p) {
    if (!is_resized(p)) return 0;
    size_t width = (size_t)p->result.width, from = (size_t)p->output.height;
    return 3 * ((size_t)p->output.width * from + width * from + width * (size_t)p->result.height);
}

/* Undoes the stretch to the model's multiples with it: both sides have a scale of their own. */
static enum status resize_result(struct picture *edited, const struct plan *p, struct error *err) {
    struct picture resized;
    if (!is_resized(p)) return STATUS_OK;
    enum status s =
        picture_resize(&resized, edited, p->result.width, p->result.height, RESAMPLE_LANCZOS, err);
    if (s != STATUS_OK) return s;
    picture_free(edited);
    *edited = resized;
    return STATUS_OK;
}

/* ---- the story ---- */

static enum status compute_stages(struct run *r, struct error *err) {
    const struct plan *p = r->plan;
    int64_t hidden = r->config->language.hidden;
    size_t mark = workspace_mark(r->w);
    struct tensor positive = tensor_take(r->w, (int64_t)p->positive.text.ids.count, hidden);
    struct tensor negative = tensor_take(r->w, (int64_t)p->negative.text.ids.count, hidden);
    r->phase_start = clock_now_seconds();

    tell(r, FIRERED_STAGE_ENCODE, 0);
    enum status s = encode_prompts(r, positive, negative, err);
    charge(r, FIRERED_PHASE_TEXT);
    if (s == STATUS_OK) s = encode_pictures(r, err);
    charge(r, FIRERED_PHASE_VAE_ENCODE);

    if (s == STATUS_OK) tell(r, FIRERED_STAGE_DENOISE, 0);
    if (s == STATUS_OK) s = denoise(r, positive, negative, err);
    workspace_release(r->w, mark);
    charge(r, FIRERED_PHASE_DENOISE);

    if (s == STATUS_OK) tell(r, FIRERED_STAGE_DECODE, p->steps);
    if (s == STATUS_OK) s = decode_latents(r, err);
    charge(r, FIRERED_PHASE_VAE_DECODE);
    return s;
}

enum status edit_memory(const struct firered *engine, const struct firered_edit *edit,
                        const struct plan *plan, struct workspace_size *size, struct error *err) {
    struct run r = {.engine = engine, .edit = edit, .plan = plan, .config = &engine->model.config};
    enum status s = workspace_create_dry(&r.w, engine->compute, err);
    if (s != STATUS_OK) return s;
    host_take(&r);
    s = compute_stages(&r, err);
    *size = workspace_peak(r.w);
    workspace_destroy(r.w);
    /* The result is resized when the workspace is given back, in the memory that it had. */
    if (size->host < resizing_bytes(plan)) size->host = resizing_bytes(plan);
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
    t->floats(t->arg, "pixel_values", h->pixel_values, patches, vision_patch_numbers(&c->vision));
    t->floats(t->arg, "sigmas", p->sigmas, 1, p->steps + 1);
    t->floats(t->arg, "timesteps", p->timesteps, 1, p->steps);
}

enum status edit_run(const struct firered *engine, const struct firered_edit *edit,
                     struct firered_result *result, const struct trace *trace, struct error *err) {
    *result = (struct firered_result){0};
    struct plan plan;
    struct run r = {.engine = engine,
                    .edit = edit,
                    .plan = &plan,
                    .config = &engine->model.config,
                    .result = result,
                    .trace = trace};
    struct workspace_size size = {0};
    double started = clock_now_seconds(), prepare_seconds = 0, resize_seconds = 0;
    enum status s = plan_edit(&plan, engine, edit, err);
    if (s == STATUS_OK) s = edit_memory(engine, edit, &plan, &size, err);
    if (s == STATUS_OK)
        s = workspace_create(&r.w, engine->compute, size, edit->cancelled, edit->arg, err);
    if (s == STATUS_OK) host_take(&r);
    if (s == STATUS_OK) s = workspace_check(r.w, err);
    if (s == STATUS_OK) s = resize_pictures(&r, err);
    if (s == STATUS_OK) {
        trace_plan(trace, &plan, &r.host, r.config);
        draw_noise(&r);
        prepare_seconds = clock_now_seconds() - started;
        s = compute_stages(&r, err);
    }
    workspace_destroy(r.w);
    host_free(&r.host);
    if (s == STATUS_OK) {
        double decoded = clock_now_seconds();
        s = resize_result(&result->picture, &plan, err);
        resize_seconds = clock_now_seconds() - decoded;
    }
    result->steps = plan.steps;
    result->guidance_scale = plan.guidance_scale;
    const struct firered_cost *phases = result->phases;
    result->encode_seconds = prepare_seconds + phases[FIRERED_PHASE_VISION].seconds +
                             phases[FIRERED_PHASE_TEXT].seconds +
                             phases[FIRERED_PHASE_VAE_ENCODE].seconds;
    result->denoise_seconds = phases[FIRERED_PHASE_DENOISE].seconds;
    result->decode_seconds = phases[FIRERED_PHASE_VAE_DECODE].seconds + resize_seconds;
    if (s != STATUS_OK) {
        picture_free(&result->picture);
        *result = (struct firered_result){0};
    }
    plan_free(&plan);
    return s;
}
