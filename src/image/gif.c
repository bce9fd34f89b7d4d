/*
 * GIF through giflib, which is asked for one line of indices at a time.  Of an animation the first
 * frame counts.  The canvas around it is transparent, so white; what of it lies beyond the canvas is
 * cut.
 */
#include <gif_lib.h>
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"

enum { MAX_SIDE = 1 << 16, SIZE_AT = 6, SCREEN_END = 13 };

struct gif_bytes {
    const uint8_t *at;
    size_t left;
};

static int read_bytes(GifFileType *gif, GifByteType *to, int count) {
    struct gif_bytes *b = gif->UserData;
    size_t n = (size_t)count < b->left ? (size_t)count : b->left;
    memcpy(to, b->at, n);
    b->at += n;
    b->left -= n;
    return (int)n;
}

static enum status gif_fail(int why, struct error *err) {
    if (why == D_GIF_ERR_NOT_ENOUGH_MEM)
        return fail(err, STATUS_NO_MEMORY, "no memory to decode the GIF picture");
    return fail(err, STATUS_INVALID, "the GIF picture is truncated or corrupt");
}

enum status gif_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                      struct error *err) {
    if (size < SCREEN_END) return gif_fail(0, err);
    *width = bytes[SIZE_AT] | bytes[SIZE_AT + 1] << 8;
    *height = bytes[SIZE_AT + 2] | bytes[SIZE_AT + 3] << 8;
    return STATUS_OK;
}

/* Up to the first frame; the transparent index, or -1. */
static enum status find_frame(GifFileType *gif, int *transparent, struct error *err) {
    *transparent = NO_TRANSPARENT_COLOR;
    for (;;) {
        GifRecordType record;
        GifByteType *block;
        int code;
        if (DGifGetRecordType(gif, &record) != GIF_OK) return gif_fail(gif->Error, err);
        if (record == IMAGE_DESC_RECORD_TYPE)
            return DGifGetImageDesc(gif) == GIF_OK ? STATUS_OK : gif_fail(gif->Error, err);
        if (record != EXTENSION_RECORD_TYPE || DGifGetExtension(gif, &code, &block) != GIF_OK)
            return gif_fail(gif->Error, err);
        while (block) {
            GraphicsControlBlock control;
            if (code == GRAPHICS_EXT_FUNC_CODE &&
                DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
                *transparent = control.TransparentColor;
            if (DGifGetExtensionNext(gif, &block) != GIF_OK) return gif_fail(gif->Error, err);
        }
    }
}

/* The row that comes as the nth of an interlaced frame. */
static int interlaced_row(int n, int height) {
    static const int first[4] = {0, 4, 2, 1}, step[4] = {8, 8, 4, 2};
    for (int pass = 0; pass < 4; pass++) {
        int rows = height > first[pass] ? (height - first[pass] - 1) / step[pass] + 1 : 0;
        if (n < rows) return first[pass] + n * step[pass];
        n -= rows;
    }
    return 0;
}

static void colour_row(uint8_t *to, const GifPixelType *indices, int count,
                       const ColorMapObject *map, int transparent) {
    for (int i = 0; i < count; i++, to += 4) {
        int index = indices[i];
        bool gone = index == transparent || index >= map->ColorCount;
        GifColorType colour = gone ? (GifColorType){0} : map->Colors[index];
        to[0] = colour.Red;
        to[1] = colour.Green;
        to[2] = colour.Blue;
        to[3] = gone ? 0 : 255;
    }
}

static enum status read_frame(struct decoding *d, GifFileType *gif, uint8_t *line, uint8_t *pixels,
                              int transparent, struct error *err) {
    const GifImageDesc *frame = &gif->Image;
    const ColorMapObject *map = frame->ColorMap ? frame->ColorMap : gif->SColorMap;
    if (!map) return fail(err, STATUS_INVALID, "the GIF picture has no colours");
    int visible =
        d->out->width - frame->Left < frame->Width ? d->out->width - frame->Left : frame->Width;
    enum status s = STATUS_OK;
    for (int n = 0; n < frame->Height && s == STATUS_OK; n++) {
        int row = frame->Interlace ? interlaced_row(n, frame->Height) : n;
        if (DGifGetLine(gif, line, frame->Width) != GIF_OK) return gif_fail(gif->Error, err);
        if (visible <= 0 || frame->Top + row >= d->out->height) continue;
        colour_row(pixels, line, visible, map, transparent);
        s = decoding_row(d, frame->Top + row, frame->Left, pixels, visible, err);
    }
    return s;
}

static enum status decode_opened(struct decoding *d, GifFileType *gif, struct error *err) {
    int transparent;
    enum status s = find_frame(gif, &transparent, err);
    if (s != STATUS_OK) return s;
    const GifImageDesc *frame = &gif->Image;
    if (frame->Left < 0 || frame->Top < 0 || frame->Width < 1 || frame->Height < 1 ||
        frame->Width > MAX_SIDE || frame->Height > MAX_SIDE)
        return gif_fail(0, err);
    memset(d->out->rgb, 255, (size_t)d->out->width * (size_t)d->out->height * 3);
    s = decoding_begin(d, (struct colour_layout){.kind = COLOUR_RGB, .stride = 4, .alpha = true},
                       err);
    uint8_t *line = malloc((size_t)frame->Width * 5);
    if (s == STATUS_OK)
        s = line ? read_frame(d, gif, line, line + frame->Width, transparent, err)
                 : gif_fail(D_GIF_ERR_NOT_ENOUGH_MEM, err);
    free(line);
    return s;
}

enum status gif_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err) {
    struct gif_bytes source = {bytes, size};
    int why = 0;
    GifFileType *gif = DGifOpen(&source, read_bytes, &why);
    if (!gif) return gif_fail(why, err);
    enum status s = decode_opened(d, gif, err);
    DGifCloseFile(gif, &why);
    return s;
}
