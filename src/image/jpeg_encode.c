/*
 * JPEG through libjpeg, with a destination of our own that appends to the buffer: libjpeg's own
 * memory destination loses its memory when an error is reported.  On setjmp see jpeg.c.
 */
#include <stdio.h> /* jpeglib.h needs it */

#include <jpeglib.h>

#include <jerror.h>
#include <setjmp.h>

#include "image/codec.h"

enum { QUALITY = 95 };

struct jpeg_writer {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr destination;
    jmp_buf escape;
    struct buffer *out;
    const struct picture *picture;
    int quality;
    enum status status;
    struct error *err;
    uint8_t chunk[16384];
};

static void on_error(j_common_ptr jpeg) {
    struct jpeg_writer *w = jpeg->client_data;
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY) {
        w->status = fail(w->err, STATUS_NO_MEMORY, "no memory to encode a JPEG picture");
    } else {
        char why[JMSG_LENGTH_MAX];
        jpeg->err->format_message(jpeg, why);
        w->status = fail(w->err, STATUS_INTERNAL, "cannot encode a JPEG picture: %s", why);
    }
    longjmp(w->escape, 1);
}

static void no_output(j_common_ptr jpeg) {
    (void)jpeg;
}

static void start_chunk(j_compress_ptr jpeg) {
    struct jpeg_writer *w = jpeg->client_data;
    w->destination.next_output_byte = w->chunk;
    w->destination.free_in_buffer = sizeof w->chunk;
}

static void append(struct jpeg_writer *w, size_t n) {
    w->status = buffer_append(w->out, w->chunk, n, w->err);
    if (w->status != STATUS_OK) longjmp(w->escape, 1);
}

static boolean chunk_is_full(j_compress_ptr jpeg) {
    struct jpeg_writer *w = jpeg->client_data;
    append(w, sizeof w->chunk); /* all of it: free_in_buffer is not kept up to date here */
    start_chunk(jpeg);
    return TRUE;
}

static void end_chunk(j_compress_ptr jpeg) {
    struct jpeg_writer *w = jpeg->client_data;
    append(w, sizeof w->chunk - w->destination.free_in_buffer);
}

static void write_file(struct jpeg_writer *w) {
    struct jpeg_compress_struct *jpeg = &w->jpeg;
    jpeg_create_compress(jpeg);
    w->destination = (struct jpeg_destination_mgr){.init_destination = start_chunk,
                                                   .empty_output_buffer = chunk_is_full,
                                                   .term_destination = end_chunk};
    jpeg->dest = &w->destination;
    jpeg->image_width = (JDIMENSION)w->picture->width;
    jpeg->image_height = (JDIMENSION)w->picture->height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, w->quality, TRUE);
    jpeg->comp_info[0].h_samp_factor = jpeg->comp_info[0].v_samp_factor = 1; /* 4:4:4 */
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = w->picture->rgb + (size_t)jpeg->next_scanline * jpeg->image_width * 3;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

/* Apart from jpeg_encode, so that none of its variables are alive across the jump. */
static enum status guarded(struct jpeg_writer *w) {
    if (setjmp(w->escape) == 0) write_file(w);
    return w->status;
}

enum status jpeg_encode(struct buffer *out, const struct picture *p,
                        const struct encode_options *options, struct error *err) {
    struct jpeg_writer w = {.out = out,
                            .picture = p,
                            .quality = options->quality ? options->quality : QUALITY,
                            .err = err};
    w.jpeg.err = jpeg_std_error(&w.errors);
    w.jpeg.client_data = &w;
    w.errors.error_exit = on_error;
    w.errors.output_message = no_output;
    enum status s = guarded(&w);
    jpeg_destroy_compress(&w.jpeg);
    return s;
}
