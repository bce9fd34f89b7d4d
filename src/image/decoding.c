/*
 * Rows on their way to sRGB on white: layout, colours, alpha, in this order.
 */
#include "image/decoding.h"

#include <stdlib.h>
#include <string.h>

void decoding_note(struct decoding *d, const char *text) {
    if (!d->report) return;
    for (size_t i = 0; i < d->report->note_count; i++)
        if (strcmp(d->report->notes[i], text) == 0) return;
    if (d->report->note_count < DECODE_MAX_NOTES) d->report->notes[d->report->note_count++] = text;
}

enum status decoding_go_on(const struct decoding *d, struct error *err) {
    if (d->options->cancelled && d->options->cancelled(d->options->arg))
        return fail(err, STATUS_CANCELLED, "decoding the picture was stopped");
    return STATUS_OK;
}

enum status decoding_begin(struct decoding *d, struct colour_layout layout, struct error *err) {
    const char *note = NULL;
    d->layout = layout;
    if (!d->options->ignore_profiles) {
        enum status s = colour_create(&d->conversion, &d->colours, &layout, &note, err);
        if (s != STATUS_OK) return s;
    }
    if (note) decoding_note(d, note);
    if (d->conversion && d->report) d->report->converted = true;
    d->line = malloc((size_t)d->out->width * 3);
    return d->line ? STATUS_OK : fail(err, STATUS_NO_MEMORY, "no memory to decode the picture");
}

/* a * b / 255, rounded, as Pillow computes it. */
static uint8_t scaled(int a, int b) {
    int product = a * b + 128;
    return (uint8_t)((product + (product >> 8)) >> 8);
}

/* Pillow's formula: with k = 255 - black, it is k - ink * k / 255. */
static void rgb_of_cmyk(uint8_t *rgb, const uint8_t *cmyk, int count, bool inverted) {
    for (int i = 0; i < count; i++, rgb += 3, cmyk += 4)
        for (int c = 0; c < 3; c++) {
            int ink = inverted ? 255 - cmyk[c] : cmyk[c];
            int k = inverted ? cmyk[3] : 255 - cmyk[3];
            rgb[c] = (uint8_t)(k - scaled(ink, k));
        }
}

static void rgb_of_row(const struct decoding *d, uint8_t *rgb, const uint8_t *pixels, int count) {
    int stride = d->layout.stride;
    if (d->conversion) {
        colour_convert(d->conversion, rgb, pixels, (size_t)count);
    } else if (d->layout.kind == COLOUR_CMYK) {
        rgb_of_cmyk(rgb, pixels, count, d->layout.inverted);
    } else if (d->layout.kind == COLOUR_RGB && stride == 3) {
        if (rgb != pixels) memcpy(rgb, pixels, (size_t)count * 3);
    } else {
        int step = d->layout.kind == COLOUR_RGB || stride >= 3;
        for (int i = 0; i < count; i++, pixels += stride)
            for (int c = 0; c < 3; c++) rgb[i * 3 + c] = pixels[c * step];
    }
}

/* A conversion wants colours as they were before they were multiplied. */
static void divide_by_alpha(uint8_t *pixels, int count, int stride) {
    for (int i = 0; i < count; i++, pixels += stride) {
        int alpha = pixels[stride - 1];
        for (int c = 0; alpha > 0 && c < stride - 1; c++) {
            int whole = (pixels[c] * 255 + alpha / 2) / alpha;
            pixels[c] = (uint8_t)(whole < 255 ? whole : 255);
        }
    }
}

static void compose_onto_white(uint8_t *rgb, const uint8_t *pixels, int count, int stride,
                               bool premultiplied) {
    for (int i = 0; i < count; i++) {
        int alpha = pixels[i * stride + stride - 1];
        for (int c = 0; c < 3 && alpha < 255; c++) {
            int colour = premultiplied ? rgb[i * 3 + c] * 255 : rgb[i * 3 + c] * alpha;
            int sum = (colour + 255 * (255 - alpha) + 127) / 255;
            rgb[i * 3 + c] = (uint8_t)(sum < 255 ? sum : 255);
        }
    }
}

enum status decoding_row(struct decoding *d, int y, int x, uint8_t *pixels, int count,
                         struct error *err) {
    const struct colour_layout *l = &d->layout;
    uint8_t *to = d->out->rgb + ((size_t)y * (size_t)d->out->width + (size_t)x) * 3;
    /* Pixels that lie in their place already and shrink on the way cannot be converted there. */
    bool premultiplied = l->premultiplied;
    if (premultiplied && d->conversion) {
        divide_by_alpha(pixels, count, l->stride);
        premultiplied = false;
    }
    uint8_t *rgb = pixels == to ? d->line : to;
    if (l->alpha || l->stride != 3 || d->conversion || pixels != to) {
        rgb_of_row(d, rgb, pixels, count);
        if (l->alpha) compose_onto_white(rgb, pixels, count, l->stride, premultiplied);
        if (rgb != to) memcpy(to, rgb, (size_t)count * 3);
    }
    return decoding_go_on(d, err);
}

void decoding_end(struct decoding *d) {
    colour_destroy(d->conversion);
    free(d->line);
    d->conversion = NULL;
    d->line = NULL;
}
