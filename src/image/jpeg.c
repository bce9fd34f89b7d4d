/*
 * JPEG through libjpeg.
 *
 * libjpeg reports an error by longjmp.  To keep that tame, everything that a decode needs lives in
 * one struct, which only the public function creates and releases; the steps between run under
 * `guarded`, own nothing, and may be left at any point.
 *
 * libjpeg calls damaged data a warning and invents the missing pixels.  A made-up half of a picture
 * is no input for an edit: the warnings that mean lost data are errors here.
 */
#include <stdio.h> /* jpeglib.h needs it */

#include <jpeglib.h>

#include <jerror.h>
#include <setjmp.h>
#include <string.h>

#include "image/codec.h"
#include "image/exif.h"

enum {
    /* A progressive file has ten scans, a thoroughly optimised one a few dozen; each costs a walk
       over all pixels. */
    MAX_SCANS = 100,
    /* Every 8x8 block costs at least one bit: no JPEG has more pixels per byte. */
    MAX_PIXELS_PER_BYTE = 64 * 8,
};

struct jpeg_reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const uint8_t *bytes;
    size_t size;
    struct picture *out;
    enum status status;
    struct error *err;
};

static _Noreturn void refuse(struct jpeg_reader *r, const char *why) {
    r->status = fail(r->err, STATUS_INVALID, "the JPEG picture is truncated or corrupt: %s", why);
    longjmp(r->escape, 1);
}

static void on_error(j_common_ptr jpeg) {
    struct jpeg_reader *r = jpeg->client_data;
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY) {
        r->status = fail(r->err, STATUS_NO_MEMORY, "no memory to decode the JPEG picture");
        longjmp(r->escape, 1);
    }
    char why[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, why);
    refuse(r, why);
}

static void on_message(j_common_ptr jpeg, int level) {
    if (level >= 0) return; /* a trace, not a warning */
    switch (jpeg->err->msg_code) {
    case JWRN_ADOBE_XFORM:     /* an unknown transform is read as YCbCr, as everywhere */
    case JWRN_EXTRANEOUS_DATA: /* some cameras pad between segments; no pixel is lost */
    case JWRN_JFIF_MAJOR: /* an unknown version of a header that is not used */ return;
    default: on_error(jpeg);
    }
}

static void on_progress(j_common_ptr jpeg) {
    struct jpeg_reader *r = jpeg->client_data;
    if (r->jpeg.input_scan_number > MAX_SCANS) refuse(r, "it has too many scans");
}

static void no_output(j_common_ptr jpeg) {
    (void)jpeg;
}

/* Runs a step that may leave by longjmp; says how it went.  No local variable of ours is alive
 * across the jump. */
static enum status guarded(struct jpeg_reader *r, void (*step)(struct jpeg_reader *r)) {
    if (setjmp(r->escape) == 0) step(r);
    return r->status;
}

static void read_header(struct jpeg_reader *r) {
    jpeg_create_decompress(&r->jpeg);
    r->jpeg.progress = &r->progress;
    jpeg_mem_src(&r->jpeg, r->bytes, (unsigned long)r->size);
    jpeg_read_header(&r->jpeg, TRUE);
}

static enum status jpeg_open(struct jpeg_reader *r, const uint8_t *bytes, size_t size,
                             struct error *err) {
    *r = (struct jpeg_reader){.bytes = bytes, .size = size, .err = err};
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->jpeg.client_data = r;
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->errors.output_message = no_output;
    r->progress.progress_monitor = on_progress;
    return guarded(r, read_header);
}

static void jpeg_close(struct jpeg_reader *r) {
    jpeg_destroy_decompress(&r->jpeg); /* fine at any stage, and never fails */
}

/* a * b / 255, rounded, as Pillow computes it. */
static uint8_t scaled(int a, int b) {
    int product = a * b + 128;
    return (uint8_t)((product + (product >> 8)) >> 8);
}

/* Four-colour JPEGs are taken for Adobe's, which store every ink inverted: 255 is none.  With k the
 * stored black, Pillow's formula is k - (255 - stored) * k / 255. */
static void rgb_from_inverted_cmyk(uint8_t *rgb, const uint8_t *cmyk, int pixels) {
    for (int i = 0; i < pixels; i++, rgb += 3, cmyk += 4)
        for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(cmyk[3] - scaled(255 - cmyk[c], cmyk[3]));
}

static void read_pixels(struct jpeg_reader *r) {
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    bool four = jpeg->num_components == 4;
    if (jpeg->num_components != 1 && jpeg->num_components != 3 && !four)
        refuse(r, "it has neither one, three nor four colour channels");
    if (jpeg->arith_code) refuse(r, "arithmetic coding is not supported");
    if (r->size < (size_t)jpeg->image_width * jpeg->image_height / MAX_PIXELS_PER_BYTE)
        refuse(r, "it has too few bytes for its size");

    jpeg->out_color_space = four ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(jpeg);
    uint8_t *inks = NULL; /* belongs to libjpeg's pool */
    if (four)
        inks = jpeg->mem->alloc_large((j_common_ptr)jpeg, JPOOL_IMAGE, (size_t)r->out->width * 4);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *rgb = r->out->rgb + (size_t)jpeg->output_scanline * (size_t)r->out->width * 3;
        JSAMPROW row = four ? inks : rgb;
        jpeg_read_scanlines(jpeg, &row, 1);
        if (four) rgb_from_inverted_cmyk(rgb, inks, r->out->width);
    }
    jpeg_finish_decompress(jpeg); /* reads up to the end marker */
}

/* Looks for EXIF itself, up to the first scan: libjpeg would keep every segment of that kind in a
 * list, whose end it seeks anew for each, which takes hours for a file that is full of empty ones.
 */
static int stored_orientation(const uint8_t *bytes, size_t size) {
    enum { APP1 = 0xe1, SOS = 0xda, EOI = 0xd9 };
    for (size_t at = 2; size - at > 4;) {
        if (bytes[at] != 0xff || bytes[at + 1] == 0xff) { /* padding */
            at++;
            continue;
        }
        int marker = bytes[at + 1];
        at += 2;
        if (marker == SOS || marker == EOI) break;
        if (marker <= 1 || (marker & 0xf8) == 0xd0) continue; /* these have no length */
        size_t length = (size_t)bytes[at] << 8 | bytes[at + 1];
        if (length < 2 || length >= size - at) break;
        if (marker == APP1 && length >= 8 && memcmp(bytes + at + 2, "Exif\0\0", 6) == 0)
            return exif_orientation(bytes + at + 2, length - 2);
        at += length;
    }
    return 1;
}

enum status jpeg_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                       struct error *err) {
    struct jpeg_reader reader;
    enum status s = jpeg_open(&reader, bytes, size, err);
    *width = (int)reader.jpeg.image_width;
    *height = (int)reader.jpeg.image_height;
    jpeg_close(&reader);
    return s;
}

enum status jpeg_decode(struct picture *out, int *orientation, const uint8_t *bytes, size_t size,
                        struct error *err) {
    struct jpeg_reader reader;
    enum status s = jpeg_open(&reader, bytes, size, err);
    if (s == STATUS_OK) {
        reader.out = out;
        *orientation = stored_orientation(bytes, size);
        s = guarded(&reader, read_pixels);
    }
    jpeg_close(&reader);
    return s;
}
