/*
 * The case is a JSON file beside its pictures.  What our pipeline shows to a trace is looked up by
 * name in the recorded one, and only the first difference is kept.
 */
#include "pipeline/reference_case.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "image/decode.h"

static void stop(const char *what, const char *detail) {
    fprintf(stderr, "reference case: %s: %s\n", what, detail);
    exit(1);
}

static struct picture open_picture(const char *folder, const char *name) {
    char path[1024];
    struct buffer bytes = {0};
    struct picture p = {0};
    struct error err = {{0}};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (buffer_read_file(&bytes, path, 1 << 26, &err) != STATUS_OK ||
        picture_decode(&p, bytes.data, bytes.size, 1 << 26, &err) != STATUS_OK)
        stop(path, err.text);
    buffer_free(&bytes);
    return p;
}

static char *copy_string(const json_t *v) {
    return json_is_string(v) ? strdup(json_string_value(v)) : NULL;
}

void reference_case_open(struct reference_case *c, const char *folder) {
    *c = (struct reference_case){0};
    snprintf(c->folder, sizeof c->folder, "%s%s%s", folder[0] == '/' ? "" : TEST_DATA,
             folder[0] == '/' ? "" : "/", folder);
    char path[1024];
    json_error_t where;
    snprintf(path, sizeof path, "%s/case.json", c->folder);
    json_t *j = json_load_file(path, 0, &where);
    if (!j) stop(path, where.text);
    c->prompt = copy_string(json_object_get(j, "prompt"));
    c->negative_prompt = copy_string(json_object_get(j, "negative_prompt"));
    c->bfloat16 = strcmp(json_string_value(json_object_get(j, "dtype")), "bfloat16") == 0;
    c->lora = json_number_value(json_object_get(j, "lora"));
    const json_t *images = json_object_get(j, "images");
    for (size_t i = 0; i < json_array_size(images); i++)
        c->pictures[i] = open_picture(c->folder, json_string_value(json_array_get(images, i)));
    c->output = open_picture(c->folder, "output.png");
    c->edit = (struct firered_edit){
        .pictures = c->pictures,
        .picture_count = json_array_size(images),
        .prompt = c->prompt,
        .negative_prompt = c->negative_prompt,
        .guidance_scale = json_number_value(json_object_get(j, "guidance_scale")),
        .steps = (int)json_integer_value(json_object_get(j, "steps")),
        .seed = (uint64_t)json_integer_value(json_object_get(j, "seed"))};
    if (json_object_get(
            j, "size")) { /* the others have the model's own size, which is to come out by itself */
        c->edit.width = (int)json_integer_value(json_object_get(j, "width"));
        c->edit.height = (int)json_integer_value(json_object_get(j, "height"));
    }
    json_decref(j);
}

void reference_case_close(struct reference_case *c) {
    for (size_t i = 0; i < FIRERED_MAX_PICTURES; i++) picture_free(&c->pictures[i]);
    picture_free(&c->output);
    free(c->prompt);
    free(c->negative_prompt);
}

/* ---- comparing ---- */

static void off(struct comparison *c, const char *format, const char *name, double a, double b) {
    if (!c->failed) snprintf(c->first, sizeof c->first, format, name, a, b);
    c->failed = true;
}

static bool find(struct comparison *c, const char *name, size_t count, struct reader_tensor *out) {
    if (!safetensors_reader_has(c->expected, name))
        return false; /* the reference does not have it */
    *out = safetensors_reader_get(c->expected, name);
    c->compared++;
    if (out->count == count) return true;
    off(c, "%s has %.0f numbers, the reference %.0f", name, (double)count, (double)out->count);
    return false;
}

/* The steps' numbers pass through everything before them, and pixel_values are torchvision's, not
 * Pillow's. */
static double tolerance_for(const struct comparison *c, const char *name) {
    return strcmp(name, "pixel_values") == 0 ? 2e-3 : c->tolerance;
}

static void compare_floats(void *arg, const char *name, const float *data, int64_t rows,
                           int64_t cols) {
    struct comparison *c = arg;
    struct reader_tensor t;
    if (!find(c, name, (size_t)(rows * cols), &t)) return;
    float *expected = safetensors_reader_floats(c->expected, name);
    if (strcmp(name, "timesteps") == 0) /* ours are from 0 to 1 */
        for (size_t i = 0; i < t.count; i++) expected[i] /= 1000;
    double error = 0, size = 0;
    for (size_t i = 0; i < t.count; i++) {
        double d = (double)data[i] - expected[i];
        error += d * d;
        size += (double)expected[i] * expected[i];
    }
    free(expected);
    double relative = sqrt(error / (size > 0 ? size : 1));
    if (getenv("FIRERED_SHOW_TRACE")) fprintf(stderr, "%-28s %.2e\n", name, relative);
    if (!(relative <= c->worst)) {
        c->worst = relative;
        snprintf(c->worst_name, sizeof c->worst_name, "%s", name);
    }
    if (!(relative <= tolerance_for(c, name)))
        off(c, "%s is off by %.3e of its length, more than %.1e", name, relative,
            tolerance_for(c, name));
}

static void compare_integers(void *arg, const char *name, const int32_t *data, int64_t rows,
                             int64_t cols) {
    struct comparison *c = arg;
    struct reader_tensor t;
    if (!find(c, name, (size_t)(rows * cols), &t)) return;
    const int64_t *expected = t.data;
    for (size_t i = 0; i < t.count; i++) {
        if (data[i] == expected[i]) continue;
        off(c, "%s has %.0f where the reference has %.0f", name, data[i], (double)expected[i]);
        return;
    }
}

void comparison_open(struct comparison *c, const struct reference_case *of, double tolerance) {
    char path[1024];
    snprintf(path, sizeof path, "%s/trace.safetensors", of->folder);
    *c = (struct comparison){.expected = safetensors_reader_open(path), .tolerance = tolerance};
}

void comparison_close(struct comparison *c) {
    safetensors_reader_close(c->expected);
}

struct trace comparison_trace(struct comparison *c) {
    return (struct trace){.floats = compare_floats, .integers = compare_integers, .arg = c};
}

int picture_max_difference(const struct picture *a, const struct picture *b) {
    if (a->width != b->width || a->height != b->height) return 256;
    int most = 0;
    for (size_t i = 0; i < (size_t)a->width * (size_t)a->height * 3; i++) {
        int d = abs(a->rgb[i] - b->rgb[i]);
        if (d > most) most = d;
    }
    return most;
}
