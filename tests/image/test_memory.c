/* Memory that runs out at every possible moment, and the most that a hostile file may take. */
#include "support/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>

#include "image/decode.h"
#include "image/encode.h"
#include "image/exif.h"
#include "image/resize.h"
#include "nasty.h"
#include "support/failing_malloc.h"
#include "support/sanitized.h"

enum { MAX_PIXELS = 64000000 };

/* libwebp before 1.4 crashes in its lossless decoder, which also decodes alpha, when its Huffman
 * tables get no memory (fixed upstream by "Fix next is invalid pointer when WebPSafeMalloc fails").
 * Such a library is spared in a build where its own calls fail too. */
static bool library_would_crash(const char *name) {
    return MALLOC_SERVES_LIBRARIES && strstr(name, ".webp") && strcmp(name, "lossy.webp") != 0 &&
           WebPGetDecoderVersion() < 0x010400;
}

static void decode_without_memory(void **state) {
    (void)state;
    static const char *const names[] = {"rgb.png",
                                        "exif-6.png",
                                        "palette-alpha.png",
                                        "exif-6.jpg",
                                        "q60-s1-prog.jpg",
                                        "cmyk.jpg",
                                        "lossy.webp",
                                        "exif-6.webp",
                                        "animated.webp",
                                        "lossy-alpha.webp",
                                        "../pictures/icc-p3.png",
                                        "../pictures/icc-p3-parts.jpg",
                                        "../pictures/rle8.bmp",
                                        "../pictures/interlaced.gif"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (library_would_crash(names[i])) continue;
        struct buffer file = sample(names[i]);
        struct picture first; /* what libraries keep for ever, they take now */
        picture_decode(&first, file.data, file.size, MAX_PIXELS, NULL);
        picture_free(&first);
        bool told = false, never_failed = false;
        long n = 0;
        while (!never_failed) {
            enum status s;
            struct picture p;
            struct error err = {""};
            malloc_fail_at(++n);
            s = picture_decode(&p, file.data, file.size, MAX_PIXELS, &err);
            malloc_fail_no_more();
            never_failed = !malloc_has_failed();
            if (s == STATUS_OK) { /* also when libjpeg, after a refusal, made do with less */
                picture_free(&p);
            } else {
                assert_true(s == STATUS_NO_MEMORY || s == STATUS_INVALID);
                assert_null(p.rgb);
                assert_true(strlen(err.text) > 0);
                told |= s == STATUS_NO_MEMORY;
                if (s != STATUS_NO_MEMORY) print_message("%s: %ld: %s\n", names[i], n, err.text);
            }
            if (malloc_live()) fail_msg("%s: allocation %ld failed and leaked", names[i], n);
            assert_true(n < 10000);
        }
        print_message("%s: %ld allocations\n", names[i], n - 1);
        assert_true(told);
        buffer_free(&file);
    }
}

static void encode_without_memory(void **state) {
    (void)state;
    uint8_t rgb[40 * 30 * 3];
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * i);
    struct picture p = {40, 30, rgb};
    struct picture_text text = {"prompt", "make it night"};
    for (enum picture_format f = PICTURE_PNG; f <= PICTURE_WEBP; f++) {
        bool never_failed = false;
        for (long n = 1; !never_failed; n++) {
            enum status s;
            struct buffer file = {0};
            struct error err = {""};
            malloc_fail_at(n);
            s = picture_encode_with(
                &file, &p, f, &(struct encode_options){.texts = &text, .text_count = 1}, &err);
            malloc_fail_no_more();
            never_failed = !malloc_has_failed();
            if (s != STATUS_OK && file.size) fail_msg("%d: bytes were left behind", (int)f);
            if (s != STATUS_OK && s != STATUS_NO_MEMORY)
                fail_msg("%s: allocation %ld: %s", picture_format_name(f), n, err.text);
            buffer_free(&file);
            if (malloc_live())
                fail_msg("%s: allocation %ld failed and leaked", picture_format_name(f), n);
            assert_true(n < 10000);
        }
    }
}

static void resize_without_memory(void **state) {
    (void)state;
    uint8_t rgb[9 * 7 * 3] = {0};
    struct picture in = {9, 7, rgb}, out;
    enum status s = STATUS_INTERNAL;
    for (long n = 1; s != STATUS_OK; n++) {
        malloc_fail_at(n);
        s = picture_resize(&out, &in, 5, 4, RESAMPLE_LANCZOS, NULL);
        malloc_fail_no_more();
        assert_true(s == STATUS_OK || (s == STATUS_NO_MEMORY && !out.rgb));
        picture_free(&out);
        assert_int_equal(malloc_live(), 0);
    }
}

static void takes_less_than(size_t limit, const char *what, const struct buffer *b,
                            enum status want) {
    struct picture p;
    malloc_fail_at(0);
    enum status s = picture_decode(&p, b->data, b->size, MAX_PIXELS, NULL);
    picture_free(&p);
    malloc_fail_no_more();
    print_message("%s: %zu KiB\n", what, malloc_peak() / 1024);
    assert_int_equal(s, want);
    assert_int_equal(malloc_live(), 0);
    if (malloc_peak() > limit) fail_msg("%s: took %zu bytes", what, malloc_peak());
}

/* 64 MB of zeros are 64 kB of text chunk, or profile. */
static void put_inflating_chunk(struct buffer *b, const char *type) {
    enum { MUCH = 64 << 20 };
    struct buffer packed = {0}, chunk = {0};
    uint8_t *zeros = calloc(1, MUCH);
    assert_non_null(zeros);
    put_png_tail(&packed, zeros, MUCH);
    free(zeros);
    put(&chunk, "key\0\0", 5);
    put(&chunk, packed.data + 8, packed.size - 24); /* IDAT's stream, without its frame and IEND */
    put_png_chunk(b, type, chunk.data, chunk.size);
    buffer_free(&packed);
    buffer_free(&chunk);
}

static void bombs_stay_small(void **state) {
    (void)state;
    struct buffer b = sample("bad-bomb.png");
    takes_less_than(1 << 20, "PNG of 60000 x 60000", &b, STATUS_INVALID);
    buffer_free(&b);

    put_png_head(&b, 1, 1, 8, 0, 0);
    put_inflating_chunk(&b, "zTXt");
    put_inflating_chunk(&b, "iCCP");
    put_png_tail(&b, "\0\1", 2);
    takes_less_than(1 << 20, "PNG with inflating chunks", &b, STATUS_OK);
    buffer_free(&b);

    put_many_scans_jpeg(&b, 64, 64, 100000);
    takes_less_than(1 << 20, "JPEG of 100000 scans", &b, STATUS_INVALID);
    buffer_free(&b);

    put_many_scans_jpeg(&b, 2000, 2000, 3);
    takes_less_than((size_t)2000 * 2000 * 11, "progressive JPEG of 4 million pixels", &b,
                    STATUS_OK);
    buffer_free(&b);

    put_webp_head(&b);
    put_webp_chunk(&b, "VP8X", "\x02\0\0\0\xff\xff\x00\xff\xff\x00", 10);
    put_webp_end(&b);
    takes_less_than(1 << 20, "WebP of 65536 x 65536", &b, STATUS_INVALID);
    buffer_free(&b);
}

/* What the header tells is what decoding takes, but for rows and tables. */
static void takes_what_it_tells(const char *what, const struct buffer *b, int want) {
    struct picture_header header;
    assert_int_equal(picture_probe(&header, b->data, b->size, NULL), STATUS_OK);
    if (header.decode_bytes != want) fail_msg("%s: %d bytes a pixel", what, header.decode_bytes);
    size_t pixels = (size_t)header.width * (size_t)header.height;
    takes_less_than(pixels * (size_t)want + (1 << 20), what, b, STATUS_OK);
    /* A sanitizer leaves the libraries' own allocations uncounted. */
    if (!SANITIZED && malloc_peak() < pixels * (size_t)want * 9 / 10)
        fail_msg("%s: took only %zu bytes", what, malloc_peak());
}

static void headers_tell_the_memory(void **state) {
    (void)state;
    enum { SIDE = 2000 };
    struct buffer b = {0};
    uint8_t *rgb = calloc(SIDE * SIDE, 3);
    assert_non_null(rgb);
    const struct picture black = {SIDE, SIDE, rgb};
    assert_int_equal(picture_encode(&b, &black, PICTURE_PNG, NULL), STATUS_OK);
    takes_what_it_tells("PNG", &b, 3);
    buffer_free(&b);
    assert_int_equal(picture_encode(&b, &black, PICTURE_JPEG, NULL), STATUS_OK);
    takes_what_it_tells("JPEG", &b, 3);
    struct buffer turned = {0};
    put(&turned, b.data, 2);
    put(&turned, "\xff\xe1\0\x22", 4);
    put(&turned, "Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0", 32);
    put(&turned, b.data + 2, b.size - 2);
    takes_what_it_tells("JPEG that is turned", &turned, 6);
    buffer_free(&turned);
    buffer_free(&b);
    free(rgb);
    put_many_scans_jpeg(&b, SIDE, SIDE, 3);
    struct picture_header header;
    assert_int_equal(picture_probe(&header, b.data, b.size, NULL), STATUS_OK);
    takes_what_it_tells("progressive JPEG", &b, header.decode_bytes);
    assert_true(header.decode_bytes > 3);
    buffer_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_without_memory),   cmocka_unit_test(encode_without_memory),
        cmocka_unit_test(resize_without_memory),   cmocka_unit_test(bombs_stay_small),
        cmocka_unit_test(headers_tell_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
