/*
 * BMP, by hand: there is no library for it, and it needs none.
 *
 * After the file's header comes one of seven, told apart by its size; then masks, a palette, and rows
 * padded to four bytes, from the bottom up unless the height is negative.  Run-length-coded pixels are
 * decoded to one index a byte first, since they may jump about; what they leave out is colour 0.  A
 * fourth byte is alpha only where a mask says so.
 *
 * Source: Microsoft's BITMAPINFOHEADER, BITMAPV4HEADER, BITMAPV5HEADER; OS/2's BITMAPCOREHEADER.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"

enum { FILE_HEADER = 14, CORE_HEADER = 12, MASKS_AT = 40, MAX_COLOURS = 256 };
enum { PLAIN = 0, RLE8 = 1, RLE4 = 2, FIELDS = 3, ALPHA_FIELDS = 6 };

struct bmp {
    const uint8_t *bytes;
    size_t size, pixels; /* where they begin */
    int64_t width, height;
    bool top_down;
    int bits, compression;
    uint32_t masks[4]; /* red, green, blue, alpha */
    uint8_t palette[MAX_COLOURS][3];
};

static uint32_t little(const uint8_t *b, int bytes) {
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++) v |= (uint32_t)b[i] << 8 * i;
    return v;
}

static enum status corrupt(struct error *err, const char *why) {
    return fail(err, STATUS_INVALID, "the BMP picture is truncated or corrupt: %s", why);
}

/* The masks stand at byte 40 of every header that has some, or behind a shorter one.  Returns where they
 * end, counted from the header's begin: 0 without masks of the file's own. */
static size_t masks_end(const struct bmp *b, size_t header_size) {
    if (b->compression != FIELDS && b->compression != ALPHA_FIELDS) return 0;
    bool alpha = header_size >= 56 || b->compression == ALPHA_FIELDS;
    return MASKS_AT + (alpha ? 16 : 12);
}

static void set_masks(struct bmp *b, const uint8_t *header, size_t end) {
    static const uint32_t masks_555[4] = {0x7c00, 0x03e0, 0x001f, 0};
    static const uint32_t masks_888[4] = {0xff0000, 0x00ff00, 0x0000ff, 0};
    if (!end) memcpy(b->masks, b->bits == 16 ? masks_555 : masks_888, sizeof b->masks);
    for (size_t at = MASKS_AT; at < end; at += 4)
        b->masks[(at - MASKS_AT) / 4] = little(header + at, 4);
}

/* The palette ends where the pixels begin, at the latest. */
static void read_palette(struct bmp *b, size_t at, uint32_t colours, int entry) {
    size_t limit = b->pixels < b->size ? b->pixels : b->size;
    uint32_t count = b->bits <= 8 ? 1u << b->bits : 0;
    if (colours && colours < count) count = colours;
    for (uint32_t i = 0; i < count && at + (size_t)entry <= limit; i++, at += (size_t)entry)
        for (int c = 0; c < 3; c++) b->palette[i][c] = b->bytes[at + 2 - (size_t)c];
}

static enum status open_bmp(struct bmp *b, const uint8_t *bytes, size_t size, struct error *err) {
    *b = (struct bmp){.bytes = bytes, .size = size, .pixels = little(bytes + 10, 4)};
    const uint8_t *h = bytes + FILE_HEADER;
    uint32_t head = little(h, 4);
    bool core = head == CORE_HEADER;
    if ((!core && head < 16) || size < FILE_HEADER + (size_t)head)
        return corrupt(err, "its header");
    b->width = core ? (int64_t)little(h + 4, 2) : (int32_t)little(h + 4, 4);
    b->height = core ? (int64_t)little(h + 6, 2) : (int32_t)little(h + 8, 4);
    b->bits = (int)little(core ? h + 10 : h + 14, 2);
    b->compression = head >= 20 ? (int)little(h + 16, 4) : PLAIN;
    b->top_down = b->height < 0;
    if (b->top_down) b->height = -b->height;
    if (b->width < 0 || b->height > INT_MAX) return corrupt(err, "its size");
    size_t masks = masks_end(b, head), behind = FILE_HEADER + (head < masks ? masks : head);
    if (size < behind) return corrupt(err, "its header");
    set_masks(b, h, masks);
    read_palette(b, behind, head >= 36 ? little(h + 32, 4) : 0, core ? 3 : 4);
    return STATUS_OK;
}

enum status bmp_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                      struct error *err) {
    struct bmp b;
    enum status s = open_bmp(&b, bytes, size, err);
    *width = s == STATUS_OK ? (int)b.width : 0;
    *height = s == STATUS_OK ? (int)b.height : 0;
    return s;
}

/* A sample of any width to 8 bits, rounded. */
static uint8_t field(uint32_t pixel, uint32_t mask) {
    if (!mask) return 0;
    int shift = __builtin_ctz(mask);
    uint64_t value = (pixel & mask) >> shift, top = mask >> shift;
    return (uint8_t)((value * 255 + top / 2) / top);
}

static void row_of_fields(const struct bmp *b, uint8_t *to, const uint8_t *row) {
    int bytes = b->bits / 8, stride = b->masks[3] ? 4 : 3;
    for (int64_t x = 0; x < b->width; x++, row += bytes, to += stride) {
        uint32_t pixel = little(row, bytes);
        for (int c = 0; c < stride; c++) to[c] = field(pixel, b->masks[c]);
    }
}

static void row_of_indices(const struct bmp *b, uint8_t *to, const uint8_t *row, int bits) {
    for (int64_t x = 0; x < b->width; x++, to += 3) {
        int64_t bit = x * bits;
        int index = row[bit / 8] >> (8 - bits - bit % 8) & ((1 << bits) - 1);
        memcpy(to, b->palette[index], 3);
    }
}

static enum status put_rows(struct decoding *d, const struct bmp *b, const uint8_t *rows,
                            size_t row_size, int bits, struct error *err) {
    bool alpha = b->bits > 8 && b->masks[3];
    const struct colour_layout layout = {
        .kind = COLOUR_RGB, .stride = alpha ? 4 : 3, .alpha = alpha};
    enum status s = decoding_begin(d, layout, err);
    if (s != STATUS_OK) return s;
    uint8_t *line = malloc((size_t)b->width * 4);
    if (!line) return fail(err, STATUS_NO_MEMORY, "no memory to decode the BMP picture");
    for (int64_t y = 0; y < b->height && s == STATUS_OK; y++) {
        const uint8_t *row = rows + (size_t)y * row_size;
        if (b->bits > 8)
            row_of_fields(b, line, row);
        else
            row_of_indices(b, line, row, bits);
        s = decoding_row(d, (int)(b->top_down ? y : b->height - 1 - y), 0, line, (int)b->width,
                         err);
    }
    free(line);
    return s;
}

struct runs {
    const uint8_t *at, *end;
    int64_t x, y; /* y from the bottom */
};

static void put_index(const struct bmp *b, struct runs *r, uint8_t *indices, uint8_t index) {
    if (r->x < b->width && r->y < b->height) indices[r->y * b->width + r->x] = index;
    r->x++;
}

/* `count` indices that stand one by one, padded to two bytes.  False: the file ends before. */
static bool put_literals(const struct bmp *b, struct runs *r, uint8_t *indices, int count) {
    int bytes = b->compression == RLE8 ? count : (count + 1) / 2;
    if (r->end - r->at < bytes) return false;
    for (int i = 0; i < count; i++)
        put_index(b, r, indices,
                  b->compression == RLE8 ? r->at[i] : r->at[i / 2] >> (i % 2 ? 0 : 4) & 15);
    r->at += bytes;
    if (bytes % 2 && r->at < r->end) r->at++;
    return true;
}

/* True: all rows are there. */
static bool unpack(const struct bmp *b, struct runs *r, uint8_t *indices) {
    while (r->end - r->at >= 2) {
        int count = *r->at++, value = *r->at++;
        for (int i = 0; i < count; i++)
            put_index(b, r, indices,
                      (uint8_t)(b->compression == RLE8 ? value : value >> (i % 2 ? 0 : 4) & 15));
        if (count) continue;
        if (value == 0) { /* the row's end */
            r->x = 0;
            r->y++;
        } else if (value == 1) {
            return true;
        } else if (value == 2) {
            if (r->end - r->at < 2) return false;
            r->x += *r->at++;
            r->y += *r->at++;
        } else if (!put_literals(b, r, indices, value)) {
            return false;
        }
    }
    return r->y >= b->height || (r->y == b->height - 1 && r->x >= b->width);
}

static enum status decode_runs(struct decoding *d, const struct bmp *b, struct error *err) {
    uint8_t *indices = calloc((size_t)b->width, (size_t)b->height);
    if (!indices) return fail(err, STATUS_NO_MEMORY, "no memory to decode the BMP picture");
    struct runs r = {.at = b->bytes + b->pixels, .end = b->bytes + b->size};
    enum status s = unpack(b, &r, indices) ? put_rows(d, b, indices, (size_t)b->width, 8, err)
                                           : corrupt(err, "rows are missing");
    free(indices);
    return s;
}

enum status bmp_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err) {
    struct bmp b;
    enum status s = open_bmp(&b, bytes, size, err);
    if (s != STATUS_OK) return s;
    bool runs = (b.compression == RLE8 && b.bits == 8) || (b.compression == RLE4 && b.bits == 4);
    bool fields = (b.compression == FIELDS || b.compression == ALPHA_FIELDS) &&
                  (b.bits == 16 || b.bits == 32);
    bool plain =
        b.compression == PLAIN && (b.bits == 1 || b.bits == 2 || b.bits == 4 || b.bits == 8 ||
                                   b.bits == 16 || b.bits == 24 || b.bits == 32);
    if (!runs && !fields && !plain)
        return fail(err, STATUS_INVALID,
                    "the BMP picture has %d bits a pixel, coded in a way (%d) that is not read",
                    b.bits, b.compression);
    size_t row_size = ((size_t)b.width * (size_t)b.bits + 31) / 32 * 4;
    if (b.pixels > size) return corrupt(err, "rows are missing");
    if (runs) return decode_runs(d, &b, err);
    if ((size - b.pixels) / row_size < (size_t)b.height) return corrupt(err, "rows are missing");
    return put_rows(d, &b, bytes + b.pixels, row_size, b.bits, err);
}
