/*
 * Two loops over host memory: they run once an edit, before anything waits for the device.
 */
#include "pipeline/latents.h"

#include <stddef.h>

/* Where element (channel, row, column) of a map lies in the packed form. */
static int64_t packed_at(int64_t c, int64_t y, int64_t x, int64_t width, int64_t channels) {
    return (y / 2 * (width / 2) + x / 2) * channels * 4 + c * 4 + y % 2 * 2 + x % 2;
}

void latents_pack_planes(float *packed, const float *planes, int64_t height, int64_t width,
                         int64_t channels) {
    for (int64_t c = 0; c < channels; c++)
        for (int64_t y = 0; y < height; y++)
            for (int64_t x = 0; x < width; x++)
                packed[packed_at(c, y, x, width, channels)] = *planes++;
}

void pixels_to_floats(float *out, const struct picture *p) {
    size_t n = (size_t)p->width * (size_t)p->height * 3;
    for (size_t i = 0; i < n; i++) out[i] = (float)p->rgb[i] / 255.0f * 2.0f - 1.0f;
}
