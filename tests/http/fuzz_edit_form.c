/* The forms of POST /edit and POST /v1/images/edits from arbitrary bodies, cut anywhere: no crash,
 * and what is taken is in range.  The first byte says how the body is cut. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct edit_rules rules = {.model = "fake-model",
                                        .max_pictures = FIRERED_MAX_PICTURES,
                                        .max_image_pixels = 1 << 20,
                                        .max_steps = 100,
                                        .steps = 28,
                                        .guidance_scale = 7,
                                        .negative_prompt = " "};

static void check(const struct edit_order *o, const struct form_options *options) {
    if (o->file_count < 1 || o->file_count > FIRERED_MAX_PICTURES) abort();
    if (!o->prompt || !*o->prompt || !o->negative_prompt) abort();
    if (o->steps < 1 || o->steps > 100) abort();
    if (!isfinite(o->guidance_scale) || o->guidance_scale < 0 ||
        o->guidance_scale > FIRERED_MAX_GUIDANCE)
        abort();
    if (!o->width != !o->height || (o->width && o->input_size)) abort();
    if (o->width && (o->width < FIRERED_MIN_SIDE || o->width > FIRERED_MAX_SIDE ||
                     o->height < FIRERED_MIN_SIDE || o->height > FIRERED_MAX_SIDE))
        abort();
    if (o->quality < 0 || o->quality > 100) abort();
    if (memchr(options->ignored, '\0', sizeof options->ignored) == NULL) abort();
    if (options->count < 1 || options->count > FIELD_MAX_COUNT) abort();
}

static void read_form(enum field_place place, const char *type, const char *body, size_t size,
                      size_t piece) {
    struct form *form;
    struct form_options options;
    struct edit_order order = {0};
    struct upload_budget uploads = {.max_bytes = 1 << 20};
    struct problem problem = {.why = {""}};
    bool good = form_create(&form, place, &rules, &uploads, type, &problem);
    if (!good) abort();
    for (size_t at = 0; at < size && good; at += piece)
        good = form_feed(form, body + at, size - at < piece ? size - at : piece, &problem);
    good = good && form_finish(form, &order, &options, &problem);
    if (good)
        check(&order, &options);
    else if (!problem.why.text[0])
        abort();
    edit_order_free(&order);
    form_destroy(form);
    if (upload_budget_held(&uploads) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    size_t piece = data[0] ? data[0] : size;
    static const char multipart[] = "multipart/form-data; boundary=b";
    const char *body = (const char *)data + 1;
    read_form(FIELD_OF_EDIT, multipart, body, size - 1, piece);
    read_form(FIELD_OF_OPENAI, multipart, body, size - 1, piece);
    read_form(FIELD_OF_OPENAI, "application/json", body, size - 1, piece);
    return 0;
}
