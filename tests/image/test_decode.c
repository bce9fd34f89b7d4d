/* picture_decode: the reference files, every kind of PNG, orientation, and each error by its name.
 */
#include "support/unit_test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "image/decode.h"
#include "image/exif.h"
#include "nasty.h"
#include "support/safetensors_reader.h"

enum { MAX_PIXELS = 64000000 };

/* How far a byte may be from Pillow's. */
static int tolerance(const char *name) {
    if (strcmp(name, "cmyk.jpg") == 0) return 4;
    return strstr(name, ".jpg") || strncmp(name, "lossy", 5) == 0 ? 2 : 0;
}

static void good_files_equal_pillow(void **state) {
    (void)state;
    struct safetensors_reader *ref =
        safetensors_reader_open(TEST_DATA "/decode/decode.safetensors");
    assert_true(safetensors_reader_count(ref) >= 30);
    for (size_t i = 0; i < safetensors_reader_count(ref); i++) {
        const char *name = safetensors_reader_name(ref, i);
        struct reader_tensor want = safetensors_reader_get(ref, name);
        struct buffer file = sample(name);
        struct picture p;
        struct picture_header header;
        struct error err = {""};
        if (picture_decode(&p, file.data, file.size, MAX_PIXELS, &err) != STATUS_OK)
            fail_msg("%s: %s", name, err.text);
        assert_int_equal(picture_probe(&header, file.data, file.size, &err), STATUS_OK);
        assert_int_equal(header.width * header.height, p.width * p.height);
        assert_int_equal(p.height, want.shape[0]);
        assert_int_equal(p.width, want.shape[1]);
        const uint8_t *bytes = want.data;
        int worst = 0;
        for (size_t k = 0; k < want.bytes; k++)
            if (abs(p.rgb[k] - bytes[k]) > worst) worst = abs(p.rgb[k] - bytes[k]);
        if (worst > 0) print_message("%s: within %d\n", name, worst);
        if (worst > tolerance(name)) fail_msg("%s: off by %d", name, worst);
        picture_free(&p);
        buffer_free(&file);
    }
    safetensors_reader_close(ref);
}

static void bad_files_are_refused(void **state) {
    (void)state;
    DIR *dir = opendir(TEST_DATA "/decode");
    assert_non_null(dir);
    int files = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (strncmp(e->d_name, "bad-", 4) != 0) continue;
        struct buffer file = sample(e->d_name);
        struct picture p = {1, 1, NULL};
        struct error err = {""};
        bool no_format = strstr(e->d_name, "empty") || strstr(e->d_name, "text");
        enum status s = picture_decode(&p, file.data, file.size, MAX_PIXELS, &err);
        if (s != (no_format ? STATUS_UNSUPPORTED : STATUS_INVALID))
            fail_msg("%s: status %d", e->d_name, (int)s);
        assert_true(strlen(err.text) > 10 && !strchr(err.text, '\n'));
        assert_true(!p.rgb && !p.width && !p.height);
        print_message("%s: %s\n", e->d_name, err.text);
        buffer_free(&file);
        files++;
    }
    closedir(dir);
    assert_true(files >= 13);
}

/* ---- every kind of PNG ---- */

enum { W = 13, H = 11, MOST_SAMPLES = W * H * 4 };

struct kind {
    int color_type, channels, depth;
};

/* Rows of one pass, packed as PNG has them: filter byte 0, then samples, big end first. */
static void put_rows(struct buffer *b, const struct kind *k, const uint16_t *samples, int x0,
                     int y0, int dx, int dy) {
    for (int y = y0; x0 < W && y < H; y += dy) {
        put_big_endian(b, 0, 1);
        unsigned bits = 0, held = 0;
        for (int x = x0; x < W; x += dx)
            for (int c = 0; c < k->channels; c++) {
                bits = bits << k->depth | samples[(y * W + x) * k->channels + c];
                for (held += (unsigned)k->depth; held >= 8; held -= 8)
                    put_big_endian(b, bits >> (held - 8) & 255, 1);
            }
        if (held) put_big_endian(b, bits << (8 - held) & 255, 1);
    }
}

static void put_png(struct buffer *b, const struct kind *k, bool interlaced, const uint8_t *palette,
                    const uint16_t *samples) {
    static const int adam7[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                    {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
    struct buffer rows = {0};
    if (!interlaced) put_rows(&rows, k, samples, 0, 0, 1, 1);
    for (int i = 0; interlaced && i < 7; i++)
        put_rows(&rows, k, samples, adam7[i][0], adam7[i][1], adam7[i][2], adam7[i][3]);
    put_png_head(b, W, H, k->depth, k->color_type, interlaced);
    if (k->color_type == 3) put_png_chunk(b, "PLTE", palette, (size_t)3 << k->depth);
    if (k->color_type == 3) put_png_chunk(b, "tRNS", "\x00\x80", 2);
    if (k->color_type == 0) put_png_chunk(b, "tRNS", "\0\1", 2);
    if (k->color_type == 2) put_png_chunk(b, "tRNS", "\0\1\0\2\0\3", 6);
    put_png_tail(b, rows.data, rows.size);
    buffer_free(&rows);
}

static int to_8_bits(const struct kind *k, int sample) {
    return k->depth == 16 ? sample >> 8 : sample * 255 / ((1 << k->depth) - 1);
}

/* Of a palette, the first colour is transparent and the second half so; of others, one colour. */
static int alpha_of(const struct kind *k, const uint16_t *pixel) {
    switch (k->color_type) {
    case 0: return pixel[0] == 1 ? 0 : 255;
    case 2: return pixel[0] == 1 && pixel[1] == 2 && pixel[2] == 3 ? 0 : 255;
    case 3: return pixel[0] == 0 ? 0 : pixel[0] == 1 ? 0x80 : 255;
    default: return to_8_bits(k, pixel[k->channels - 1]);
    }
}

static uint8_t expected(const struct kind *k, const uint8_t *palette, const uint16_t *pixel,
                        int c) {
    int alpha = alpha_of(k, pixel);
    int colour = k->color_type == 3 ? palette[pixel[0] * 3 + c]
                                    : to_8_bits(k, pixel[k->channels >= 3 ? c : 0]);
    return (uint8_t)((colour * alpha + 255 * (255 - alpha) + 127) / 255);
}

static void every_kind_of_png(void **state) {
    (void)state;
    static const struct kind kinds[] = {{0, 1, 1}, {0, 1, 2},  {0, 1, 4},  {0, 1, 8}, {0, 1, 16},
                                        {2, 3, 8}, {2, 3, 16}, {3, 1, 1},  {3, 1, 2}, {3, 1, 4},
                                        {3, 1, 8}, {4, 2, 8},  {4, 2, 16}, {6, 4, 8}, {6, 4, 16}};
    uint8_t palette[768];
    for (int i = 0; i < 768; i++) palette[i] = (uint8_t)(i * 151 + 7);
    for (size_t i = 0; i < 2 * sizeof kinds / sizeof kinds[0]; i++) {
        const struct kind *k = &kinds[i / 2];
        uint16_t samples[MOST_SAMPLES];
        for (int j = 0; j < MOST_SAMPLES; j++)
            samples[j] = (uint16_t)((unsigned)j * 40503u + 977u) >> (16 - k->depth);
        struct buffer file = {0};
        put_png(&file, k, i % 2, palette, samples);
        struct picture p;
        struct error err = {""};
        if (picture_decode(&p, file.data, file.size, MAX_PIXELS, &err) != STATUS_OK)
            fail_msg("type %d depth %d: %s", k->color_type, k->depth, err.text);
        for (int j = 0; j < W * H * 3; j++)
            assert_int_equal(p.rgb[j], expected(k, palette, samples + j / 3 * k->channels, j % 3));
        picture_free(&p);
        buffer_free(&file);
    }
}

/* ---- orientation ---- */

static void exif_blocks(void **state) {
    (void)state;
    for (int orientation = 0; orientation <= 9; orientation++)
        for (int big_endian = 0; big_endian < 2; big_endian++) {
            struct buffer b = {0};
            put(&b, "Exif\0\0", 6);
            put_exif(&b, big_endian, orientation);
            int want = orientation >= 1 && orientation <= 8 ? orientation : 1;
            assert_int_equal(exif_orientation(b.data, b.size), want);
            assert_int_equal(exif_orientation(b.data + 6, b.size - 6), want);
            for (size_t n = 0; n + 4 < b.size; n++) { /* the last four point to no next directory */
                char *cut = malloc(n + 1);            /* its own block: a sanitizer sees its end */
                memcpy(cut, b.data, n);
                assert_int_equal(exif_orientation(cut, n), 1);
                free(cut);
            }
            buffer_free(&b);
        }
    assert_int_equal(exif_orientation("", 0), 1);
    assert_int_equal(exif_orientation("II*\0\xff\xff\xff\xff", 8), 1);
    assert_int_equal(exif_orientation("MM\0*\0\0\0\0", 8), 1); /* the directory is the header */
}

static void eight_ways_up(void **state) {
    (void)state;
    /* What a stored   1 2 3   becomes, as in Pillow's exif_transpose.
     *                 4 5 6                                            */
    static const char *want[9] = {0,        "123456", "321654", "654321", "456123",
                                  "142536", "415263", "635241", "362514"};
    for (int o = 1; o <= 8; o++) {
        struct picture p = {3, 2, malloc(18)};
        for (int i = 0; i < 18; i++) p.rgb[i] = (uint8_t)('1' + i / 3);
        assert_int_equal(picture_make_upright(&p, o, NULL), STATUS_OK);
        assert_int_equal(p.width, o < 5 ? 3 : 2);
        assert_int_equal(p.height, o < 5 ? 2 : 3);
        for (int i = 0; i < 18; i++) assert_int_equal(p.rgb[i], want[o][i / 3]);
        picture_free(&p);
    }
}

/* eXIf may stand before or behind the pixels; a damaged one, or a damaged text, harms nothing. */
static void chunks_beside_the_pixels(void **state) {
    (void)state;
    struct buffer exif = {0}, file = {0};
    put_exif(&exif, 1, 6);
    put_png_head(&file, 2, 1, 8, 0, 0);
    put_png_chunk(&file, "eXIf", "damaged", 7);
    put_png_chunk(&file, "zTXt", "no zlib stream", 14);
    put_png_chunk(&file, "iCCP", "x\0\0not one either", 17);
    put_png_tail(&file, "\0\x11\x22", 3);
    file.size -= 12; /* IEND comes again below */
    put_png_chunk(&file, "eXIf", exif.data, exif.size);
    put_png_chunk(&file, "IEND", "", 0);
    put(&file, "trailing bytes", 14);
    struct picture p;
    assert_int_equal(picture_decode(&p, file.data, file.size, 2, NULL), STATUS_OK);
    assert_true(p.width == 1 && p.height == 2 && p.rgb[0] == 0x11 && p.rgb[3] == 0x22);
    picture_free(&p);
    buffer_free(&file);
    buffer_free(&exif);
}

/* Some cameras pad between a JPEG's segments; the EXIF behind the padding still counts. */
static void padded_jpeg(void **state) {
    (void)state;
    struct buffer plain = {0}, exif = {0}, file = {0};
    put_many_scans_jpeg(&plain, 8, 16, 1);
    put_exif(&exif, 0, 6);
    enum { TABLE_END = 2 + 2 + 67 }; /* behind SOI and DQT */
    put(&file, plain.data, TABLE_END);
    put(&file, "\0\0\xff\xff\xe1", 5);
    put_big_endian(&file, (uint32_t)exif.size + 8, 2);
    put(&file, "Exif\0\0", 6);
    put(&file, exif.data, exif.size);
    put(&file, "\0\0\0", 3);
    put(&file, plain.data + TABLE_END, plain.size - TABLE_END - 2);
    put(&file, "\0\0\xff\xd9trailing bytes", 18);
    struct picture p;
    assert_int_equal(picture_decode(&p, file.data, file.size, 128, NULL), STATUS_OK);
    assert_true(p.width == 16 && p.height == 8 && p.rgb[0] == 128 && p.rgb[383] == 128);
    picture_free(&p);
    buffer_free(&plain);
    buffer_free(&exif);
    buffer_free(&file);
}

/* ---- errors by name ---- */

static void check(enum status want, const char *word, const void *bytes, size_t size,
                  int64_t max_pixels) {
    struct picture p = {1, 1, NULL};
    struct error err = {""};
    enum status s = picture_decode(&p, bytes, size, max_pixels, &err);
    if (s != want || !strstr(err.text, word))
        fail_msg("wanted %d and \"%s\", got %d: %s", (int)want, word, (int)s, err.text);
    assert_true(!p.rgb && !p.width && !p.height);
}

static void errors_by_name(void **state) {
    (void)state;
    check(STATUS_UNSUPPORTED, "empty", NULL, 0, 100);
    check(STATUS_UNSUPPORTED, "send PNG, JPEG, WebP", "\x89PNG", 4, 100);
    check(STATUS_UNSUPPORTED, "send PNG, JPEG, WebP", "RIFF\4\0\0\0WAVE", 12, 100);
    check(STATUS_UNSUPPORTED, "a gzip file", "\x1f\x8b\x08\0\0\0\0\0", 8, 100);
    static const char base64[] =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDw";
    check(STATUS_UNSUPPORTED, "a base64 text", base64, sizeof base64 - 1, 100);
    check(STATUS_INVALID, "header", "\x89PNG\r\n\x1a\n", 8, 100);

    static const struct {
        uint32_t width, height;
        const char *word;
    } sizes[] = {{0, 1, "no pixels"},       {1, 0, "no pixels"},  {11, 10, "more than the 100"},
                 {65537, 1, "65536"},       {1, 70000, "65536"},  {1, 90, "more than"},
                 {0x80000000, 1, "header"}, {201, 1, "more than"}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buffer b = {0};
        put_png_head(&b, sizes[i].width, sizes[i].height, 8, 2, 0);
        check(STATUS_INVALID, sizes[i].word, b.data, b.size, i == 5 ? 89 : 100);
        buffer_free(&b);
    }
    struct buffer b = {0};
    put_png_head(&b, 201, 1, 8, 2, 0);
    check(STATUS_INVALID, "200 times", b.data, b.size, 1000);
    buffer_free(&b);
    put_png_head(&b, 2, 2, 8, 2, 0);
    check(STATUS_INVALID, "truncated or corrupt", b.data, b.size, 1000);
    put_png_tail(&b, "\0\1\2\3\4\5\6", 7); /* one row instead of two */
    check(STATUS_INVALID, "truncated or corrupt", b.data, b.size, 1000);
    buffer_free(&b);
    put_png_head(&b, 1, 1, 3, 2, 0); /* no such depth */
    put_png_tail(&b, "\0\1\2\3", 4);
    check(STATUS_INVALID, "truncated or corrupt", b.data, b.size, 1000);
    buffer_free(&b);
    put_png_head(&b, 1, 1, 8, 3, 0); /* no palette */
    put_png_tail(&b, "\0\1", 2);
    check(STATUS_INVALID, "truncated or corrupt", b.data, b.size, 1000);
    buffer_free(&b);
}

static void exactly_the_limits(void **state) {
    (void)state;
    uint8_t row[201] = {0};
    struct buffer b = {0};
    put_png_head(&b, 200, 1, 8, 0, 0);
    put_png_tail(&b, row, 201);
    struct picture p;
    assert_int_equal(picture_decode(&p, b.data, b.size, 200, NULL), STATUS_OK);
    picture_free(&p);
    check(STATUS_INVALID, "more than the 199", b.data, b.size, 199);
    buffer_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_equal_pillow),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(every_kind_of_png),
        cmocka_unit_test(exif_blocks),
        cmocka_unit_test(eight_ways_up),
        cmocka_unit_test(chunks_beside_the_pixels),
        cmocka_unit_test(padded_jpeg),
        cmocka_unit_test(errors_by_name),
        cmocka_unit_test(exactly_the_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
