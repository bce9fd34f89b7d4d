/*
 * WebP through libwebp; lossless at a low effort: the higher ones take many times as long for a few
 * percent.
 */
#include <webp/encode.h>

#include "image/codec.h"

enum { EFFORT = 1 }; /* 0..9 */

static int append(const uint8_t *bytes, size_t n, const WebPPicture *picture) {
    return buffer_append(picture->custom_ptr, bytes, n, NULL) == STATUS_OK;
}

enum status webp_encode(struct buffer *out, const struct picture *p,
                        const struct encode_options *options, struct error *err) {
    WebPConfig config;
    WebPPicture picture;
    bool lossless = options->quality == 0;
    if (!WebPConfigPreset(&config, WEBP_PRESET_DEFAULT, (float)options->quality) ||
        !WebPPictureInit(&picture) || (lossless && !WebPConfigLosslessPreset(&config, EFFORT)))
        return fail(err, STATUS_INTERNAL, "the WebP library is not the one we were built with");
    picture.use_argb = lossless;
    picture.width = p->width;
    picture.height = p->height;
    picture.writer = append;
    picture.custom_ptr = out;

    enum status s = STATUS_OK;
    if (!WebPPictureImportRGB(&picture, p->rgb, p->width * 3) || !WebPEncode(&config, &picture)) {
        bool memory = picture.error_code == VP8_ENC_ERROR_OUT_OF_MEMORY ||
                      picture.error_code == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY ||
                      picture.error_code == VP8_ENC_ERROR_BAD_WRITE;
        s = memory ? fail(err, STATUS_NO_MEMORY, "no memory to encode a WebP picture")
                   : fail(err, STATUS_INTERNAL, "cannot encode a WebP picture: libwebp's error %d",
                          (int)picture.error_code);
    }
    WebPPictureFree(&picture);
    return s;
}
