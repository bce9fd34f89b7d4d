/* picture_resize against Pillow's bytes, and at its limits. */
#include "support/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/resize.h"
#include "support/safetensors_reader.h"

static struct picture picture_of(struct reader_tensor t) {
    return (struct picture){(int)t.shape[1], (int)t.shape[0], (uint8_t *)t.data};
}

static void check_case(const struct safetensors_reader *file, int n, const char *name,
                       enum resample kernel) {
    char key[32];
    snprintf(key, sizeof key, "%d.input", n);
    struct picture in = picture_of(safetensors_reader_get(file, key));
    snprintf(key, sizeof key, "%d.%s", n, name);
    struct reader_tensor want = safetensors_reader_get(file, key);
    struct picture out, target = picture_of(want);
    struct error err;
    assert_int_equal(picture_resize(&out, &in, target.width, target.height, kernel, &err),
                     STATUS_OK);
    assert_int_equal(out.width, target.width);
    assert_int_equal(out.height, target.height);
    assert_memory_equal(out.rgb, want.data, want.bytes);
    picture_free(&out);
}

static void equals_pillow(void **state) {
    (void)state;
    struct safetensors_reader *file = safetensors_reader_open(TEST_DATA "/unit/resize.safetensors");
    int n = 0;
    for (;; n++) {
        char key[32];
        snprintf(key, sizeof key, "%d.input", n);
        if (!safetensors_reader_has(file, key)) break;
        check_case(file, n, "lanczos", RESAMPLE_LANCZOS);
        check_case(file, n, "bicubic", RESAMPLE_BICUBIC);
        check_case(file, n, "bicubic_torchvision", RESAMPLE_BICUBIC_TORCH);
    }
    assert_true(n >= 6);
    safetensors_reader_close(file);
}

static void a_flat_picture_stays_flat(void **state) {
    (void)state;
    uint8_t rgb[9 * 7 * 3];
    memset(rgb, 201, sizeof rgb);
    struct picture in = {9, 7, rgb}, out;
    const int sides[] = {1, 2, 7, 9, 10, 40, 203};
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 7; j++) {
            assert_int_equal(picture_resize(&out, &in, sides[i], sides[j], RESAMPLE_LANCZOS, NULL),
                             STATUS_OK);
            for (int k = 0; k < sides[i] * sides[j] * 3; k++) assert_int_equal(out.rgb[k], 201);
            picture_free(&out);
        }
}

static void one_side_only_or_none(void **state) {
    (void)state;
    uint8_t rgb[4 * 4 * 3];
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 5);
    struct picture in = {4, 4, rgb}, out;
    assert_int_equal(picture_resize(&out, &in, 4, 4, RESAMPLE_BICUBIC, NULL), STATUS_OK);
    assert_memory_equal(out.rgb, rgb, sizeof rgb);
    assert_ptr_not_equal(out.rgb, rgb);
    picture_free(&out);
    assert_int_equal(picture_resize(&out, &in, 8, 4, RESAMPLE_BICUBIC, NULL), STATUS_OK);
    assert_true(out.width == 8 && out.height == 4);
    picture_free(&out);
    assert_int_equal(picture_resize(&out, &in, 4, 2, RESAMPLE_BICUBIC, NULL), STATUS_OK);
    assert_true(out.width == 4 && out.height == 2);
    picture_free(&out);
}

static void sides_out_of_range(void **state) {
    (void)state;
    uint8_t rgb[3] = {1, 2, 3};
    struct picture in = {1, 1, rgb}, none = {0}, out;
    const int bad[][2] = {{0, 1}, {1, 0}, {-1, 5}, {PICTURE_MAX_SIDE + 1, 1}};
    for (size_t i = 0; i < 4; i++) {
        struct error err = {""};
        assert_int_equal(picture_resize(&out, &in, bad[i][0], bad[i][1], RESAMPLE_LANCZOS, &err),
                         STATUS_INVALID);
        assert_non_null(strstr(err.text, "side"));
        assert_null(out.rgb);
    }
    assert_int_equal(picture_resize(&out, &none, 4, 4, RESAMPLE_LANCZOS, NULL), STATUS_INVALID);
}

/* The longest kernels and the most positions that there can be. */
static void the_largest_sides(void **state) {
    (void)state;
    uint8_t *rgb = calloc(PICTURE_MAX_SIDE, 3);
    struct picture in = {PICTURE_MAX_SIDE, 1, rgb}, out;
    memset(rgb, 255, (size_t)PICTURE_MAX_SIDE * 3);
    assert_int_equal(picture_resize(&out, &in, 1, 1, RESAMPLE_LANCZOS, NULL), STATUS_OK);
    assert_int_equal(out.rgb[0], 255);
    picture_free(&out);
    in.width = 1;
    assert_int_equal(picture_resize(&out, &in, 1, PICTURE_MAX_SIDE, RESAMPLE_BICUBIC, NULL),
                     STATUS_OK);
    assert_int_equal(out.rgb[(size_t)PICTURE_MAX_SIDE * 3 - 1], 255);
    picture_free(&out);
    free(rgb);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pillow),         cmocka_unit_test(a_flat_picture_stays_flat),
        cmocka_unit_test(one_side_only_or_none), cmocka_unit_test(sides_out_of_range),
        cmocka_unit_test(the_largest_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
