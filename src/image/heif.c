/*
 * HEIC and AVIF through libheif, which turns a picture upright by its container's boxes; EXIF, which
 * only repeats them, is not asked.  More than 8 bits are reduced there, too.  Of a collection the
 * primary picture counts.
 *
 * libheif decodes a picture in one call, which cannot be stopped.
 */
#include <libheif/heif.h>
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"

enum { MAX_PROFILE = 4 << 20 };

struct heif_file {
    struct heif_context *context;
    struct heif_image_handle *handle;
    struct heif_image *image;
    uint8_t *profile;
};

static enum status heif_fail(struct heif_error why, struct error *err) {
    if (why.code == heif_error_Memory_allocation_error &&
        why.subcode != heif_suberror_Security_limit_exceeded)
        return fail(err, STATUS_NO_MEMORY, "no memory to decode the HEIC or AVIF picture");
    const char *text = why.message ? why.message : "";
    int length = (int)strcspn(text, "\n");
    return fail(err, STATUS_INVALID, "the HEIC or AVIF picture is truncated or corrupt: %.*s",
                length < 200 ? length : 200, text);
}

static enum status open_file(struct heif_file *f, const uint8_t *bytes, size_t size,
                             struct error *err) {
    *f = (struct heif_file){.context = heif_context_alloc()};
    if (!f->context)
        return fail(err, STATUS_NO_MEMORY, "no memory to decode the HEIC or AVIF picture");
    heif_context_set_maximum_image_size_limit(f->context, PICTURE_MAX_SIDE);
    struct heif_error why =
        heif_context_read_from_memory_without_copy(f->context, bytes, size, NULL);
    if (why.code == heif_error_Ok)
        why = heif_context_get_primary_image_handle(f->context, &f->handle);
    return why.code == heif_error_Ok ? STATUS_OK : heif_fail(why, err);
}

static void close_file(struct heif_file *f) {
    if (f->image) heif_image_release(f->image);
    if (f->handle) heif_image_handle_release(f->handle);
    if (f->context) heif_context_free(f->context);
    free(f->profile);
}

enum status heif_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                       struct error *err) {
    struct heif_file f;
    enum status s = open_file(&f, bytes, size, err);
    *width = s == STATUS_OK ? heif_image_handle_get_width(f.handle) : 0;
    *height = s == STATUS_OK ? heif_image_handle_get_height(f.handle) : 0;
    close_file(&f);
    return s;
}

/* What is decoded may be larger than what is shown of it. */
static enum status check_coded_size(const struct decoding *d, const struct heif_file *f,
                                    struct error *err) {
    int64_t width = heif_image_handle_get_ispe_width(f->handle);
    int64_t height = heif_image_handle_get_ispe_height(f->handle);
    if (width <= 0 || height <= 0 || width <= d->options->max_pixels / height) return STATUS_OK;
    return fail(err, STATUS_INVALID,
                "the picture has %lldx%lld pixels before it is cropped, more than the %lld allowed",
                (long long)width, (long long)height, (long long)d->options->max_pixels);
}

/* A profile, else the codes; 2 stands for unspecified there. */
static enum status read_colours(struct decoding *d, struct heif_file *f, struct error *err) {
    struct heif_color_profile_nclx *codes = NULL;
    size_t size = heif_image_handle_get_raw_color_profile_size(f->handle);
    if (size > 0 && size <= MAX_PROFILE) {
        f->profile = malloc(size);
        if (!f->profile)
            return fail(err, STATUS_NO_MEMORY, "no memory to decode the HEIC or AVIF picture");
        if (heif_image_handle_get_raw_color_profile(f->handle, f->profile).code == heif_error_Ok) {
            d->colours.icc = f->profile;
            d->colours.icc_size = size;
            return STATUS_OK;
        }
    }
    if (heif_image_handle_get_nclx_color_profile(f->handle, &codes).code != heif_error_Ok)
        return STATUS_OK;
    if (codes->color_primaries != heif_color_primaries_unspecified) {
        d->colours.primaries = codes->color_primaries;
        d->colours.transfer =
            codes->transfer_characteristics == heif_transfer_characteristic_unspecified
                ? heif_transfer_characteristic_IEC_61966_2_1
                : (int)codes->transfer_characteristics;
    }
    heif_nclx_color_profile_free(codes);
    return STATUS_OK;
}

static enum status decode_image(struct heif_file *f, bool alpha, struct error *err) {
    struct heif_decoding_options *options = heif_decoding_options_alloc();
    if (!options)
        return fail(err, STATUS_NO_MEMORY, "no memory to decode the HEIC or AVIF picture");
    options->convert_hdr_to_8bit = 1;
    struct heif_error why = heif_decode_image(
        f->handle, &f->image, heif_colorspace_RGB,
        alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, options);
    heif_decoding_options_free(options);
    return why.code == heif_error_Ok ? STATUS_OK : heif_fail(why, err);
}

static enum status put_rows(struct decoding *d, struct heif_file *f, bool alpha,
                            struct error *err) {
    int stride = 0;
    uint8_t *pixels = heif_image_get_plane(f->image, heif_channel_interleaved, &stride);
    if (!pixels || heif_image_get_width(f->image, heif_channel_interleaved) != d->out->width ||
        heif_image_get_height(f->image, heif_channel_interleaved) != d->out->height)
        return fail(err, STATUS_INVALID,
                    "the HEIC or AVIF picture is corrupt: it is not as large as it says");
    const struct colour_layout layout = {
        .kind = COLOUR_RGB,
        .stride = alpha ? 4 : 3,
        .alpha = alpha,
        .premultiplied = alpha && heif_image_handle_is_premultiplied_alpha(f->handle)};
    enum status s = decoding_begin(d, layout, err);
    for (int y = 0; y < d->out->height && s == STATUS_OK; y++)
        s = decoding_row(d, y, 0, pixels + (size_t)y * (size_t)stride, d->out->width, err);
    return s;
}

enum status heif_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err) {
    struct heif_file f;
    enum status s = open_file(&f, bytes, size, err);
    bool alpha = s == STATUS_OK && heif_image_handle_has_alpha_channel(f.handle);
    if (s == STATUS_OK) s = check_coded_size(d, &f, err);
    if (s == STATUS_OK) s = decoding_go_on(d, err);
    if (s == STATUS_OK) s = read_colours(d, &f, err);
    if (s == STATUS_OK) s = decode_image(&f, alpha, err);
    if (s == STATUS_OK) s = put_rows(d, &f, alpha, err);
    close_file(&f);
    return s;
}
