/*
 * JPEG XL through libjxl, which turns pictures upright itself.  A picture whose colours are coded for
 * the eye (XYB) is asked for in sRGB, any other comes with the profile of its bytes.  Of an animation
 * the first frame counts.
 */
#include <jxl/decode.h>
#include <jxl/version.h>
#include <limits.h>
#include <stdlib.h>

#include "image/codec.h"

enum { MAX_PROFILE = 4 << 20 };

struct jxl_file {
    JxlDecoder *decoder;
    JxlBasicInfo info;
    uint8_t *profile, *pixels;
};

static enum status no_memory(struct error *err) {
    return fail(err, STATUS_NO_MEMORY, "no memory to decode the JPEG XL picture");
}

static enum status corrupt(struct error *err) {
    return fail(err, STATUS_INVALID, "the JPEG XL picture is truncated or corrupt");
}

static enum status open_file(struct jxl_file *f, int events, const uint8_t *bytes, size_t size,
                             struct error *err) {
    *f = (struct jxl_file){.decoder = JxlDecoderCreate(NULL)};
    if (!f->decoder) return no_memory(err);
    if (JxlDecoderSubscribeEvents(f->decoder, JXL_DEC_BASIC_INFO | events) != JXL_DEC_SUCCESS ||
        JxlDecoderSetInput(f->decoder, bytes, size) != JXL_DEC_SUCCESS)
        return no_memory(err);
    JxlDecoderCloseInput(f->decoder);
    if (JxlDecoderProcessInput(f->decoder) != JXL_DEC_BASIC_INFO ||
        JxlDecoderGetBasicInfo(f->decoder, &f->info) != JXL_DEC_SUCCESS ||
        f->info.xsize > INT_MAX || f->info.ysize > INT_MAX)
        return corrupt(err);
    return STATUS_OK;
}

static void close_file(struct jxl_file *f) {
    if (f->decoder) JxlDecoderDestroy(f->decoder);
    free(f->profile);
    free(f->pixels);
}

enum status jxl_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                      struct error *err) {
    struct jxl_file f;
    enum status s = open_file(&f, 0, bytes, size, err);
    *width = s == STATUS_OK ? (int)f.info.xsize : 0;
    *height = s == STATUS_OK ? (int)f.info.ysize : 0;
    close_file(&f);
    return s;
}

static bool profile_size(const struct jxl_file *f, size_t *size) {
#if JPEGXL_MAJOR_VERSION == 0 && JPEGXL_MINOR_VERSION < 9
    return JxlDecoderGetICCProfileSize(f->decoder, NULL, JXL_COLOR_PROFILE_TARGET_DATA, size) ==
           JXL_DEC_SUCCESS;
#else
    return JxlDecoderGetICCProfileSize(f->decoder, JXL_COLOR_PROFILE_TARGET_DATA, size) ==
           JXL_DEC_SUCCESS;
#endif
}

static bool read_profile(const struct jxl_file *f, size_t size) {
#if JPEGXL_MAJOR_VERSION == 0 && JPEGXL_MINOR_VERSION < 9
    return JxlDecoderGetColorAsICCProfile(f->decoder, NULL, JXL_COLOR_PROFILE_TARGET_DATA,
                                          f->profile, size) == JXL_DEC_SUCCESS;
#else
    return JxlDecoderGetColorAsICCProfile(f->decoder, JXL_COLOR_PROFILE_TARGET_DATA, f->profile,
                                          size) == JXL_DEC_SUCCESS;
#endif
}

static enum status read_colours(struct decoding *d, struct jxl_file *f, struct error *err) {
    bool gray = f->info.num_color_channels == 1;
    if (!f->info.uses_original_profile) {
        const JxlColorEncoding srgb = {.color_space =
                                           gray ? JXL_COLOR_SPACE_GRAY : JXL_COLOR_SPACE_RGB,
                                       .white_point = JXL_WHITE_POINT_D65,
                                       .primaries = JXL_PRIMARIES_SRGB,
                                       .transfer_function = JXL_TRANSFER_FUNCTION_SRGB,
                                       .rendering_intent = JXL_RENDERING_INTENT_PERCEPTUAL};
        JxlDecoderSetPreferredColorProfile(f->decoder, &srgb);
    }
    size_t size = 0;
    if (!profile_size(f, &size) || size == 0 || size > MAX_PROFILE) return STATUS_OK;
    free(f->profile);
    f->profile = malloc(size);
    if (!f->profile) return no_memory(err);
    if (read_profile(f, size)) {
        d->colours.icc = f->profile;
        d->colours.icc_size = size;
    }
    return STATUS_OK;
}

static enum status ask_for_pixels(struct jxl_file *f, const JxlPixelFormat *format,
                                  struct error *err) {
    size_t size = 0;
    if (JxlDecoderImageOutBufferSize(f->decoder, format, &size) != JXL_DEC_SUCCESS ||
        size != (size_t)f->info.xsize * f->info.ysize * format->num_channels)
        return corrupt(err);
    if (size == 0) return corrupt(err);
    free(f->pixels);
    f->pixels = malloc(size);
    if (!f->pixels) return no_memory(err);
    if (JxlDecoderSetImageOutBuffer(f->decoder, format, f->pixels, size) != JXL_DEC_SUCCESS)
        return corrupt(err);
    return STATUS_OK;
}

/* Up to the end of the first frame. */
static enum status run(struct decoding *d, struct jxl_file *f, const JxlPixelFormat *format,
                       struct error *err) {
    for (enum status s = STATUS_OK;;) {
        switch (JxlDecoderProcessInput(f->decoder)) {
        case JXL_DEC_COLOR_ENCODING: s = read_colours(d, f, err); break;
        case JXL_DEC_NEED_IMAGE_OUT_BUFFER: s = ask_for_pixels(f, format, err); break;
        case JXL_DEC_FULL_IMAGE: return f->pixels ? STATUS_OK : corrupt(err);
        default: return corrupt(err);
        }
        if (s == STATUS_OK) s = decoding_go_on(d, err);
        if (s != STATUS_OK) return s;
    }
}

enum status jxl_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err) {
    struct jxl_file f;
    enum status s = open_file(&f, JXL_DEC_COLOR_ENCODING | JXL_DEC_FULL_IMAGE, bytes, size, err);
    bool alpha = f.info.alpha_bits > 0, gray = f.info.num_color_channels == 1;
    const struct colour_layout layout = {.kind = gray ? COLOUR_GRAY : COLOUR_RGB,
                                         .stride = (gray ? 1 : 3) + alpha,
                                         .alpha = alpha,
                                         .premultiplied = alpha && f.info.alpha_premultiplied};
    const JxlPixelFormat format = {.num_channels = (uint32_t)layout.stride,
                                   .data_type = JXL_TYPE_UINT8,
                                   .endianness = JXL_NATIVE_ENDIAN};
    if (s == STATUS_OK) s = run(d, &f, &format, err);
    if (s == STATUS_OK) s = decoding_begin(d, layout, err);
    for (int y = 0; y < d->out->height && s == STATUS_OK; y++)
        s = decoding_row(d, y, 0,
                         f.pixels + (size_t)y * (size_t)d->out->width * (size_t)layout.stride,
                         d->out->width, err);
    close_file(&f);
    return s;
}
