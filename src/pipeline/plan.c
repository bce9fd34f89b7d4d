/*
 * Sizes follow from the pictures and the config, in the reference's own rounding; then each prompt
 * becomes ids and positions, and the number of steps a schedule.  Nothing here needs the device.
 */
#include "pipeline/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum {
    SIDE_MULTIPLE = 32, /* of resized pictures */
    MAX_ASPECT = 200,
    TEMPLATE_TOKENS = 128, /* at most, around pictures and sentence, under Qwen's vocabulary */
};

struct edit_size size_for_area(int64_t area, int width, int height) {
    double ratio = (double)width / (double)height;
    double wide = sqrt((double)area * ratio), high = wide / ratio;
    wide = nearbyint(wide / SIDE_MULTIPLE) * SIDE_MULTIPLE; /* ties to even, as Python's round */
    high = nearbyint(high / SIDE_MULTIPLE) * SIDE_MULTIPLE;
    /* the reference would go on with no pixels at all */
    return (struct edit_size){(int)fmax(wide, SIDE_MULTIPLE), (int)fmax(high, SIDE_MULTIPLE)};
}

static enum status check_request(const struct firered_edit *e, const struct edit_config *config,
                                 struct error *err) {
    enum status s = engine_check_pictures(config, e->picture_count, err);
    if (s != STATUS_OK) return s;
    for (size_t i = 0; i < e->picture_count; i++) {
        int w = e->pictures[i].width, h = e->pictures[i].height;
        if (w < 1 || h < 1 || w > PICTURE_MAX_SIDE || h > PICTURE_MAX_SIDE)
            return fail(err, STATUS_INVALID, "picture %zu is %dx%d; a side must be 1 to %d pixels",
                        i + 1, w, h, PICTURE_MAX_SIDE);
        if (w > MAX_ASPECT * h || h > MAX_ASPECT * w)
            return fail(err, STATUS_INVALID,
                        "picture %zu is %dx%d; one side may be at most %d times the other", i + 1,
                        w, h, MAX_ASPECT);
    }
    if (!e->prompt || utf8_is_blank(e->prompt, strlen(e->prompt)))
        return fail(err, STATUS_INVALID, "the prompt is blank; say in a sentence what to change");
    if (e->steps < 1 || e->steps > FIRERED_MAX_STEPS)
        return fail(err, STATUS_INVALID, "steps is %d; it must be 1 to %d", e->steps,
                    FIRERED_MAX_STEPS);
    if (!isfinite(e->guidance_scale) || e->guidance_scale < 0 ||
        e->guidance_scale > FIRERED_MAX_GUIDANCE)
        return fail(err, STATUS_INVALID, "guidance_scale is %g; it must be a number from 0 to %d",
                    e->guidance_scale, FIRERED_MAX_GUIDANCE);
    if ((e->width == 0) != (e->height == 0))
        return fail(err, STATUS_INVALID, "give both width and height, or none of them");
    if (e->width != 0 && e->input_size)
        return fail(err, STATUS_INVALID,
                    "the input's size and a width and height exclude each other; ask for one");
    if (e->width != 0 && (e->width < FIRERED_MIN_SIDE || e->height < FIRERED_MIN_SIDE ||
                          e->width > FIRERED_MAX_SIDE || e->height > FIRERED_MAX_SIDE))
        return fail(err, STATUS_INVALID,
                    "the size %dx%d is out of range; a side must be %d to %d pixels", e->width,
                    e->height, FIRERED_MIN_SIDE, FIRERED_MAX_SIDE);
    return STATUS_OK;
}

static void plan_sizes(struct plan *p, const struct model_config *c, const struct firered_edit *e) {
    int token = 2 * vae_scale(&c->vae); /* pixels of a latent token's side */
    p->pictures = e->picture_count;
    const struct picture *last = &e->pictures[e->picture_count - 1];
    struct edit_size size = size_for_area(c->edit.output_area, last->width, last->height);
    if (e->width) size = (struct edit_size){e->width, e->height};
    p->grids[0] = (struct token_grid){size.height / token, size.width / token};
    p->output = (struct edit_size){size.width / token * token, size.height / token * token};
    p->result = e->input_size ? (struct edit_size){last->width, last->height} : p->output;
    p->noise_tokens = p->grids[0].height * p->grids[0].width;
    for (size_t i = 0; i < p->pictures; i++) {
        int w = e->pictures[i].width, h = e->pictures[i].height;
        p->condition[i] = size_for_area(c->edit.condition_area, w, h);
        p->vae[i] = c->edit.vae_follows_output ? p->output : size_for_area(c->edit.vae_area, w, h);
        vision_size(&c->vision, p->condition[i].width, p->condition[i].height, &p->vision[i].width,
                    &p->vision[i].height);
        p->patches[i] = (struct patch_grid){p->vision[i].height / c->vision.patch,
                                            p->vision[i].width / c->vision.patch};
        p->grids[i + 1] = (struct token_grid){p->vae[i].height / token, p->vae[i].width / token};
        p->picture_tokens += p->grids[i + 1].height * p->grids[i + 1].width;
    }
}

/* Text counts on in all three axes; a picture's tokens all have the time at which it begins, and
 * rows and columns counted from there; what follows goes on after its longer side.  Source:
 * transformers, Qwen2_5_VLModel.get_rope_index. */
static void count_positions(int32_t *positions, const int32_t *ids, int64_t n, int32_t image_pad,
                            const struct patch_grid *patches, int64_t merge) {
    int32_t now = 0;
    for (int64_t i = 0; i < n;) {
        if (ids[i] != image_pad) {
            for (int axis = 0; axis < 3; axis++) positions[axis * n + i] = now;
            now++;
            i++;
            continue;
        }
        int64_t rows = patches->height / merge, cols = patches->width / merge;
        for (int64_t k = 0; k < rows * cols; k++, i++) {
            positions[i] = now;
            positions[n + i] = now + (int32_t)(k / cols);
            positions[2 * n + i] = now + (int32_t)(k % cols);
        }
        now += (int32_t)(rows > cols ? rows : cols);
        patches++;
    }
}

static enum status plan_prompt(struct plan_prompt *out, const struct plan *p,
                               const struct firered *engine, const char *prompt,
                               struct error *err) {
    const struct vision_config *c = &engine->model.config.vision;
    int image_tokens[FIRERED_MAX_PICTURES];
    for (size_t i = 0; i < p->pictures; i++)
        image_tokens[i] = (int)vision_tokens(c, &p->patches[i], 1);
    enum status s =
        prompt_encode(engine->tokenizer, prompt, image_tokens, p->pictures, &out->text, err);
    if (s != STATUS_OK) return s;
    size_t n = out->text.ids.count;
    out->positions = malloc(3 * n * sizeof *out->positions);
    if (!out->positions) return fail(err, STATUS_NO_MEMORY, "no memory for %zu tokens", n);
    count_positions(out->positions, out->text.ids.ids, (int64_t)n,
                    tokenizer_token_id(engine->tokenizer, "<|image_pad|>"), p->patches, c->merge);
    return STATUS_OK;
}

/* At least the negative prompt's last token is left to compute. */
static int64_t shared_prefix(const struct token_ids *a, const struct token_ids *b) {
    size_t n = 0;
    while (n < a->count && n + 1 < b->count && a->ids[n] == b->ids[n]) n++;
    return (int64_t)n;
}

/* In bfloat16 the reference rounds the timestep before and after it divides it by 1000. */
static float round_timestep(float t, bool bfloat16) {
    if (!bfloat16) return t / 1000.0f;
    return float_from_bf16(bf16_from_float(float_from_bf16(bf16_from_float(t)) / 1000.0f));
}

static enum status plan_schedule(struct plan *p, const struct firered *engine, int steps,
                                 struct error *err) {
    p->steps = steps;
    p->sigmas = calloc((size_t)steps + 1, sizeof *p->sigmas);
    p->timesteps = calloc((size_t)steps, sizeof *p->timesteps);
    if (!p->sigmas || !p->timesteps)
        return fail(err, STATUS_NO_MEMORY, "no memory to plan %d steps", steps);
    enum status s =
        scheduler_sigmas(&engine->scheduler, steps, p->noise_tokens, p->sigmas, p->timesteps, err);
    for (int i = 0; i < steps; i++)
        p->timesteps[i] = round_timestep(p->timesteps[i], engine->dtype != FIRERED_DTYPE_FLOAT32);
    return s;
}

static void plan_guidance(struct plan *p, const struct firered *engine,
                          const struct firered_edit *edit) {
    p->guided = edit->guidance_scale > 1 && !engine->model.config.edit.distilled;
    p->guidance_scale = p->guided ? edit->guidance_scale : 1.0;
}

enum status plan_unwritten_edit(struct plan *out, const struct firered *engine,
                                const struct firered_edit *edit, size_t prompt_tokens,
                                struct error *err) {
    *out = (struct plan){0};
    plan_sizes(out, &engine->model.config, edit);
    plan_guidance(out, engine, edit);
    int64_t places =
        vision_tokens(&engine->model.config.vision, out->patches, (int64_t)out->pictures);
    out->positive.text = (struct prompt_ids){.drop = PROMPT_DROP};
    out->positive.text.ids.count = TEMPLATE_TOKENS + (size_t)places + prompt_tokens;
    if (out->guided) out->negative.text = out->positive.text;
    return plan_schedule(out, engine, edit->steps, err);
}

enum status plan_edit(struct plan *out, const struct firered *engine,
                      const struct firered_edit *edit, struct error *err) {
    *out = (struct plan){0};
    enum status s = check_request(edit, &engine->model.config.edit, err);
    if (s != STATUS_OK) return s;
    plan_sizes(out, &engine->model.config, edit);
    plan_guidance(out, engine, edit);
    s = plan_prompt(&out->positive, out, engine, edit->prompt, err);
    if (s == STATUS_OK && out->guided) {
        s = plan_prompt(&out->negative, out, engine,
                        edit->negative_prompt ? edit->negative_prompt : " ", err);
        if (s == STATUS_OK)
            out->shared = shared_prefix(&out->positive.text.ids, &out->negative.text.ids);
    }
    return s == STATUS_OK ? plan_schedule(out, engine, edit->steps, err) : s;
}

void plan_free(struct plan *p) {
    prompt_ids_free(&p->positive.text);
    prompt_ids_free(&p->negative.text);
    free(p->positive.positions);
    free(p->negative.positions);
    free(p->sigmas);
    free(p->timesteps);
    *p = (struct plan){0};
}
