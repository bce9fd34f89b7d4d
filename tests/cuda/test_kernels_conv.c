/*
 * Convolutions against double precision: odd sizes, strides, upsampling, rows left out above, one
 * tap, channels that fill no tile.
 */
#include "support/unit_test.h"

#include "cuda/card.h"

#include <math.h>

struct conv {
    int height, width, in_channels, out_channels, size, step, pad_top, pad_left;
    bool upsample, residual;
};

struct sizes {
    int height, width; /* of the output */
};

static struct sizes out_sizes(const struct conv *v) {
    int height = v->height << v->upsample, width = v->width << v->upsample;
    if (v->step == 2) return (struct sizes){height / 2, width / 2};
    return (struct sizes){height + (v->pad_top < 0 ? v->pad_top : 0), width};
}

/* weight: a row for each tap and output channel. */
static double right_pixel(const struct conv *v, const struct matrix *in,
                          const struct matrix *weight, int y, int x, int out_channel) {
    double sum = 0;
    for (int tap = 0; tap < v->size * v->size; tap++) {
        int from_y = y * v->step - v->pad_top + tap / v->size;
        int from_x = x * v->step - v->pad_left + tap % v->size;
        if (from_y < 0 || from_y >= v->height << v->upsample) continue;
        if (from_x < 0 || from_x >= v->width << v->upsample) continue;
        int pixel = (from_y >> v->upsample) * v->width + (from_x >> v->upsample);
        for (int c = 0; c < v->in_channels; c++)
            sum += matrix_get(in, pixel, c) *
                   matrix_get(weight, tap * v->out_channels + out_channel, c);
    }
    return sum;
}

/* [high, low][taps][out][depth] of bfloat16, zeros where depth goes beyond the channels. */
static struct matrix *packed_split(const struct conv *v, const struct matrix *weight, int depth) {
    int rows = v->size * v->size * v->out_channels;
    struct matrix *packed = matrix_empty(2 * rows, depth, depth, HALF);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < depth; c++) {
            float x = c < v->in_channels ? (float)matrix_get(weight, r, c) : 0;
            float high = bf16_rounded(x);
            matrix_set(packed, r, c, high);
            matrix_set(packed, rows + r, c, x - high);
        }
    matrix_push(packed);
    return packed;
}

/* [taps][in][out] */
static struct matrix *packed_floats(const struct conv *v, const struct matrix *weight) {
    int taps = v->size * v->size;
    struct matrix *packed =
        matrix_empty(taps * v->in_channels, v->out_channels, v->out_channels, FLOAT);
    for (int tap = 0; tap < taps; tap++)
        for (int o = 0; o < v->out_channels; o++)
            for (int c = 0; c < v->in_channels; c++)
                matrix_set(packed, tap * v->in_channels + c, o,
                           matrix_get(weight, tap * v->out_channels + o, c));
    matrix_push(packed);
    return packed;
}

static double *right(const struct conv *v, const struct matrix *in, const struct matrix *weight,
                     const struct matrix *bias, const struct matrix *residual) {
    struct sizes s = out_sizes(v);
    double *want = doubles(s.height * s.width, v->out_channels), *to = want;
    for (int y = 0; y < s.height; y++)
        for (int x = 0; x < s.width; x++)
            for (int o = 0; o < v->out_channels; o++) {
                double sum = right_pixel(v, in, weight, y, x, o) + matrix_get(bias, 0, o);
                *to++ = sum + (residual ? matrix_get(residual, y * s.width + x, o) : 0);
            }
    return want;
}

static void check(const char *kernel, const struct conv *v, bool split) {
    struct sizes s = out_sizes(v);
    int taps = v->size * v->size, pixels = s.height * s.width;
    int stride = split ? (v->in_channels + 7) / 4 * 4 : v->in_channels + 1;
    int depth = (v->in_channels + 15) / 16 * 16, out_stride = v->out_channels + 3;
    struct matrix *in = matrix_random(v->height * v->width, v->in_channels, stride, FLOAT, 1);
    struct matrix *weight = matrix_random(taps * v->out_channels, v->in_channels, v->in_channels,
                                          FLOAT, 1 / sqrt(taps * v->in_channels));
    struct matrix *bias = matrix_random(1, v->out_channels, v->out_channels, FLOAT, 1);
    struct matrix *out = v->residual ? matrix_random(pixels, v->out_channels, out_stride, FLOAT, 1)
                                     : matrix_empty(pixels, v->out_channels, out_stride, FLOAT);
    struct matrix *packed = split ? packed_split(v, weight, depth) : packed_floats(v, weight);
    double *want = right(v, in, weight, bias, v->residual ? out : NULL);
    struct conv_args a = {.in = there(in),
                          .weight = there(packed),
                          .out = there(out),
                          .bias = there(bias),
                          .residual = v->residual ? there(out) : NULL,
                          .in_stride = stride,
                          .out_stride = out_stride,
                          .residual_stride = out_stride,
                          .in_height = v->height,
                          .in_width = v->width,
                          .in_channels = v->in_channels,
                          .out_height = s.height,
                          .out_width = s.width,
                          .out_channels = v->out_channels,
                          .size = v->size,
                          .step = v->step,
                          .pad_top = v->pad_top,
                          .pad_left = v->pad_left,
                          .upsample = v->upsample,
                          .depth = depth};
    launch(kernel,
           (struct launch){.x = tiles(pixels, split ? 128 : 32),
                           .y = tiles(v->out_channels, split ? 96 : 32)},
           &a);
    matrix_expect(out, want, split ? 2e-5 : 1e-6,
                  shape("%s %dx%d %d->%d %dx%d /%d pad %d,%d%s%s", kernel, v->height, v->width,
                        v->in_channels, v->out_channels, v->size, v->size, v->step, v->pad_top,
                        v->pad_left, v->upsample ? " up" : "", v->residual ? " residual" : ""));
    card_forget(NULL);
}

static void test_conv_split(void **state) {
    static const struct conv cases[] = {{9, 17, 96, 96, 3, 1, 1, 1, false, true},
                                        {8, 12, 40, 100, 3, 2, 0, 0, false, false},
                                        {5, 7, 12, 20, 3, 1, 1, 1, true, false},
                                        {6, 5, 16, 3, 3, 1, -1, 1, true, false},
                                        {11, 13, 4, 97, 1, 1, 0, 0, false, false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check("conv_split", &cases[i], true);
}

static void test_conv_f32(void **state) {
    static const struct conv cases[] = {{9, 11, 3, 96, 3, 1, 1, 1, false, false},
                                        {6, 8, 5, 7, 3, 2, 0, 0, false, true},
                                        {4, 5, 6, 33, 3, 1, 1, 1, true, false},
                                        {3, 7, 5, 4, 1, 1, 0, 0, false, false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check("conv_f32", &cases[i], false);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_conv_split, card_forget),
        cmocka_unit_test_teardown(test_conv_f32, card_forget),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, card_open, card_close);
}
