/* picture_psnr, picture_ssim and picture_change: what follows from their formulas, and scikit-image's numbers. */
#include "support/unit_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "image/decode.h"
#include "image/quality.h"
#include "support/files.h"

static struct picture flat(int width, int height, uint8_t value) {
    size_t size = (size_t)width * (size_t)height * 3;
    struct picture p = {width, height, malloc(size)};
    assert_non_null(p.rgb);
    memset(p.rgb, value, size);
    return p;
}

static struct picture from_file(const char *path) {
    struct picture p;
    struct buffer file = read_bytes(path);
    assert_int_equal(picture_decode(&p, file.data, file.size, 1 << 20, NULL), STATUS_OK);
    buffer_free(&file);
    return p;
}

static double ssim(const struct picture *a, const struct picture *b) {
    double out = NAN;
    assert_int_equal(picture_ssim(&out, a, b, NULL), STATUS_OK);
    return out;
}

static void of_flat_pictures(void **state) {
    (void)state;
    struct picture a = flat(20, 15, 100), b = flat(20, 15, 110), wide = flat(21, 15, 100);
    assert_float_equal(picture_psnr(&a, &b), 20 * log10(255.0 / 10.0), 1e-12);
    const double c1 = 2.55 * 2.55; /* without variance only the means' term is left */
    assert_float_equal(ssim(&a, &b), (2 * 100.0 * 110 + c1) / (100.0 * 100 + 110.0 * 110 + c1),
                       1e-9);
    assert_true(picture_psnr(&a, &wide) == -INFINITY);
    picture_free(&a);
    picture_free(&b);
    picture_free(&wide);
}

static void of_one_byte(void **state) {
    (void)state;
    struct picture a = flat(16, 16, 7), b = flat(16, 16, 7);
    b.rgb[100] = 8;
    assert_float_equal(picture_psnr(&a, &b), 10 * log10(255.0 * 255 * 16 * 16 * 3), 1e-9);
    picture_free(&a);
    picture_free(&b);
}

static void of_equal_pictures(void **state) {
    (void)state;
    struct picture p = from_file(TEST_DATA "/decode/rgb.png");
    assert_true(picture_psnr(&p, &p) == INFINITY);
    assert_float_equal(ssim(&p, &p), 1, 1e-12);
    picture_free(&p);
}

/* 24 is not seen, 25 is, up and down, in each of the three alone; a pixel counts once. */
static void counts_visible_pixels(void **state) {
    (void)state;
    struct picture a = flat(10, 2, 100), b = flat(10, 2, 100), wide = flat(11, 2, 100);
    assert_true(picture_change(&a, &b) == 0);
    for (int i = 0; i < 3; i++) b.rgb[i] = 124;
    b.rgb[6] = 76;
    assert_true(picture_change(&a, &b) == 0);
    for (int i = 0; i < 3; i++) b.rgb[9 + 4 * i] = i == 1 ? 75 : 125;
    assert_float_equal(picture_change(&a, &b), 3 / 20.0, 1e-15);
    assert_float_equal(picture_change(&b, &a), 3 / 20.0, 1e-15);
    for (int i = 0; i < 3; i++) b.rgb[i] = 200;
    assert_float_equal(picture_change(&a, &b), 4 / 20.0, 1e-15);
    memset(b.rgb, 0, 60);
    assert_true(picture_change(&a, &b) == 1);
    assert_true(picture_change(&a, &wide) == 1);
    picture_free(&a);
    picture_free(&b);
    picture_free(&wide);
}

/* peak_signal_noise_ratio(a, b), and structural_similarity(luma(a), luma(b), gaussian_weights=True,
 * sigma=1.5, use_sample_covariance=False, data_range=255), of scikit-image 0.26. */
static void as_scikit_image(void **state) {
    (void)state;
    struct picture a = from_file(TEST_DATA "/decode/rgb.png");
    struct picture b = from_file(TEST_DATA "/decode/q80-s2.jpg");
    assert_float_equal(picture_psnr(&a, &b), 22.268450961775372, 1e-6);
    assert_float_equal(ssim(&a, &b), 0.9669015964635348, 1e-6);
    assert_float_equal(ssim(&b, &a), 0.9669015964635348, 1e-6);
    picture_free(&a);
    picture_free(&b);
}

static void refuses(void **state) {
    (void)state;
    double out;
    struct error err;
    struct picture a = flat(11, 11, 1), low = flat(20, 10, 1), b = flat(11, 12, 1);
    assert_float_equal(ssim(&a, &a), 1, 1e-12); /* the window fits once */
    assert_int_equal(picture_ssim(&out, &low, &low, &err), STATUS_INVALID);
    assert_string_equal(err.text, "SSIM needs pictures of at least 11x11 pixels");
    assert_int_equal(picture_ssim(&out, &a, &b, &err), STATUS_INVALID);
    assert_string_equal(err.text, "pictures of 11x11 and 11x12 pixels cannot be compared");
    picture_free(&a);
    picture_free(&low);
    picture_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_flat_pictures),  cmocka_unit_test(of_one_byte),
        cmocka_unit_test(of_equal_pictures), cmocka_unit_test(as_scikit_image),
        cmocka_unit_test(refuses),           cmocka_unit_test(counts_visible_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
