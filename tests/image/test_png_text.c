/* png_texts_read: what picture_encode_with wrote, what others write, and what is damaged or
 * hostile. */
#include "support/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "image/png_text.h"
#include "nasty.h"

/* Ends the picture and reads its texts. */
static struct png_texts texts_of(struct buffer *b) {
    struct png_texts texts;
    struct error err = {""};
    put_png_tail(b, "\0\1", 2);
    if (png_texts_read(&texts, b->data, b->size, &err) != STATUS_OK) fail_msg("%s", err.text);
    buffer_free(b);
    return texts;
}

static void assert_text(const struct png_texts *t, size_t i, const char *key, const char *value) {
    assert_true(i < t->count);
    assert_string_equal(t->items[i].key, key);
    assert_string_equal(t->items[i].value, value);
}

static void put_deflated(struct buffer *b, const char *type, const char *head, size_t head_size,
                         const void *text, size_t n) {
    struct buffer chunk = {0};
    uLongf packed_size = compressBound(n);
    Bytef *packed = malloc(packed_size);
    assert_non_null(packed);
    assert_int_equal(compress(packed, &packed_size, text, n), Z_OK);
    put(&chunk, head, head_size);
    put(&chunk, packed, packed_size);
    put_png_chunk(b, type, chunk.data, chunk.size);
    buffer_free(&chunk);
    free(packed);
}

static void what_was_written(void **state) {
    (void)state;
    uint8_t rgb[3] = {1, 2, 3};
    const struct picture_text written[] = {
        {"Software", "firered"}, {"prompt", "夜にして\nnow"}, {"seed", "18446744073709551615"}};
    struct buffer b = {0};
    struct png_texts texts;
    assert_int_equal(
        picture_encode_with(&b, &(struct picture){1, 1, rgb}, PICTURE_PNG,
                            &(struct encode_options){.texts = written, .text_count = 3}, NULL),
        STATUS_OK);
    assert_int_equal(png_texts_read(&texts, b.data, b.size, NULL), STATUS_OK);
    assert_int_equal(texts.count, 3);
    assert_int_equal(texts.left_out, 0);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(png_texts_find(&texts, written[i].key), written[i].value);
    assert_null(png_texts_find(&texts, "steps"));
    png_texts_free(&texts);
    buffer_free(&b);
}

static void what_others_write(void **state) {
    (void)state;
    struct buffer b = {0};
    put_png_head(&b, 1, 1, 8, 0, 0);
    put_png_chunk(&b, "tEXt", "Title\0caf\xe9", 10);
    put_png_chunk(&b, "tEXt", "Title\0again", 11);
    put_png_chunk(&b, "tEXt", "Empty\0", 6);
    put_deflated(&b, "zTXt", "Long\0\0", 6, "gr\xfc\xdf", 4);
    put_png_chunk(&b, "iTXt", "Plain\0\0\0de\0Schl\xc3\xbcssel\0\xe5\xa4\x9c", 25);
    put_deflated(&b, "iTXt", "Packed\0\1\0\0\0", 11, "\xe5\xa4\x9c", 3);
    struct png_texts texts = texts_of(&b);
    assert_int_equal(texts.count, 6);
    assert_int_equal(texts.left_out, 0);
    assert_text(&texts, 0, "Title", "caf\xc3\xa9");
    assert_text(&texts, 1, "Title", "again");
    assert_text(&texts, 2, "Empty", "");
    assert_text(&texts, 3, "Long", "gr\xc3\xbc\xc3\x9f");
    assert_text(&texts, 4, "Plain", "\xe5\xa4\x9c");
    assert_text(&texts, 5, "Packed", "\xe5\xa4\x9c");
    assert_string_equal(png_texts_find(&texts, "Title"), "caf\xc3\xa9");
    png_texts_free(&texts);
}

static void leaves_damaged_ones_out(void **state) {
    (void)state;
    static const struct {
        const char *type, *data;
        size_t size;
    } bad[] = {
        {"tEXt", "no end of the key", 17},
        {"tEXt", "\0no key", 7},
        {"tEXt", "nul\0a\0b", 7},
        {"zTXt", "method\0\1\x78\x9c\x03\0\0\0\0\1", 16},
        {"zTXt", "none\0", 5},
        {"zTXt", "cut\0\0\x78\x9c\x4b", 8},
        {"iTXt", "flag\0\2\0\0\0x", 10},
        {"iTXt", "method\0\1\1\0\0x", 12},
        {"iTXt", "fields\0\0\0\0x", 11},
        {"iTXt", "bytes\0\0\0\0\0\xff", 11},
        {"iTXt", "key\0\0", 5},
        {"tEXt",
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678"
         "9\0key of 80",
         90},
    };
    struct buffer b = {0};
    put_png_head(&b, 1, 1, 8, 0, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        put_png_chunk(&b, bad[i].type, bad[i].data, bad[i].size);
    put_png_chunk(&b, "tEXt", "crc\0x", 5);
    b.data[b.size - 1] ^= 1;
    put_png_chunk(&b, "tEXt", "good\0x", 6);
    struct png_texts texts = texts_of(&b);
    assert_int_equal(texts.count, 1);
    assert_text(&texts, 0, "good", "x");
    assert_int_equal(texts.left_out, sizeof bad / sizeof bad[0] + 1);
    png_texts_free(&texts);
}

static void keeps_its_limits(void **state) {
    (void)state;
    enum { MUCH = 64 << 20, HALF = PNG_TEXTS_MAX_BYTES / 2 };
    char *text = malloc(MUCH);
    assert_non_null(text);
    memset(text, 'x', MUCH);
    struct buffer b = {0};
    put_png_head(&b, 1, 1, 8, 0, 0);
    put_deflated(&b, "zTXt", "half\0\0", 6, text, HALF);
    put_deflated(&b, "zTXt", "half\0\0", 6, text, HALF); /* with the keys: too much */
    put_deflated(&b, "zTXt", "bomb\0\0", 6, text, MUCH);
    put_png_chunk(&b, "tEXt", "late\0x", 6); /* the limit was used up */
    struct png_texts texts = texts_of(&b);
    assert_int_equal(texts.count, 1);
    assert_int_equal(strlen(texts.items[0].value), HALF);
    assert_int_equal(texts.left_out, 3);
    png_texts_free(&texts);

    put_png_head(&b, 1, 1, 8, 0, 0);
    for (int i = 0; i < PNG_TEXTS_MAX + 7; i++) put_png_chunk(&b, "tEXt", "key\0value", 9);
    texts = texts_of(&b);
    assert_int_equal(texts.count, PNG_TEXTS_MAX);
    assert_int_equal(texts.left_out, 7);
    png_texts_free(&texts);
    free(text);
}

/* Each beginning gets a block of its own size: a sanitizer sees a byte read too far. */
static void every_truncation(void **state) {
    (void)state;
    struct buffer b = {0};
    put_png_head(&b, 1, 1, 8, 0, 0);
    put_png_chunk(&b, "tEXt", "Title\0x", 7);
    put_deflated(&b, "iTXt", "Packed\0\1\0\0\0", 11, "text", 4);
    put_png_tail(&b, "\0\1", 2);
    for (size_t n = 0; n < b.size; n++) {
        struct png_texts texts;
        char *cut = malloc(n ? n : 1);
        assert_non_null(cut);
        memcpy(cut, b.data, n);
        assert_int_equal(png_texts_read(&texts, cut, n, NULL),
                         n < 8 ? STATUS_UNSUPPORTED : STATUS_INVALID);
        assert_null(texts.items);
        free(cut);
    }
    buffer_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written),        cmocka_unit_test(what_others_write),
        cmocka_unit_test(leaves_damaged_ones_out), cmocka_unit_test(keeps_its_limits),
        cmocka_unit_test(every_truncation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
