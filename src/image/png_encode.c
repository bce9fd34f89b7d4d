/*
 * PNG through libspng, written as a stream into the buffer.
 */
#include <spng.h>
#include <string.h>

#include "image/codec.h"

/*
 * The one place that decides how hard we try.  What a network paints has no two stretches of bytes
 * alike, so looking for repetitions is time spent for nothing: zlib is told to find runs only.  A
 * better prediction of the next byte is worth more, and of PNG's filters Paeth's alone predicts
 * about as well as choosing among all five.  Measured on the tests' pictures enlarged to 1024x1024:
 * 40 ms, against 250 to 650 ms at zlib's level 6 with all filters, and 0.9 to 1.05 times its bytes.
 * (A picture of text or flat patterns would gain from level 6.)
 */
enum { LEVEL = 1, STRATEGY = 3 /* zlib's Z_RLE */, FILTERS = SPNG_FILTER_CHOICE_PAETH };

static int append(spng_ctx *ctx, void *user, void *bytes, size_t n) {
    (void)ctx;
    return buffer_append(user, bytes, n, NULL) == STATUS_OK ? 0 : SPNG_IO_ERROR;
}

static enum status png_fail(int why, struct error *err) {
    /* With settings that are right, writing and zlib fail for want of memory only; and once an
     * append has failed, libspng may report that it cannot go on instead of why. */
    if (why == SPNG_EMEM || why == SPNG_IO_ERROR || why == SPNG_EBADSTATE || why == SPNG_EZLIB ||
        why == SPNG_EZLIB_INIT)
        return fail(err, STATUS_NO_MEMORY, "no memory to encode a PNG picture");
    return fail(err, STATUS_INTERNAL, "cannot encode a PNG picture: %s", spng_strerror(why));
}

static bool key_is_fine(const char *key) {
    size_t n = strlen(key);
    if (n < 1 || n > 79 || key[0] == ' ' || key[n - 1] == ' ') return false;
    for (; *key; key++)
        if (*key < ' ' || *key > '~') return false;
    return true;
}

static bool is_ascii(const char *s) {
    while (*s && (unsigned char)*s < 0x80) s++;
    return !*s;
}

/* libspng copies no text: the strings must live until the file is written. */
static enum status set_texts(spng_ctx *ctx, struct spng_text *chunks,
                             const struct encode_options *options, struct error *err) {
    uint32_t n = 0;
    for (size_t i = 0; i < options->text_count; i++) {
        const struct picture_text *text = &options->texts[i];
        if (!text->value[0]) continue; /* libspng refuses empty ones */
        if (!key_is_fine(text->key))
            return fail(err, STATUS_INVALID,
                        "a PNG text's key must be 1 to 79 printable ASCII characters");
        memcpy(chunks[n].keyword, text->key, strlen(text->key) + 1);
        chunks[n].type = is_ascii(text->value) ? SPNG_TEXT : SPNG_ITXT;
        chunks[n].text = (char *)text->value;
        chunks[n].length = strlen(text->value);
        chunks[n].language_tag = chunks[n].translated_keyword = "";
        n++;
    }
    int why = n == 0 ? 0 : spng_set_text(ctx, chunks, n);
    if (why == SPNG_ETEXT_KEYWORD)
        return fail(err, STATUS_INVALID, "a PNG text's key must not have two spaces in a row");
    return why == 0 ? STATUS_OK : png_fail(why, err);
}

static enum status write_file(spng_ctx *ctx, struct buffer *out, const struct picture *p,
                              struct error *err) {
    struct spng_ihdr ihdr = {.width = (uint32_t)p->width,
                             .height = (uint32_t)p->height,
                             .bit_depth = 8,
                             .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
    int why = spng_set_png_stream(ctx, append, out);
    if (why == 0) why = spng_set_ihdr(ctx, &ihdr);
    if (why == 0) why = spng_set_option(ctx, SPNG_IMG_COMPRESSION_LEVEL, LEVEL);
    if (why == 0) why = spng_set_option(ctx, SPNG_IMG_COMPRESSION_STRATEGY, STRATEGY);
    if (why == 0) why = spng_set_option(ctx, SPNG_FILTER_CHOICE, FILTERS);
    if (why == 0)
        why = spng_encode_image(ctx, p->rgb, (size_t)p->width * (size_t)p->height * 3, SPNG_FMT_PNG,
                                SPNG_ENCODE_FINALIZE);
    return why == 0 ? STATUS_OK : png_fail(why, err);
}

enum status png_encode(struct buffer *out, const struct picture *p,
                       const struct encode_options *options, struct error *err) {
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    struct spng_text *chunks =
        options->text_count ? calloc(options->text_count, sizeof *chunks) : NULL;
    enum status s = ctx && (chunks || !options->text_count) ? STATUS_OK : png_fail(SPNG_EMEM, err);
    if (s == STATUS_OK && chunks) s = set_texts(ctx, chunks, options, err);
    if (s == STATUS_OK) s = write_file(ctx, out, p, err);
    spng_ctx_free(ctx);
    free(chunks);
    return s;
}
