/*
 * WebP through libwebp.  A file is opened by the demuxer, which also checks that all of it is
 * there; a still picture is an animation of one frame to it.  Pillow shows the first frame on a
 * canvas of zeros, without blending: so do we.
 */
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

/* Decodes a frame into its place on the canvas. */
static enum status decode_frame(struct picture *out, const WebPIterator *frame, struct error *err) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return fail(err, STATUS_INTERNAL, "the WebP library is not the one we were built with");
    VP8StatusCode why = WebPGetFeatures(frame->fragment.bytes, frame->fragment.size, &config.input);
    if (why != VP8_STATUS_OK) return webp_fail(why, err);
    int width = config.input.width, height = config.input.height;
    if (width != frame->width || height != frame->height || frame->x_offset < 0 ||
        frame->y_offset < 0 || width > out->width - frame->x_offset ||
        height > out->height - frame->y_offset)
        return webp_fail(VP8_STATUS_BITSTREAM_ERROR, err);

    size_t stride = (size_t)out->width * 3;
    size_t first = (size_t)frame->y_offset * stride + (size_t)frame->x_offset * 3;
    if (width != out->width || height != out->height)
        memset(out->rgb, 0, stride * (size_t)out->height);
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out->rgb + first;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = stride * (size_t)out->height - first;
    why = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
    WebPFreeDecBuffer(&config.output);
    return why == VP8_STATUS_OK ? STATUS_OK : webp_fail(why, err);
}

static int stored_orientation(const WebPDemuxer *file) {
    WebPChunkIterator exif;
    int orientation = 1;
    if (WebPDemuxGetChunk(file, "EXIF", 1, &exif))
        orientation = exif_orientation(exif.chunk.bytes, exif.chunk.size);
    WebPDemuxReleaseChunkIterator(&exif);
    return orientation;
}

enum status webp_decode(struct picture *out, int *orientation, const uint8_t *bytes, size_t size,
                        struct error *err) {
    WebPDemuxer *file = WebPDemux(&(WebPData){bytes, size});
    if (!file) return webp_fail(VP8_STATUS_BITSTREAM_ERROR, err);
    *orientation = stored_orientation(file);

    enum status s;
    WebPIterator frame;
    if (WebPDemuxGetI(file, WEBP_FF_CANVAS_WIDTH) == (uint32_t)out->width &&
        WebPDemuxGetI(file, WEBP_FF_CANVAS_HEIGHT) == (uint32_t)out->height &&
        WebPDemuxGetFrame(file, 1, &frame)) {
        s = decode_frame(out, &frame, err);
        WebPDemuxReleaseIterator(&frame);
    } else {
        s = webp_fail(VP8_STATUS_BITSTREAM_ERROR, err);
    }
    WebPDemuxDelete(file);
    return s;
}
