/*
 * The reference pipeline resizes twice for the vision tower: by area with LANCZOS, then its image
 * processor to whole patches with BICUBIC.
 */
#include "pipeline/intake.h"

#include "base/clock.h"
#include "image/resize.h"

static size_t picture_bytes(struct edit_size s) {
    return 3 * (size_t)s.width * (size_t)s.height;
}

size_t intake_bytes(const struct plan *p) {
    size_t bytes = 0;
    for (size_t i = 0; i < p->pictures; i++)
        bytes += picture_bytes(p->vision[i]) + picture_bytes(p->vae[i]);
    return bytes;
}

/* The picture with its rows resized, and the resized one. */
static size_t resizing_bytes(const struct picture *from, struct edit_size to) {
    return picture_bytes((struct edit_size){to.width, from->height}) + picture_bytes(to);
}

size_t intake_filling_bytes(const struct plan *p, const struct firered_edit *edit) {
    size_t most = 0;
    for (size_t i = 0; i < p->pictures; i++) {
        const struct picture *from = &edit->pictures[i];
        size_t condition = resizing_bytes(from, p->condition[i]) + picture_bytes(p->vision[i]);
        size_t vae = resizing_bytes(from, p->vae[i]);
        size_t bytes = condition > vae ? condition : vae;
        if (!from->rgb) bytes += picture_bytes((struct edit_size){from->width, from->height});
        if (!from->rgb && bytes < edit->read_bytes) bytes = edit->read_bytes;
        if (bytes > most) most = bytes;
    }
    return intake_bytes(p) + most;
}

static enum status resize(struct intake *out, const struct plan *p, size_t i,
                          const struct picture *in, struct error *err) {
    struct picture by_area = {0};
    enum status s = picture_resize(&by_area, in, p->condition[i].width, p->condition[i].height,
                                   RESAMPLE_LANCZOS, err);
    if (s == STATUS_OK)
        s = picture_resize(&out->condition[i], &by_area, p->vision[i].width, p->vision[i].height,
                           RESAMPLE_BICUBIC_TORCH, err);
    picture_free(&by_area);
    if (s == STATUS_OK)
        s = picture_resize(&out->vae[i], in, p->vae[i].width, p->vae[i].height, RESAMPLE_LANCZOS,
                           err);
    return s;
}

static enum status read(struct picture *out, const struct firered_edit *edit, size_t i,
                        double *seconds, struct error *err) {
    const struct picture *told = &edit->pictures[i];
    double from = clock_now_seconds();
    if (!edit->read) return fail(err, STATUS_INTERNAL, "picture %zu has no pixels", i + 1);
    enum status s = edit->read(edit->arg, i, out, err);
    *seconds += clock_now_seconds() - from;
    if (s == STATUS_OK && (out->width != told->width || out->height != told->height))
        s = fail(err, STATUS_INTERNAL, "picture %zu is %dx%d, and was planned as %dx%d", i + 1,
                 out->width, out->height, told->width, told->height);
    return s;
}

enum status intake_fill(struct intake *out, const struct plan *p, const struct firered_edit *edit,
                        double *read_seconds, struct error *err) {
    enum status s = STATUS_OK;
    *read_seconds = 0;
    for (size_t i = 0; i < p->pictures && s == STATUS_OK; i++) {
        const struct picture *told = &edit->pictures[i];
        struct picture own = {0};
        if (edit->cancelled && edit->cancelled(edit->arg))
            return fail(err, STATUS_CANCELLED, "the edit was cancelled");
        if (!told->rgb) s = read(&own, edit, i, read_seconds, err);
        if (s == STATUS_OK) s = resize(out, p, i, told->rgb ? told : &own, err);
        picture_free(&own);
    }
    return s;
}

void intake_free(struct intake *in) {
    for (size_t i = 0; i < FIRERED_MAX_PICTURES; i++) {
        picture_free(&in->condition[i]);
        picture_free(&in->vae[i]);
    }
}
