/*
 * The block is read in place: a handful of offsets, each checked before it is followed.  Turning
 * goes through one loop for all eight orientations, which differ only in where the first pixel
 * comes from and how far apart its right and lower neighbours are.
 */
#include "image/exif.h"

#include <stdbool.h>
#include <string.h>

#include "image/picture.h"

enum { ORIENTATION_TAG = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY_SIZE = 12 };

struct tiff {
    const uint8_t *bytes;
    size_t size;
    bool big_endian;
};

static uint32_t tiff_number(const struct tiff *t, size_t at, int bytes) {
    uint32_t n = 0;
    for (int i = 0; i < bytes; i++)
        n = n << 8 | t->bytes[at + (size_t)(t->big_endian ? i : bytes - 1 - i)];
    return n;
}

/* The orientation that the directory entry at `at` tells, or 0 when it is about something else. */
static int entry_orientation(const struct tiff *t, size_t at) {
    uint32_t type = tiff_number(t, at + 2, 2);
    if (tiff_number(t, at, 2) != ORIENTATION_TAG || tiff_number(t, at + 4, 4) != 1) return 0;
    uint32_t value = type == TYPE_SHORT  ? tiff_number(t, at + 8, 2)
                     : type == TYPE_LONG ? tiff_number(t, at + 8, 4)
                                         : 0;
    return value >= 1 && value <= 8 ? (int)value : 0;
}

int exif_orientation(const void *bytes, size_t size) {
    struct tiff t = {.bytes = bytes, .size = size};
    /* Some writers put the JPEG prefix before the block in other formats too, and even twice. */
    while (t.size >= 6 && memcmp(t.bytes, "Exif\0\0", 6) == 0) {
        t.bytes += 6;
        t.size -= 6;
    }
    if (t.size < 8) return 1;
    t.big_endian = t.bytes[0] == 'M';
    if (memcmp(t.bytes, "II*\0", 4) != 0 && memcmp(t.bytes, "MM\0*", 4) != 0) return 1;

    size_t at = tiff_number(&t, 4, 4);
    if (at > t.size - 2) return 1;
    size_t entries = tiff_number(&t, at, 2);
    int orientation = 1;
    at += 2;
    for (; entries > 0 && t.size - at >= ENTRY_SIZE; entries--, at += ENTRY_SIZE) {
        int found = entry_orientation(&t, at);
        if (found) orientation = found; /* the last one counts, as in Pillow */
    }
    return orientation;
}

/* Which edge of the stored picture the upright one's first row and first column are, by
 * orientation. */
static const struct {
    bool swap; /* rows are stored as columns */
    bool right, bottom;
} stored[9] = {
    [2] = {.right = true},
    [3] = {.right = true, .bottom = true},
    [4] = {.bottom = true},
    [5] = {.swap = true},
    [6] = {.swap = true, .bottom = true},
    [7] = {.swap = true, .right = true, .bottom = true},
    [8] = {.swap = true, .right = true},
};

/* Copies in squares, so that the side on which pixels lie a row apart stays in the cache. */
static void copy_turned(struct picture *out, const uint8_t *from, ptrdiff_t right, ptrdiff_t down) {
    enum { SQUARE = 32 };
    for (int top = 0; top < out->height; top += SQUARE)
        for (int left = 0; left < out->width; left += SQUARE)
            for (int y = top; y < top + SQUARE && y < out->height; y++)
                for (int x = left; x < left + SQUARE && x < out->width; x++)
                    memcpy(out->rgb + ((size_t)y * (size_t)out->width + (size_t)x) * 3,
                           from + x * right + y * down, 3);
}

enum status picture_make_upright(struct picture *p, int orientation, struct error *err) {
    if (orientation < 2 || orientation > 8) return STATUS_OK;
    bool swap = stored[orientation].swap;
    struct picture out;
    enum status s =
        picture_create(&out, swap ? p->height : p->width, swap ? p->width : p->height, err);
    if (s != STATUS_OK) return s;

    ptrdiff_t pixel = 3, row = (ptrdiff_t)p->width * 3;
    const uint8_t *from = p->rgb;
    if (stored[orientation].right) {
        from += (p->width - 1) * pixel;
        pixel = -pixel;
    }
    if (stored[orientation].bottom) {
        from += (p->height - 1) * row;
        row = -row;
    }
    copy_turned(&out, from, swap ? row : pixel, swap ? pixel : row);
    picture_free(p);
    *p = out;
    return STATUS_OK;
}
