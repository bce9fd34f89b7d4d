/* picture_encode: exact where it promises to be, close where not, and its errors. */
#include "support/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/decode.h"
#include "image/encode.h"

static struct picture painted(int width, int height) {
    struct picture p = {width, height, malloc((size_t)width * (size_t)height * 3)};
    assert_non_null(p.rgb);
    uint32_t noise = 1;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++) {
                noise = noise * 1664525u + 1013904223u;
                int value = 255 *
                                (c == 0   ? x
                                 : c == 1 ? y
                                          : x + y) /
                                (width + height) +
                            (int)(noise >> 30);
                p.rgb[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] =
                    (uint8_t)(value > 255 ? 255 : value);
            }
    return p;
}

static void round_trip(enum picture_format format, int width, int height, int tolerance) {
    struct picture in = painted(width, height), out;
    struct buffer file = {0};
    struct error err = {""};
    struct picture_header header;
    if (picture_encode(&file, &in, format, &err) != STATUS_OK) fail_msg("%s", err.text);
    assert_int_equal(picture_probe(&header, file.data, file.size, NULL), STATUS_OK);
    assert_int_equal(header.format, format);
    assert_int_equal(picture_decode(&out, file.data, file.size, 1 << 24, NULL), STATUS_OK);
    assert_int_equal(out.width, width);
    assert_int_equal(out.height, height);
    for (int i = 0; i < width * height * 3; i++)
        if (abs(in.rgb[i] - out.rgb[i]) > tolerance)
            fail_msg("%s %dx%d: byte %d was %d and is %d", picture_format_name(format), width,
                     height, i, in.rgb[i], out.rgb[i]);
    picture_free(&in);
    picture_free(&out);
    buffer_free(&file);
}

static void comes_back(void **state) {
    (void)state;
    static const int sizes[][2] = {{1, 1}, {3, 2}, {200, 1}, {1, 200}, {64, 48}, {517, 331}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        round_trip(PICTURE_PNG, sizes[i][0], sizes[i][1], 0);
        round_trip(PICTURE_WEBP, sizes[i][0], sizes[i][1], 0);
        round_trip(PICTURE_JPEG, sizes[i][0], sizes[i][1], 12);
    }
}

static void appends(void **state) {
    (void)state;
    struct picture in = painted(5, 4);
    struct buffer file = {0};
    assert_int_equal(buffer_append(&file, "before", 6, NULL), STATUS_OK);
    assert_int_equal(picture_encode(&file, &in, PICTURE_PNG, NULL), STATUS_OK);
    assert_memory_equal(file.data, "before\x89PNG", 10);
    picture_free(&in);
    buffer_free(&file);
}

static void texts(void **state) {
    (void)state;
    struct picture in = painted(5, 4), out;
    struct buffer file = {0};
    const struct picture_text pair[] = {{"Software", "firered"}, {"prompt", "夜にして"}};
    struct encode_options options = {.texts = pair, .text_count = 2};
    assert_int_equal(picture_encode_with(&file, &in, PICTURE_PNG, &options, NULL), STATUS_OK);
    assert_non_null(memmem(file.data, file.size, "tEXtSoftware\0firered", 20));
    assert_non_null(memmem(file.data, file.size, "iTXtprompt\0\0\0\0\0夜にして", 27));
    assert_int_equal(picture_decode(&out, file.data, file.size, 20, NULL), STATUS_OK);
    assert_memory_equal(in.rgb, out.rgb, 60);
    picture_free(&out);
    const struct picture_text empty = {"Comment", ""};
    options = (struct encode_options){.texts = &empty, .text_count = 1};
    assert_int_equal(picture_encode_with(&file, &in, PICTURE_PNG, &options, NULL), STATUS_OK);

    size_t before = file.size;
    char too_long[81];
    memset(too_long, 'x', 80);
    too_long[80] = '\0';
    const char *const bad[] = {"", " x", "x ", "a\nb", "a  b", "\xc3\xa4", too_long};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct picture_text one = {bad[i], "value"};
        assert_int_equal(
            picture_encode_with(&file, &in, PICTURE_PNG,
                                &(struct encode_options){.texts = &one, .text_count = 1}, NULL),
            STATUS_INVALID);
        assert_int_equal(file.size, before);
    }
    picture_free(&in);
    buffer_free(&file);
}

static size_t size_at(enum picture_format format, int quality, const struct picture *p) {
    struct buffer file = {0};
    struct encode_options options = {.quality = quality};
    struct picture out;
    assert_int_equal(picture_encode_with(&file, p, format, &options, NULL), STATUS_OK);
    assert_int_equal(picture_decode(&out, file.data, file.size, 1 << 24, NULL), STATUS_OK);
    assert_true(out.width == p->width && out.height == p->height);
    picture_free(&out);
    size_t n = file.size;
    buffer_free(&file);
    return n;
}

/* The lower, the smaller; none is JPEG's 95 and the lossless WebP. */
static void qualities(void **state) {
    (void)state;
    struct picture in = painted(200, 150);
    for (int f = PICTURE_JPEG; f <= PICTURE_WEBP; f++) {
        enum picture_format format = (enum picture_format)f;
        assert_true(size_at(format, 1, &in) < size_at(format, 50, &in));
        assert_true(size_at(format, 50, &in) < size_at(format, 90, &in));
        assert_true(size_at(format, 90, &in) < size_at(format, 100, &in));
    }
    assert_int_equal(size_at(PICTURE_JPEG, 0, &in), size_at(PICTURE_JPEG, 95, &in));
    assert_int_equal(size_at(PICTURE_PNG, 0, &in), size_at(PICTURE_PNG, 50, &in));
    struct buffer file = {0};
    for (int quality = -1; quality <= 101; quality += 102)
        assert_int_equal(picture_encode_with(&file, &in, PICTURE_JPEG,
                                             &(struct encode_options){.quality = quality}, NULL),
                         STATUS_INVALID);
    picture_free(&in);
}

static void refuses(void **state) {
    (void)state;
    uint8_t pixel[3] = {0};
    struct buffer file = {0};
    struct error err = {""};
    struct picture none = {0}, wide = {16384, 1, pixel}, wider = {65501, 1, pixel};
    struct picture widest = {PICTURE_MAX_SIDE + 1, 1, pixel};
    assert_int_equal(picture_encode(&file, &none, PICTURE_PNG, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "empty"));
    assert_int_equal(picture_encode(&file, &wide, PICTURE_WEBP, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "WebP"));
    assert_int_equal(picture_encode(&file, &wider, PICTURE_JPEG, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "JPEG"));
    assert_int_equal(picture_encode(&file, &widest, PICTURE_PNG, &err), STATUS_INVALID);
    assert_non_null(strstr(err.text, "PNG"));
    assert_null(file.data);
}

static void names(void **state) {
    (void)state;
    enum picture_format f = PICTURE_PNG;
    assert_true(picture_format_from_name(&f, "webp") && f == PICTURE_WEBP);
    assert_true(picture_format_from_name(&f, "JPG") && f == PICTURE_JPEG);
    assert_true(picture_format_from_name(&f, "jpeg") && f == PICTURE_JPEG);
    assert_false(picture_format_from_name(&f, "gif"));
    assert_false(picture_format_from_name(&f, ""));
    assert_int_equal(f, PICTURE_JPEG);
    assert_true(picture_format_from_name(&f, "png") && f == PICTURE_PNG);
    assert_string_equal(picture_format_mime(PICTURE_PNG), "image/png");
    assert_string_equal(picture_format_mime(PICTURE_JPEG), "image/jpeg");
    assert_string_equal(picture_format_mime(PICTURE_WEBP), "image/webp");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back), cmocka_unit_test(appends), cmocka_unit_test(texts),
        cmocka_unit_test(qualities),  cmocka_unit_test(refuses), cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
