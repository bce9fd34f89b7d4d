/*
 * WebP through libwebp.  A file is opened by the demuxer, which also checks that all of it is
 * there; a still picture is an animation of one frame to it.  Of an animation the first frame counts;
 * the canvas around it is transparent, so white.
 *
 * The decoder is fed piece by piece, so that it can be stopped between two of them.
 */
#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include "image/codec.h"
#include "image/exif.h"

static enum status webp_fail(VP8StatusCode why, struct error *err) {
    if (why == VP8_STATUS_OUT_OF_MEMORY)
        return fail(err, STATUS_NO_MEMORY, "no memory to decode the WebP picture");
    return fail(err, STATUS_INVALID, "the WebP picture is truncated or corrupt");
}

enum status webp_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                       struct error *err) {
    WebPBitstreamFeatures features;
    VP8StatusCode why = WebPGetFeatures(bytes, size, &features);
    if (why != VP8_STATUS_OK) return webp_fail(why, err);
    *width = features.width;
    *height = features.height;
    return STATUS_OK;
}

enum { PIECE = 1 << 16 };

static enum status feed(struct decoding *d, const WebPIterator *frame, WebPDecoderConfig *config,
                        struct error *err) {
    enum status s = STATUS_OK;
    VP8StatusCode why = VP8_STATUS_SUSPENDED;
    WebPIDecoder *decoder = WebPIDecode(NULL, 0, config);
    if (!decoder) return webp_fail(VP8_STATUS_OUT_OF_MEMORY, err);
    for (size_t fed = 0; s == STATUS_OK && why == VP8_STATUS_SUSPENDED;) {
        if (fed == frame->fragment.size) why = VP8_STATUS_NOT_ENOUGH_DATA;
        if (why != VP8_STATUS_SUSPENDED) break;
        fed += frame->fragment.size - fed < PIECE ? frame->fragment.size - fed : PIECE;
        why = WebPIUpdate(decoder, frame->fragment.bytes, fed);
        s = decoding_go_on(d, err);
    }
    WebPIDelete(decoder);
    if (s == STATUS_OK && why != VP8_STATUS_OK) s = webp_fail(why, err);
    return s;
}

/* The first frame; one that covers the canvas and has no alpha is decoded in its place. */
static enum status decode_frame(struct decoding *d, const WebPIterator *frame, struct error *err) {
    WebPDecoderConfig config;
    struct picture *out = d->out;
    if (!WebPInitDecoderConfig(&config))
        return fail(err, STATUS_INTERNAL, "the WebP library is not the one we were built with");
    VP8StatusCode why = WebPGetFeatures(frame->fragment.bytes, frame->fragment.size, &config.input);
    if (why != VP8_STATUS_OK) return webp_fail(why, err);
    int width = config.input.width, height = config.input.height;
    if (width != frame->width || height != frame->height || frame->x_offset < 0 ||
        frame->y_offset < 0 || width > out->width - frame->x_offset ||
        height > out->height - frame->y_offset)
        return webp_fail(VP8_STATUS_BITSTREAM_ERROR, err);

    bool alpha = config.input.has_alpha, whole = width == out->width && height == out->height;
    bool in_place = whole && !alpha;
    size_t stride = (size_t)width * (alpha ? 4 : 3);
    uint8_t *pixels = in_place ? out->rgb : malloc(stride * (size_t)height);
    if (!pixels) return webp_fail(VP8_STATUS_OUT_OF_MEMORY, err);
    config.output.colorspace = alpha ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = stride * (size_t)height;
    const struct colour_layout layout = {
        .kind = COLOUR_RGB, .stride = alpha ? 4 : 3, .alpha = alpha};
    enum status s = decoding_begin(d, layout, err);
    if (s == STATUS_OK) s = feed(d, frame, &config, err);
    WebPFreeDecBuffer(&config.output);
    if (!whole) memset(out->rgb, 255, (size_t)out->width * (size_t)out->height * 3);
    for (int y = 0; y < height && s == STATUS_OK; y++)
        s = decoding_row(d, frame->y_offset + y, frame->x_offset, pixels + (size_t)y * stride,
                         width, err);
    if (!in_place) free(pixels);
    return s;
}

/* Points into the file. */
static void read_profile(struct decoding *d, const WebPDemuxer *file) {
    WebPChunkIterator icc;
    if (WebPDemuxGetChunk(file, "ICCP", 1, &icc)) {
        d->colours.icc = icc.chunk.bytes;
        d->colours.icc_size = icc.chunk.size;
    }
    WebPDemuxReleaseChunkIterator(&icc);
}

static int stored_orientation(const WebPDemuxer *file) {
    WebPChunkIterator exif;
    int orientation = 1;
    if (WebPDemuxGetChunk(file, "EXIF", 1, &exif))
        orientation = exif_orientation(exif.chunk.bytes, exif.chunk.size);
    WebPDemuxReleaseChunkIterator(&exif);
    return orientation;
}

enum status webp_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err) {
    WebPDemuxer *file = WebPDemux(&(WebPData){bytes, size});
    if (!file) return webp_fail(VP8_STATUS_BITSTREAM_ERROR, err);
    d->orientation = stored_orientation(file);
    read_profile(d, file);

    enum status s;
    WebPIterator frame;
    if (WebPDemuxGetI(file, WEBP_FF_CANVAS_WIDTH) == (uint32_t)d->out->width &&
        WebPDemuxGetI(file, WEBP_FF_CANVAS_HEIGHT) == (uint32_t)d->out->height &&
        WebPDemuxGetFrame(file, 1, &frame)) {
        s = decode_frame(d, &frame, err);
        WebPDemuxReleaseIterator(&frame);
    } else {
        s = webp_fail(VP8_STATUS_BITSTREAM_ERROR, err);
    }
    WebPDemuxDelete(file);
    return s;
}

/* With alpha a picture is kept whole beside the one that is made of it, and the lossless decoder, which
 * decodes alpha too, keeps one of its own. */
void webp_look(struct picture_header *to, const uint8_t *bytes, size_t size) {
    enum { LOSSY = 1 };
    WebPBitstreamFeatures features;
    if (WebPGetFeatures(bytes, size, &features) == VP8_STATUS_OK && !features.has_alpha &&
        !features.has_animation && features.format == LOSSY)
        to->decode_bytes = 3;
    WebPDemuxer *file = WebPDemux(&(WebPData){bytes, size});
    if (file) to->orientation = stored_orientation(file);
    WebPDemuxDelete(file);
}
