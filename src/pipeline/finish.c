/*
 * The model works in multiples of its own; resizing undoes the stretch to them with it, since both
 * sides have a scale of their own.  What the model saw takes the same way to the result's size: so
 * detail that the model never had counts as no change.
 */
#include "pipeline/finish.h"

#include <math.h>

#include "image/quality.h"
#include "image/resize.h"

static bool is_resized(const struct plan *p, struct edit_size from) {
    return p->result.width != from.width || p->result.height != from.height;
}

/* A picture, one with its rows resized, and the resized one. */
static size_t resizing_bytes(const struct plan *p, struct edit_size from) {
    if (!is_resized(p, from)) return 0;
    size_t width = (size_t)p->result.width, height = (size_t)from.height;
    return 3 * ((size_t)from.width * height + width * height + width * (size_t)p->result.height);
}

size_t finish_bytes(const struct plan *p) {
    size_t result = 3 * (size_t)p->result.width * (size_t)p->result.height;
    size_t resizing = resizing_bytes(p, p->output);
    size_t measuring = resizing_bytes(p, p->vae[p->pictures - 1]);
    if (measuring) measuring += result;
    return measuring > resizing ? measuring : resizing;
}

static enum status resize_result(struct picture *edited, const struct plan *p, struct error *err) {
    struct picture resized;
    if (!is_resized(p, p->output)) return STATUS_OK;
    enum status s =
        picture_resize(&resized, edited, p->result.width, p->result.height, RESAMPLE_LANCZOS, err);
    if (s != STATUS_OK) return s;
    picture_free(edited);
    *edited = resized;
    return STATUS_OK;
}

static enum status measure_change(struct firered_result *result, const struct picture *seen,
                                  struct error *err) {
    const struct picture *made = &result->picture;
    struct picture resized = {0};
    if (seen->width != made->width || seen->height != made->height) {
        enum status s =
            picture_resize(&resized, seen, made->width, made->height, RESAMPLE_LANCZOS, err);
        if (s != STATUS_OK) return s;
        seen = &resized;
    }
    result->change = round(picture_change(made, seen) * 1e4) / 1e4;
    picture_free(&resized);
    return STATUS_OK;
}

enum status finish_edit(struct firered_result *result, const struct plan *plan,
                        const struct picture *seen, struct error *err) {
    enum status s = resize_result(&result->picture, plan, err);
    return s == STATUS_OK ? measure_change(result, seen, err) : s;
}
