/* Damaged and hostile files: each is refused or decoded, at once and without harm. */
#include "support/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "image/decode.h"
#include "nasty.h"

enum { MAX_PIXELS = 64000000 };

static const char *const samples[] = {"rgb.png",
                                      "palette-alpha.png",
                                      "rgb16.png",
                                      "exif-6.png",
                                      "q95-s0.jpg",
                                      "q60-s1-prog.jpg",
                                      "cmyk.jpg",
                                      "exif-5.jpg",
                                      "gray.jpg",
                                      "lossy.webp",
                                      "exif-6.webp",
                                      "lossy-alpha.webp",
                                      "animated.webp",
                                      "lossless-alpha.webp",
                                      "../pictures/rle8.bmp",
                                      "../pictures/24bit.bmp",
                                      "../pictures/interlaced.gif",
                                      "../pictures/lzw.tif",
                                      "../pictures/tiled.tif",
                                      "../pictures/alpha.heic",
                                      "../pictures/turned-6.avif",
                                      "../pictures/lossless.jxl"};

/* The formats whose libraries take milliseconds to start are not tried at each byte. */
static size_t step_of(const char *name) {
    return strstr(name, ".heic") || strstr(name, ".avif") || strstr(name, ".jxl") ? 11 : 1;
}

static bool is_same(const struct picture *p, const struct picture *whole) {
    return p->width == whole->width && p->height == whole->height &&
           memcmp(p->rgb, whole->rgb, (size_t)p->width * (size_t)p->height * 3) == 0;
}

/* Every beginning of every file is refused, or has every row.  Each gets a block of its own size: a sanitizer sees a
 * byte read too far. */
static void every_truncation(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct buffer file = sample(samples[i]);
        struct picture whole;
        enum status all = picture_decode(&whole, file.data, file.size, MAX_PIXELS, NULL);
        if (all == STATUS_UNSUPPORTED) { /* not in this build */
            buffer_free(&file);
            continue;
        }
        assert_int_equal(all, STATUS_OK);
        for (size_t n = 0; n < file.size; n += step_of(samples[i])) {
            uint8_t *cut = malloc(n ? n : 1);
            memcpy(cut, file.data, n);
            struct picture p;
            struct picture_header header;
            enum status s = picture_decode(&p, cut, n, MAX_PIXELS, NULL);
            bool good = s == STATUS_OK && is_same(&p, &whole);
            if (!good && s != STATUS_INVALID && (s != STATUS_UNSUPPORTED || n >= 32))
                fail_msg("%s cut to %zu of %zu bytes: status %d", samples[i], n, file.size, (int)s);
            picture_probe(&header, cut, n, NULL);
            free(cut);
            picture_free(&p);
        }
        picture_free(&whole);
        buffer_free(&file);
    }
}

static void every_byte_changed(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct buffer file = sample(samples[i]);
        for (size_t n = 0; n < file.size; n += step_of(samples[i])) {
            char kept = file.data[n];
            file.data[n] ^= (char)(n % 3 == 0 ? 0xff : 1 << n % 8);
            struct picture p;
            if (picture_decode(&p, file.data, file.size, 1 << 20, NULL) == STATUS_OK)
                assert_true((int64_t)p.width * p.height <= 1 << 20 && p.width > 0 && p.height > 0);
            picture_free(&p);
            file.data[n] = kept;
        }
        buffer_free(&file);
    }
}

static void refused(const char *what, const struct buffer *b, const char *word) {
    struct picture p;
    struct error err = {""};
    clock_t start = clock();
    enum status s = picture_decode(&p, b->data, b->size, MAX_PIXELS, &err);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (s != STATUS_INVALID || !strstr(err.text, word))
        fail_msg("%s: status %d: %s", what, (int)s, err.text);
    if (seconds > 1.0) fail_msg("%s: took %.1f s to refuse", what, seconds);
}

/* An ALPH-less VP8L header for so many pixels, and a byte or two of "image". */
static void put_vp8l(struct buffer *b, unsigned width, unsigned height) {
    uint32_t bits = (width - 1) | (height - 1) << 14;
    struct buffer chunk = {0};
    put(&chunk, "\x2f", 1);
    put_little_endian(&chunk, bits, 4);
    put(&chunk, "\x88\x88\x08\0\0", 5);
    put_webp_head(b);
    put_webp_chunk(b, "VP8L", chunk.data, chunk.size);
    put_webp_end(b);
    buffer_free(&chunk);
}

static void put_jpeg_of(struct buffer *b, int sof, unsigned width, unsigned height) {
    put_many_scans_jpeg(b, 8, 8, 1);
    for (size_t i = 0; i + 9 < b->size; i++)
        if ((uint8_t)b->data[i] == 0xff && (uint8_t)b->data[i + 1] == 0xc2) {
            char size[] = {(char)(height >> 8), (char)height, (char)(width >> 8), (char)width};
            b->data[i + 1] = (char)sof;
            memcpy(b->data + i + 5, size, 4);
            return;
        }
}

static void bombs(void **state) {
    (void)state;
    struct buffer b = {0};
    put_png_head(&b, 60000, 60000, 8, 2, 0);
    put_png_tail(&b, "", 0);
    refused("PNG of 3.6 billion pixels", &b, "more than");
    buffer_free(&b);

    put_png_head(&b, 8000, 8000, 16, 6, 1); /* allowed, but nothing is behind it */
    put_png_tail(&b, "", 0);
    refused("PNG of 64 million missing pixels", &b, "truncated or corrupt");
    buffer_free(&b);

    put_jpeg_of(&b, 0xc2, 65500, 65500);
    refused("JPEG of 4 billion pixels", &b, "more than");
    buffer_free(&b);
    for (int sof = 0xc0; sof <= 0xcf; sof++) {
        put_jpeg_of(&b, sof, 8000, 8000);
        refused("JPEG of 64 million missing pixels", &b, "truncated or corrupt");
        buffer_free(&b);
    }
    put_many_scans_jpeg(&b, 64, 64, 100000);
    refused("JPEG of 100000 scans", &b, "too many scans");
    buffer_free(&b);
    put_many_scans_jpeg(&b, 4000, 4000, 120);
    refused("large JPEG of 120 scans", &b, "too many scans");
    buffer_free(&b);

    put_vp8l(&b, 16384, 16384);
    refused("WebP of 268 million pixels", &b, "more than");
    buffer_free(&b);
    put_webp_head(&b);
    put_webp_chunk(&b, "VP8X", "\x02\0\0\0\xff\xff\xff\0\0\0", 10);
    put_webp_end(&b);
    refused("WebP with a canvas of 2^24 x 1", &b, "65536");
    buffer_free(&b);
    put_webp_head(&b);
    put_webp_chunk(&b, "VP8X", "\x02\0\0\0\xff\xff\xff\xff\xff\xff", 10);
    put_webp_end(&b);
    refused("WebP with a canvas of 2^24 x 2^24", &b, "corrupt");
    buffer_free(&b);
    put_webp_head(&b);
    put_webp_chunk(&b, "VP8X", "\x02\0\0\0\x9f\x0f\0\x9f\x0f\0", 10);
    put_webp_chunk(&b, "ANIM", "\0\0\0\0\0\0", 6);
    put_webp_end(&b);
    refused("WebP of 4000 x 4000 without a frame", &b, "truncated or corrupt");
    buffer_free(&b);
}

/* A hundred thousand empty chunks, or markers, are read through in passing. */
static void many_small_pieces(void **state) {
    (void)state;
    struct buffer b = {0};
    put_png_head(&b, 1, 1, 8, 0, 0);
    for (int i = 0; i < 100000; i++) put_png_chunk(&b, i % 2 ? "tEXt" : "sPLT", "a\0b", 3);
    for (int i = 0; i < 100000; i++) put_png_chunk(&b, "IDAT", "", 0);
    put_png_tail(&b, "\0\x7f", 2);
    struct picture p;
    clock_t start = clock();
    assert_int_equal(picture_decode(&p, b.data, b.size, 1, NULL), STATUS_OK);
    assert_int_equal(p.rgb[0], 0x7f);
    picture_free(&p);
    buffer_free(&b);

    struct buffer jpeg = {0};
    put_many_scans_jpeg(&jpeg, 8, 8, 1);
    put(&b, jpeg.data, 2);
    for (int i = 0; i < 100000; i++)
        put(&b,
            "\xff\xe1\x00\x0a"
            "Exif\0\0MM",
            12);
    put(&b, jpeg.data + 2, jpeg.size - 2);
    assert_int_equal(picture_decode(&p, b.data, b.size, 64, NULL), STATUS_OK);
    assert_int_equal(p.rgb[0], 128);
    picture_free(&p);
    buffer_free(&b);
    buffer_free(&jpeg);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 5.0);
}

/* A frame that is smaller than its canvas lies where it says, on white; one that sticks out is
 * refused. */
static void webp_frames(void **state) {
    (void)state;
    struct buffer still = sample("exif-6.webp"), b = {0}, frame = {0};
    const char *vp8l = memmem(still.data, still.size, "VP8L", 4);
    assert_non_null(vp8l);
    size_t size = (uint8_t)vp8l[4] | (size_t)(uint8_t)vp8l[5] << 8;
    for (int outside = 0; outside < 2; outside++) {
        put_little_endian(&frame, 2, 3); /* half the offset */
        put_little_endian(&frame, outside ? 6 : 1, 3);
        put_little_endian(&frame, 53 - 1, 3);
        put_little_endian(&frame, 37 - 1, 3);
        put_little_endian(&frame, 0, 4);
        put_webp_chunk(&frame, "VP8L", vp8l + 8, size);
        put_webp_head(&b);
        put_webp_chunk(&b, "VP8X", "\x02\0\0\0\x3f\0\0\x2f\0\0", 10); /* 64 x 48 */
        put_webp_chunk(&b, "ANIM", "\xff\xff\xff\xff\0\0", 6);
        put_webp_chunk(&b, "ANMF", frame.data, frame.size);
        put_webp_end(&b);
        struct picture p;
        enum status s = picture_decode(&p, b.data, b.size, MAX_PIXELS, NULL);
        assert_int_equal(s, outside ? STATUS_INVALID : STATUS_OK);
        if (!outside) {
            assert_true(p.width == 64 && p.height == 48);
            for (int x = 0; x < 64 * 3; x++) assert_int_equal(p.rgb[x] & p.rgb[64 * 3 + x], 255);
            for (int y = 0; y < 48; y++) assert_int_equal(p.rgb[y * 64 * 3 + 3 * 3], 255);
            int sum = 0;
            for (int x = 4; x < 57; x++) sum += p.rgb[(2 * 64 + x) * 3];
            assert_true(sum < 53 * 255);
        }
        picture_free(&p);
        buffer_free(&frame);
        buffer_free(&b);
    }
    buffer_free(&still);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation),
        cmocka_unit_test(every_byte_changed),
        cmocka_unit_test(bombs),
        cmocka_unit_test(many_small_pieces),
        cmocka_unit_test(webp_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
