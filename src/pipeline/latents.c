#include "pipeline/latents.h"

#include <math.h>
#include <stdlib.h>

/* Where number (channel, row, column) of a map lies in the packed form. */
static int64_t packed_at(int64_t c, int64_t y, int64_t x, int64_t width, int64_t channels) {
    return (y / 2 * (width / 2) + x / 2) * channels * 4 + c * 4 + y % 2 * 2 + x % 2;
}

void latents_pack(float *packed, const float *map, int64_t height, int64_t width,
                  int64_t channels) {
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            for (int64_t c = 0; c < channels; c++)
                packed[packed_at(c, y, x, width, channels)] = *map++;
}

void latents_unpack(float *map, const float *packed, int64_t height, int64_t width,
                    int64_t channels) {
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            for (int64_t c = 0; c < channels; c++)
                *map++ = packed[packed_at(c, y, x, width, channels)];
}

void latents_pack_planes(float *packed, const float *planes, int64_t height, int64_t width,
                         int64_t channels) {
    for (int64_t c = 0; c < channels; c++)
        for (int64_t y = 0; y < height; y++)
            for (int64_t x = 0; x < width; x++)
                packed[packed_at(c, y, x, width, channels)] = *planes++;
}

void latents_normalise(float *map, int64_t pixels, const struct vae_config *c) {
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t k = 0; k < c->z; k++, map++)
            *map = (*map - (float)c->mean[k]) / (float)c->std[k];
}

void latents_denormalise(float *map, int64_t pixels, const struct vae_config *c) {
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t k = 0; k < c->z; k++, map++)
            *map = *map * (float)c->std[k] + (float)c->mean[k];
}

void pixels_to_floats(float *out, const struct picture *p) {
    size_t n = (size_t)p->width * (size_t)p->height * 3;
    for (size_t i = 0; i < n; i++) out[i] = (float)p->rgb[i] / 255.0f * 2.0f - 1.0f;
}

void pixels_from_floats(struct picture *p, const float *in) {
    size_t n = (size_t)p->width * (size_t)p->height * 3;
    for (size_t i = 0; i < n; i++) {
        float x = in[i] / 2.0f + 0.5f;
        x = x < 0 ? 0 : x > 1 ? 1 : x;
        p->rgb[i] = (uint8_t)rintf(x * 255.0f); /* numpy's round: ties to even */
    }
}

bool all_finite(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}
