/*
 * A chunk is first taken apart in place (key, and where its value is and how it is written), then
 * its value is turned into UTF-8 in a buffer that never grows beyond what the limits leave.
 */
#include "image/png_text.h"

#include <stdlib.h>
#include <utf8proc.h>
#include <zlib.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "image/png_chunk.h"

/* A text chunk taken apart; nothing is copied. */
struct chunk_text {
    const uint8_t *key, *value;
    size_t key_size, value_size; /* as stored */
    bool deflated, latin1;
};

/* Cuts the bytes up to the next NUL off *rest, and skips the NUL. */
static bool cut(const uint8_t **field, size_t *field_size, const uint8_t **rest, size_t *size) {
    const uint8_t *end = memchr(*rest, '\0', *size);
    if (!end) return false;
    *field = *rest;
    *field_size = (size_t)(end - *rest);
    *rest += *field_size + 1;
    *size -= *field_size + 1;
    return true;
}

static bool take_apart(struct chunk_text *t, const uint8_t *chunk, size_t chunk_size) {
    const uint8_t *at = chunk + PNG_CHUNK_HEAD, *unused;
    size_t n = chunk_size - PNG_CHUNK_FRAME, unused_size;
    bool international = png_chunk_is(chunk, "iTXt"), compressed = png_chunk_is(chunk, "zTXt");
    *t = (struct chunk_text){.deflated = compressed, .latin1 = !international};
    if (!cut(&t->key, &t->key_size, &at, &n) || t->key_size < 1 || t->key_size > 79) return false;
    if (compressed) {
        if (n < 1 || at[0] != 0) return false; /* the method: deflate is the only one */
        at += 1;
        n -= 1;
    }
    if (international) {
        if (n < 2 || at[0] > 1 || (at[0] == 1 && at[1] != 0)) return false;
        t->deflated = at[0] == 1;
        at += 2;
        n -= 2;
        for (int field = 0; field < 2; field++) /* language, and the key in it */
            if (!cut(&unused, &unused_size, &at, &n)) return false;
    }
    t->value = at;
    t->value_size = n;
    return true;
}

/* Appends the inflated value, if it is whole and at most `limit` bytes. */
static enum status inflate_value(struct buffer *to, const struct chunk_text *t, size_t limit,
                                 bool *fine) {
    Bytef piece[4096];
    z_stream z = {.next_in = (Bytef *)t->value, .avail_in = (uInt)t->value_size};
    if (inflateInit(&z) != Z_OK) return STATUS_NO_MEMORY;
    enum status s = STATUS_OK;
    int why = Z_OK;
    size_t got = 0;
    while (s == STATUS_OK && why == Z_OK && got <= limit) {
        z.next_out = piece;
        z.avail_out = sizeof piece;
        why = inflate(&z, Z_NO_FLUSH);
        s = buffer_append(to, piece, sizeof piece - z.avail_out, NULL);
        got += sizeof piece - z.avail_out;
    }
    inflateEnd(&z);
    *fine = why == Z_STREAM_END && got <= limit;
    return why == Z_MEM_ERROR ? STATUS_NO_MEMORY : s;
}

static enum status append_latin1(struct buffer *to, const uint8_t *from, size_t n) {
    enum status s = STATUS_OK;
    for (size_t i = 0; i < n && s == STATUS_OK; i++) {
        utf8proc_uint8_t c[4];
        s = buffer_append(to, c, (size_t)utf8proc_encode_char(from[i], c), NULL);
    }
    return s;
}

/* Appends the value as UTF-8 to an empty buffer; *fine: it is whole and fits.  If not, the buffer
 * holds what it cost to see that. */
static enum status read_value(struct buffer *value, const struct chunk_text *t, size_t limit,
                              bool *fine) {
    enum status s = STATUS_OK;
    *fine = t->deflated || t->value_size <= limit;
    if (t->deflated)
        s = inflate_value(value, t, limit, fine);
    else if (*fine)
        s = buffer_append(value, t->value, t->value_size, NULL);
    if (s == STATUS_OK && *fine && t->latin1) {
        struct buffer stored = *value;
        *value = (struct buffer){0};
        s = append_latin1(value, (const uint8_t *)stored.data, stored.size);
        buffer_free(&stored);
    }
    *fine = *fine && value->size <= limit && utf8_is_text(value->data, value->size);
    return s;
}

/* Adds the chunk's text, or counts it as left out.  What was inflated counts against the limit in
 * both cases, so that no file keeps us busy for long. */
static enum status add(struct png_texts *out, size_t *left, const uint8_t *chunk,
                       size_t chunk_size) {
    struct chunk_text t;
    struct buffer key = {0}, value = {0};
    bool fine = out->count < PNG_TEXTS_MAX && chunk_size <= PNG_TEXTS_MAX_BYTES &&
                png_number(chunk + chunk_size - 4) ==
                    crc32(0, chunk + 4, (uInt)(chunk_size - PNG_CHUNK_FRAME + 4)) &&
                take_apart(&t, chunk, chunk_size);
    enum status s = fine ? append_latin1(&key, t.key, t.key_size) : STATUS_OK;
    fine = fine && key.size <= *left;
    if (s == STATUS_OK && fine) s = read_value(&value, &t, *left - key.size, &fine);
    size_t cost = key.size + value.size;
    *left -= cost < *left ? cost : *left;
    if (s == STATUS_OK && fine) s = buffer_append(&value, "", 0, NULL); /* an empty one is "" */
    if (s == STATUS_OK && fine) {
        out->items[out->count++] = (struct picture_text){key.data, value.data};
        return s;
    }
    out->left_out += s == STATUS_OK;
    buffer_free(&key);
    buffer_free(&value);
    return s;
}

enum status png_texts_read(struct png_texts *out, const void *bytes, size_t size,
                           struct error *err) {
    *out = (struct png_texts){0};
    if (size < PNG_SIGNATURE_SIZE || memcmp(bytes, "\x89PNG\r\n\x1a\n", PNG_SIGNATURE_SIZE) != 0)
        return fail(err, STATUS_UNSUPPORTED, "the file is no PNG picture");
    out->items = calloc(PNG_TEXTS_MAX, sizeof *out->items);
    if (!out->items) return fail(err, STATUS_NO_MEMORY, "no memory to read a PNG picture's texts");
    enum status s = STATUS_OK;
    size_t left = PNG_TEXTS_MAX_BYTES;
    for (size_t at = PNG_SIGNATURE_SIZE, n; s == STATUS_OK; at += n) {
        const uint8_t *chunk = (const uint8_t *)bytes + at;
        n = png_chunk_size(bytes, size, at);
        if (n == 0) {
            png_texts_free(out);
            return fail(err, STATUS_INVALID,
                        "the PNG picture is truncated or corrupt: its end is missing");
        }
        if (png_chunk_is(chunk, "IEND")) return STATUS_OK;
        if (png_chunk_is(chunk, "tEXt") || png_chunk_is(chunk, "zTXt") ||
            png_chunk_is(chunk, "iTXt"))
            s = add(out, &left, chunk, n);
    }
    png_texts_free(out);
    return fail(err, s, "no memory to read a PNG picture's texts");
}

void png_texts_free(struct png_texts *t) {
    for (size_t i = 0; i < t->count; i++) {
        free((char *)t->items[i].key);
        free((char *)t->items[i].value);
    }
    free(t->items);
    *t = (struct png_texts){0};
}

const char *png_texts_find(const struct png_texts *t, const char *key) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->items[i].key, key) == 0) return t->items[i].value;
    return NULL;
}
