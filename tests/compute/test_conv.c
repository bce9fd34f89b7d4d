/*
 * op_conv against the sum over taps and channels: both sizes, strides, padding, upsampling, odd
 * widths and channels.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compute/plain.h"

struct conv_case {
    int64_t in_height, in_width, in_channels, height, width, out_channels;
    int size;
    bool bias, residual, in_place, strided;
    struct conv_options o;

    struct conv *v;
    float *x, *residuals, *got;
};

static void work(struct workspace *w, void *arg) {
    struct conv_case *t = arg;
    int64_t edge = t->strided ? 2 : 0;
    struct feature_map x = feature_map_take(w, t->in_height, t->in_width, t->in_channels + edge);
    struct feature_map y = feature_map_take(w, t->height, t->width, t->out_channels + edge);
    x.t = tensor_cols(x.t, edge, t->in_channels);
    y.t = tensor_cols(y.t, edge, t->out_channels);
    struct tensor r = t->in_place ? y.t : tensor_take(w, t->height * t->width, t->out_channels);
    tensor_upload(w, x.t, t->x);
    tensor_upload(w, r, t->residuals);
    struct conv_options o = t->o;
    o.residual = t->residual ? &r : NULL;
    op_conv(w, y, x, t->v, &o);
    tensor_download(w, t->got, y.t);
}

static void check_case(struct compute *c, struct conv_case *t) {
    size_t weights = (size_t)(t->out_channels * t->in_channels * t->size * t->size);
    size_t outs = (size_t)(t->height * t->width * t->out_channels);
    float *weight = random_floats(weights, 1), *bias = random_floats((size_t)t->out_channels, 2);
    enum status s = compute_pack_conv(c, &t->v, weight, t->bias ? bias : NULL, t->out_channels,
                                      t->in_channels, t->size, PRECISION_FLOAT32, NULL);
    assert_int_equal(s, STATUS_OK);
    assert_true(compute_weight_bytes(c) >= weights * 4);
    t->x = random_floats((size_t)(t->in_height * t->in_width * t->in_channels), 1);
    t->residuals = random_floats(outs, 2);
    t->got = random_floats(outs, 1);
    run_planned(c, work, t);
    struct plain_picture in = {t->x, t->in_height, t->in_width, t->in_channels};
    double *want = plain_conv(in, t->height, t->width, t->out_channels, t->size, weight,
                              t->bias ? bias : NULL, &t->o, t->residual ? t->residuals : NULL);
    double off = distance(t->got, want, outs);
    if (!(off < NEAR_FLOAT32))
        fail_msg("%s: %dx%dx%d -> %dx%dx%d size %d stride %d pad %d upsample %d residual %d in "
                 "place %d: off by %g",
                 compute_kernels(c), (int)t->in_height, (int)t->in_width, (int)t->in_channels,
                 (int)t->height, (int)t->width, (int)t->out_channels, t->size, t->o.stride,
                 t->o.pad_top, t->o.upsample, t->residual, t->in_place, off);
    conv_destroy(t->v);
    free(want);
    free(weight);
    free(bias);
    free(t->x);
    free(t->residuals);
    free(t->got);
}

static void shapes(struct compute *c) {
    static const int64_t widths[] = {1, 2, 7, 95, 96, 97, 200},
                         channels[] = {1, 3, 16, 33, 64, 130};
    unsigned n = 0;
    for (int x = 0; x < 7; x++)
        for (int k = 0; k < 6; k++)
            for (int kind = 0; kind < 4; kind++, n++) {
                struct conv_case t = {.in_height = 1 + (int64_t)(n % 4),
                                      .in_width = widths[x],
                                      .in_channels = channels[k]};
                t.out_channels = channels[(n / 4 * 5 + 1) % 6];
                t.size = kind == 0 ? 1 : 3;
                t.o = (struct conv_options){.stride = kind == 2 ? 2 : 1, .upsample = kind == 3};
                t.o.pad_top = t.o.pad_left =
                    kind == 1 || kind == 3; /* stride 2 pads after the last row and column only */
                t.height = kind == 2   ? (t.in_height + 1) / 2
                           : kind == 3 ? t.in_height * 2
                                       : t.in_height;
                t.width = kind == 2   ? (t.in_width + 1) / 2
                          : kind == 3 ? t.in_width * 2
                                      : t.in_width;
                t.bias = n % 3;
                t.residual = n % 5 > 1;
                t.in_place = n % 5 > 2;
                t.strided = n % 2;
                check_case(c, &t);
            }
}

/* More channels than a block has. */
static void blocks(struct compute *c) {
    struct conv_case t = {
        .in_height = 3, .in_width = 11, .in_channels = 40, .height = 3, .width = 11};
    t.out_channels = 401;
    t.size = 3;
    t.bias = true;
    t.o = (struct conv_options){.stride = 1, .pad_top = 1, .pad_left = 1};
    check_case(c, &t);
}

/* What is not finite spoils every sum that it is part of, and nothing farther away than the
 * tiles of 4x4 that read it. */
static void not_finite(struct compute *c) {
    enum { H = 13, W = 14, C = 3 };
    for (int n = 0; n < 2; n++) {
        float *weight = random_floats((size_t)C * C * 9, 1),
              *x = random_floats((size_t)H * W * C, 1), y[H * W * C];
        struct conv_case t = {H,       W,
                              C,       H,
                              W,       C,
                              3,       .o = {.stride = 1, .pad_top = 1, .pad_left = 1},
                              .x = x,  .residuals = x,
                              .got = y};
        assert_int_equal(compute_pack_conv(c, &t.v, weight, NULL, C, C, 3, PRECISION_FLOAT32, NULL),
                         STATUS_OK);
        x[(6 * W + 7) * C + 1] =
            n ? NAN : INFINITY; /* read by the tiles of rows 4-7, columns 4-11 */
        run_planned(c, work, &t);
        for (int i = 0; i < H * W * C; i++) {
            int row = i / C / W, col = i / C % W;
            bool part = row >= 5 && row <= 7 && col >= 6 && col <= 8,
                 near = row >= 4 && row <= 7 && col >= 4 && col <= 11;
            if (part || !near) assert_int_equal(isfinite(y[i]) != 0, !part);
        }
        conv_destroy(t.v);
        free(weight);
        free(x);
    }
}

static void test_shapes(void **state) {
    (void)state;
    each_kernels(2, shapes);
}

static void test_blocks(void **state) {
    (void)state;
    each_kernels(1, blocks);
}

static void test_not_finite(void **state) {
    (void)state;
    each_kernels(1, not_finite);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes), cmocka_unit_test(test_blocks),
                                       cmocka_unit_test(test_not_finite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
