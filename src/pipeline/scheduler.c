/*
 * Sigmas go through three stages, each of which the config may switch on: the shift, which bends
 * the even spacing towards noise; the stretch, which puts the last sigma where the model was
 * trained to end; the spacing, which keeps the first and the last only.
 *
 * numpy computes the first two in single precision, because the pipeline's sigmas are a float32
 * array and python's numbers adapt to it; the third in double.  The casts here follow it, so that
 * the results are equal to the bit but for pow, exp and log of another C library.
 */
#include "pipeline/scheduler.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"

enum {
    CONFIG_LIMIT = 1 << 20, /* bytes; such a file has some hundred */
    MAX_TRAIN_TIMESTEPS = 1000000,
    MAX_SEQ_LEN = 1 << 30,
};

static const double MAX_SHIFT = 1e6;

static enum status refuse(const json_t *file, const char *key, const char *where,
                          struct error *err) {
    bool on = false;
    enum status s = json_get_bool(file, key, &on, where, err);
    if (s == STATUS_OK && on)
        return fail(err, STATUS_INVALID, "%s: \"%s\" is true, which firered does not support",
                    where, key);
    return s;
}

/* *out becomes the place of the key's value in `names`, and stays as it is when the key is absent.
 */
static enum status get_name(const json_t *file, const char *key, const char *const names[2],
                            int *out, const char *where, struct error *err) {
    const json_t *v = json_object_get(file, key);
    if (!v || json_is_null(v)) return STATUS_OK;
    for (int i = 0; i < 2 && names[i]; i++) {
        if (json_is_string(v) && strcmp(json_string_value(v), names[i]) == 0) {
            *out = i;
            return STATUS_OK;
        }
    }
    return fail(err, STATUS_INVALID, "%s: \"%s\" must be \"%s\"%s%s%s", where, key, names[0],
                names[1] ? " or \"" : "", names[1] ? names[1] : "", names[1] ? "\"" : "");
}

static enum status read_spacing(struct scheduler_config *c, const json_t *file, const char *where,
                                struct error *err) {
    bool karras = false, exponential = false;
    enum status s = json_get_bool(file, "use_karras_sigmas", &karras, where, err);
    if (s == STATUS_OK) s = json_get_bool(file, "use_exponential_sigmas", &exponential, where, err);
    if (s != STATUS_OK) return s;
    if (karras && exponential)
        return fail(
            err, STATUS_INVALID,
            "%s: only one of \"use_karras_sigmas\" and \"use_exponential_sigmas\" may be true",
            where);
    if (karras) c->spacing = SCHEDULER_SPACING_KARRAS;
    if (exponential) c->spacing = SCHEDULER_SPACING_EXPONENTIAL;
    return STATUS_OK;
}

static enum status read_shift(struct scheduler_config *c, const json_t *file, const char *where,
                              struct error *err) {
    static const char *const types[] = {"exponential", "linear"};
    int type = SCHEDULER_SHIFT_EXPONENTIAL;
    enum status s =
        json_get_bool(file, "use_dynamic_shifting", &c->use_dynamic_shifting, where, err);
    if (s == STATUS_OK) s = get_name(file, "time_shift_type", types, &type, where, err);
    if (s == STATUS_OK) s = json_get_double(file, "shift", &c->shift, where, err);
    if (s == STATUS_OK) s = json_get_double(file, "base_shift", &c->base_shift, where, err);
    if (s == STATUS_OK) s = json_get_double(file, "max_shift", &c->max_shift, where, err);
    if (s == STATUS_OK) s = json_get_double(file, "shift_terminal", &c->shift_terminal, where, err);
    if (s == STATUS_OK)
        s = json_get_int(file, "base_image_seq_len", 0, MAX_SEQ_LEN, &c->base_image_seq_len, where,
                         err);
    if (s == STATUS_OK)
        s = json_get_int(file, "max_image_seq_len", 0, MAX_SEQ_LEN, &c->max_image_seq_len, where,
                         err);
    if (s != STATUS_OK) return s;

    c->time_shift_type = (enum scheduler_time_shift)type;
    if (!(c->shift > 0 && c->shift <= MAX_SHIFT))
        return fail(err, STATUS_INVALID, "%s: \"shift\" must be above 0 and at most %g", where,
                    MAX_SHIFT);
    if (!(c->shift_terminal >= 0 && c->shift_terminal < 1))
        return fail(err, STATUS_INVALID,
                    "%s: \"shift_terminal\" must be null, or from 0 to below 1", where);
    if (c->max_image_seq_len <= c->base_image_seq_len)
        return fail(err, STATUS_INVALID,
                    "%s: \"max_image_seq_len\" must be greater than \"base_image_seq_len\"", where);
    return STATUS_OK;
}

static enum status read_config(struct scheduler_config *c, const json_t *file, const char *where,
                               struct error *err) {
    static const char *const classes[2] = {"FlowMatchEulerDiscreteScheduler"};
    int class_index = 0;
    enum status s = get_name(file, "_class_name", classes, &class_index, where, err);
    if (s == STATUS_OK)
        s = json_get_int(file, "num_train_timesteps", 1, MAX_TRAIN_TIMESTEPS,
                         &c->num_train_timesteps, where, err);
    if (s == STATUS_OK) s = refuse(file, "invert_sigmas", where, err);
    if (s == STATUS_OK) s = refuse(file, "stochastic_sampling", where, err);
    if (s == STATUS_OK) s = refuse(file, "use_beta_sigmas", where, err);
    if (s == STATUS_OK) s = read_spacing(c, file, where, err);
    if (s == STATUS_OK) s = read_shift(c, file, where, err);
    return s;
}

enum status scheduler_config_load(struct scheduler_config *out, const char *folder,
                                  struct error *err) {
    *out = (struct scheduler_config){
        .num_train_timesteps = 1000,
        .shift = 1.0,
        .base_shift = 0.5,
        .max_shift = 1.15,
        .base_image_seq_len = 256,
        .max_image_seq_len = 4096,
    };
    json_t *file = NULL;
    struct buffer path = {0};
    enum status s = buffer_printf(&path, "%s/scheduler/scheduler_config.json", folder);
    if (s != STATUS_OK) {
        fail(err, s, "no memory to read the scheduler's config");
        goto done;
    }
    s = json_open(&file, path.data, CONFIG_LIMIT, err);
    if (s == STATUS_OK) s = read_config(out, file, path.data, err);
done:
    json_decref(file);
    buffer_free(&path);
    return s;
}

/* Number i of numpy.linspace(from, to, n). */
static double linspace(double from, double to, int n, int i) {
    if (n == 1) return from;
    return i == n - 1 ? to : i * ((to - from) / (n - 1)) + from;
}

/* QwenImageEditPlusPipeline's calculate_shift: a straight line through the config's two points. */
static double calculate_shift(const struct scheduler_config *c, int64_t image_seq_len) {
    double base_seq_len = (double)c->base_image_seq_len;
    double m = (c->max_shift - c->base_shift) / ((double)c->max_image_seq_len - base_seq_len);
    double b = c->base_shift - m * base_seq_len;
    return (double)image_seq_len * m + b;
}

static enum status shift_dynamic(const struct scheduler_config *c, int64_t image_seq_len,
                                 float *sigmas, int steps, struct error *err) {
    double mu = calculate_shift(c, image_seq_len);
    double weight = c->time_shift_type == SCHEDULER_SHIFT_EXPONENTIAL ? exp(mu) : mu;
    if (!(weight >= (double)FLT_MIN && weight <= (double)FLT_MAX))
        return fail(err, STATUS_INVALID,
                    "the scheduler's \"base_shift\" and \"max_shift\" give %lld image tokens the "
                    "shift %g, which is out of range",
                    (long long)image_seq_len, mu);
    float w = (float)weight;
    for (int i = 0; i < steps; i++) sigmas[i] = w / (w + (1.0f / sigmas[i] - 1.0f));
    return STATUS_OK;
}

static void shift_static(double shift, float *sigmas, int steps) {
    float s = (float)shift, s_minus_1 = (float)(shift - 1.0);
    for (int i = 0; i < steps; i++) sigmas[i] = s * sigmas[i] / (1.0f + s_minus_1 * sigmas[i]);
}

static void stretch_to_terminal(double terminal, float *sigmas, int steps) {
    float scale = (1.0f - sigmas[steps - 1]) / (float)(1.0 - terminal);
    for (int i = 0; i < steps; i++) sigmas[i] = 1.0f - (1.0f - sigmas[i]) / scale;
}

static void space(enum scheduler_spacing spacing, float *sigmas, int steps) {
    if (spacing == SCHEDULER_SPACING_FLOW) return;
    double first = sigmas[0], last = sigmas[steps - 1];
    double first_root = pow(first, 1 / 7.0), last_root = pow(last, 1 / 7.0);
    for (int i = 0; i < steps; i++) {
        if (spacing == SCHEDULER_SPACING_KARRAS) {
            double ramp = linspace(0, 1, steps, i);
            sigmas[i] = (float)pow(first_root + ramp * (last_root - first_root), 7.0);
        } else {
            sigmas[i] = (float)exp(linspace(log(first), log(last), steps, i));
        }
    }
}

enum status scheduler_sigmas(const struct scheduler_config *c, int steps, int64_t image_seq_len,
                             float *sigmas, float *timesteps, struct error *err) {
    if (steps < 1 || steps > SCHEDULER_MAX_STEPS)
        return fail(err, STATUS_INVALID, "the number of steps is %d; it must be 1 to %d", steps,
                    SCHEDULER_MAX_STEPS);
    if (image_seq_len < 1)
        return fail(err, STATUS_INVALID, "a picture of %lld image tokens has no schedule",
                    (long long)image_seq_len);

    enum status s = STATUS_OK;
    for (int i = 0; i < steps; i++) sigmas[i] = (float)linspace(1.0, 1.0 / steps, steps, i);
    if (c->use_dynamic_shifting)
        s = shift_dynamic(c, image_seq_len, sigmas, steps, err);
    else
        shift_static(c->shift, sigmas, steps);
    if (s != STATUS_OK) return s;
    if (c->shift_terminal > 0) {
        if (steps == 1)
            sigmas[0] = 1.0f;
        else
            stretch_to_terminal(c->shift_terminal, sigmas, steps);
    }
    space(c->spacing, sigmas, steps);
    sigmas[steps] = 0.0f;

    for (int i = 0; i < steps; i++) {
        if (!(sigmas[i] >= 0 &&
              sigmas[i] < 1.001f)) /* also NaN: the stretch had nothing to stretch */
            return fail(
                err, STATUS_INVALID,
                "the scheduler's config gives sigma %g at step %d of %d for %lld image tokens; "
                "sigmas must be from 0 to 1",
                (double)sigmas[i], i + 1, steps, (long long)image_seq_len);
        timesteps[i] = sigmas[i] * (float)c->num_train_timesteps;
    }
    return STATUS_OK;
}
