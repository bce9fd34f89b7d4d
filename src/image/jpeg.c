/*
 * JPEG through libjpeg.
 *
 * libjpeg reports an error by longjmp.  To keep that tame, everything that a decode needs lives in
 * one struct, which only the public function creates and releases; the steps between run under
 * `guarded`, own nothing, and may be left at any point.
 *
 * libjpeg calls damaged data a warning and carries on, and at the end of the file invents the missing
 * pixels.  Damage in the middle is taken as it comes, with a note, as Pillow takes it.  A made-up half
 * of a picture is no input for an edit: data that end before the pixels do are an error here.
 */
#include <stdio.h> /* jpeglib.h needs it */

#include <jpeglib.h>

#include <jerror.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"
#include "image/jpeg_facts.h"

enum {
    /* A progressive file has ten scans, a thoroughly optimised one a few dozen; each costs a walk
       over all pixels. */
    MAX_SCANS = 100,
    /* Every 8x8 block costs at least one bit: no JPEG has more pixels per byte, but for an
       arithmetic-coded one, where a picture of one colour costs next to nothing. */
    MAX_PIXELS_PER_BYTE = 64 * 8,
    MAX_ARITHMETIC_PIXELS_PER_BYTE = 1 << 14,
};

struct jpeg_reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const uint8_t *bytes;
    size_t size;
    struct decoding *decoding;
    bool file_ended; /* libjpeg was out of bytes, and made an end marker up */
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
    struct jpeg_reader *r = jpeg->client_data;
    bool at_end = r->decoding && r->jpeg.unread_marker == JPEG_EOI;
    switch (jpeg->err->msg_code) {
    case JWRN_ADOBE_XFORM:     /* an unknown transform is read as YCbCr, as everywhere */
    case JWRN_EXTRANEOUS_DATA: /* some cameras pad between segments; no pixel is lost */
    case JWRN_JFIF_MAJOR: /* an unknown version of a header that is not used */ return;
    case JWRN_JPEG_EOF: r->file_ended = true; return;
    case JWRN_HIT_MARKER: /* at the end of the file, or before a mark within it */
        if (at_end) refuse(r, "rows are missing");
        break;
    case JWRN_MUST_RESYNC:
    case JWRN_HUFF_BAD_CODE: break;
    default: on_error(jpeg);
    }
    if (!r->decoding) on_error(jpeg);
    decoding_note(r->decoding, "the JPEG picture is damaged; a part of it may look wrong");
}

static void on_progress(j_common_ptr jpeg) {
    struct jpeg_reader *r = jpeg->client_data;
    if (r->jpeg.input_scan_number > MAX_SCANS) refuse(r, "it has too many scans");
    if (!r->decoding) return;
    r->status = decoding_go_on(r->decoding, r->err);
    if (r->status != STATUS_OK) longjmp(r->escape, 1);
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

/* Whether every coefficient of a progressive picture came to its last bit: a file that ends between
 * two scans ends well, but for its end marker. */
static bool has_all_scans(const struct jpeg_decompress_struct *jpeg) {
    for (int c = 0; c < jpeg->num_components; c++)
        for (int k = 0; k < DCTSIZE2; k++)
            if (jpeg->coef_bits[c][k] != 0) return false;
    return true;
}

static void check_end(struct jpeg_reader *r) {
    if (!r->file_ended) return;
    if (r->jpeg.arith_code) refuse(r, "rows are missing"); /* its data do not tell their end */
    if (r->jpeg.progressive_mode && !has_all_scans(&r->jpeg)) refuse(r, "scans are missing");
}

static void begin(struct jpeg_reader *r) {
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    bool four = jpeg->num_components == 4, gray = jpeg->num_components == 1;
    if (!gray && jpeg->num_components != 3 && !four)
        refuse(r, "it has neither one, three nor four colour channels");
    size_t per_byte = jpeg->arith_code ? MAX_ARITHMETIC_PIXELS_PER_BYTE : MAX_PIXELS_PER_BYTE;
    if (r->size < (size_t)jpeg->image_width * jpeg->image_height / per_byte)
        refuse(r, "it has too few bytes for its size");
    jpeg->out_color_space = four ? JCS_CMYK : JCS_RGB;
    /* Four-colour JPEGs are taken for Adobe's, which store every ink inverted: 255 is none. */
    struct colour_layout layout = {.kind = four   ? COLOUR_CMYK
                                           : gray ? COLOUR_GRAY
                                                  : COLOUR_RGB,
                                   .stride = four ? 4 : 3,
                                   .inverted = four};
    r->status = decoding_begin(r->decoding, layout, r->err);
    if (r->status != STATUS_OK) longjmp(r->escape, 1);
}

static void read_pixels(struct jpeg_reader *r) {
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    struct picture *out = r->decoding->out;
    begin(r);
    jpeg_start_decompress(jpeg);
    check_end(r);
    uint8_t *inks = NULL; /* belongs to libjpeg's pool */
    if (r->decoding->layout.stride == 4)
        inks = jpeg->mem->alloc_large((j_common_ptr)jpeg, JPOOL_IMAGE, (size_t)out->width * 4);
    while (jpeg->output_scanline < jpeg->output_height) {
        int y = (int)jpeg->output_scanline;
        JSAMPROW row = inks ? inks : out->rgb + (size_t)y * (size_t)out->width * 3;
        jpeg_read_scanlines(jpeg, &row, 1);
        r->status = decoding_row(r->decoding, y, 0, row, out->width, r->err);
        if (r->status != STATUS_OK) longjmp(r->escape, 1);
    }
    check_end(r);
    jpeg_finish_decompress(jpeg); /* reads up to the end marker */
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

enum status jpeg_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err) {
    struct jpeg_reader reader;
    uint8_t *profile = NULL;
    enum status s = jpeg_open(&reader, bytes, size, err);
    if (s == STATUS_OK) s = jpeg_facts_read(d, &profile, bytes, size, err);
    if (s == STATUS_OK) {
        reader.decoding = d;
        s = guarded(&reader, read_pixels);
    }
    jpeg_close(&reader);
    free(profile);
    return s;
}

/* Of a picture in several scans libjpeg keeps all coefficients, two bytes each. */
void jpeg_look(struct picture_header *to, const uint8_t *bytes, size_t size) {
    struct jpeg_reader reader;
    if (jpeg_open(&reader, bytes, size, NULL) == STATUS_OK) {
        int channels = reader.jpeg.num_components;
        to->decode_bytes = jpeg_has_multiple_scans(&reader.jpeg) ? 3 + 2 * channels : 3;
    }
    jpeg_close(&reader);
    to->orientation = jpeg_orientation(bytes, size);
}
