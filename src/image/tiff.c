/*
 * TIFF through libtiff, out of the caller's bytes.
 *
 * Of several pages the largest counts, and of equals the first: a scanner's or camera's first page
 * may be a thumbnail.  libtiff's own conversion to RGBA reads all that it can read, a strip or a row of
 * tiles at a time; only CMYK is read as it is stored, since a profile for it wants the inks.  Which way
 * up is left to us, as for all formats.
 *
 * libtiff may ask for a buffer as large as a strip says that it is; what one may take is bounded by
 * the pixels that are allowed at all.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

#include "image/codec.h"

enum { MAX_PAGES = 64, MAX_BUFFER = 1 << 30 };

struct tiff_bytes {
    const uint8_t *bytes;
    uint64_t size, at;
};

struct tiff_file {
    TIFF *tiff;
    struct tiff_bytes source;
    uint32_t width, height; /* of the page that counts, which is the current one */
    struct error why;       /* libtiff's first sentence */
};

static tmsize_t read_bytes(thandle_t user, void *to, tmsize_t count) {
    struct tiff_bytes *s = user;
    uint64_t left = s->at < s->size ? s->size - s->at : 0;
    uint64_t n = (uint64_t)count < left ? (uint64_t)count : left;
    if (n) memcpy(to, s->bytes + s->at, n);
    s->at += n;
    return (tmsize_t)n;
}

static tmsize_t write_nothing(thandle_t user, void *from, tmsize_t count) {
    (void)user;
    (void)from;
    (void)count;
    return 0;
}

static toff_t seek_bytes(thandle_t user, toff_t to, int whence) {
    struct tiff_bytes *s = user;
    s->at = whence == SEEK_SET ? to : whence == SEEK_CUR ? s->at + to : s->size + to;
    return s->at;
}

static int close_nothing(thandle_t user) {
    (void)user;
    return 0;
}

static toff_t size_of_bytes(thandle_t user) {
    return ((struct tiff_bytes *)user)->size;
}

static int on_error(TIFF *tiff, void *user, const char *module, const char *format,
                    va_list values) {
    (void)tiff;
    (void)module;
    struct tiff_file *f = user;
    if (*f->why.text) return 1;
    char text[sizeof f->why.text];
    vsnprintf(text, sizeof text, format, values);
    fail(&f->why, STATUS_INVALID, "%.200s", text);
    return 1;
}

static int on_warning(TIFF *tiff, void *user, const char *module, const char *format,
                      va_list values) {
    (void)tiff;
    (void)user;
    (void)module;
    (void)format;
    (void)values;
    return 1;
}

static enum status tiff_fail(const struct tiff_file *f, struct error *err) {
    return fail(err, STATUS_INVALID, "the TIFF picture is truncated or corrupt%s%.200s",
                *f->why.text ? ": " : "", f->why.text);
}

/* Makes the largest page the current one. */
static enum status choose_page(struct tiff_file *f, struct error *err) {
    uint64_t largest = 0;
    tdir_t best = 0, page = 0;
    do {
        uint32_t width = 0, height = 0;
        TIFFGetField(f->tiff, TIFFTAG_IMAGEWIDTH, &width);
        TIFFGetField(f->tiff, TIFFTAG_IMAGELENGTH, &height);
        if ((uint64_t)width * height <= largest) continue;
        largest = (uint64_t)width * height;
        best = page;
        f->width = width;
        f->height = height;
    } while (++page < MAX_PAGES && TIFFReadDirectory(f->tiff));
    if (page > 1 && !TIFFSetDirectory(f->tiff, best)) return tiff_fail(f, err);
    if (f->width > INT_MAX || f->height > INT_MAX) return tiff_fail(f, err);
    return STATUS_OK;
}

static enum status tiff_open(struct tiff_file *f, const uint8_t *bytes, size_t size,
                             struct error *err) {
    const void *version;
    uint16_t count;
    *f = (struct tiff_file){.source = {bytes, size, 0}};
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return fail(err, STATUS_NO_MEMORY, "no memory to decode the TIFF picture");
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, MAX_BUFFER);
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, f);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, f);
    /* m: not mapped; what is read are bytes in memory anyway */
    f->tiff = TIFFClientOpenExt("picture", "rm", &f->source, read_bytes, write_nothing, seek_bytes,
                                close_nothing, size_of_bytes, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    if (!f->tiff) return tiff_fail(f, err);
    if (TIFFGetField(f->tiff, TIFFTAG_DNGVERSION, &count, &version))
        return fail(err, STATUS_UNSUPPORTED,
                    "this is a raw photograph (DNG); develop it, and send a PNG or JPEG picture");
    return choose_page(f, err);
}

static void tiff_close(struct tiff_file *f) {
    if (f->tiff) TIFFClose(f->tiff);
}

enum status tiff_probe(const uint8_t *bytes, size_t size, int *width, int *height,
                       struct error *err) {
    struct tiff_file f;
    enum status s = tiff_open(&f, bytes, size, err);
    *width = s == STATUS_OK ? (int)f.width : 0;
    *height = s == STATUS_OK ? (int)f.height : 0;
    tiff_close(&f);
    return s;
}

static uint16_t field(const struct tiff_file *f, uint32_t tag) {
    uint16_t value = 0;
    TIFFGetFieldDefaulted(f->tiff, tag, &value);
    return value;
}

/* CMYK as it is stored, where it lies simply: whole strips of 8 bits. */
static bool has_plain_inks(const struct tiff_file *f) {
    return field(f, TIFFTAG_PHOTOMETRIC) == PHOTOMETRIC_SEPARATED &&
           field(f, TIFFTAG_SAMPLESPERPIXEL) == 4 && field(f, TIFFTAG_BITSPERSAMPLE) == 8 &&
           field(f, TIFFTAG_PLANARCONFIG) == PLANARCONFIG_CONTIG && !TIFFIsTiled(f->tiff);
}

static enum status read_inks(struct decoding *d, struct tiff_file *f, struct error *err) {
    enum status s =
        decoding_begin(d, (struct colour_layout){.kind = COLOUR_CMYK, .stride = 4}, err);
    if (s != STATUS_OK) return s;
    if (TIFFScanlineSize64(f->tiff) != (uint64_t)f->width * 4) return tiff_fail(f, err);
    uint8_t *line = malloc((size_t)f->width * 4);
    if (!line) return fail(err, STATUS_NO_MEMORY, "no memory to decode the TIFF picture");
    for (uint32_t y = 0; y < f->height && s == STATUS_OK; y++) {
        if (TIFFReadScanline(f->tiff, line, y, 0) != 1)
            s = tiff_fail(f, err);
        else
            s = decoding_row(d, (int)y, 0, line, (int)f->width, err);
    }
    free(line);
    return s;
}

/* How many rows are read at once: those that are stored together. */
static uint32_t rows_at_once(const struct tiff_file *f) {
    uint32_t rows = 0;
    if (TIFFIsTiled(f->tiff))
        TIFFGetField(f->tiff, TIFFTAG_TILELENGTH, &rows);
    else
        TIFFGetFieldDefaulted(f->tiff, TIFFTAG_ROWSPERSTRIP, &rows);
    return rows == 0 || rows > f->height ? f->height : rows;
}

static enum status put_rows(struct decoding *d, const struct tiff_file *f, uint32_t *raster,
                            uint32_t y, uint32_t rows, struct error *err) {
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < rows && s == STATUS_OK; i++) {
        uint32_t *row = raster + (size_t)i * f->width;
        for (uint32_t x = 0; x < f->width; x++) {
            uint32_t pixel = row[x];
            uint8_t bytes[4] = {(uint8_t)TIFFGetR(pixel), (uint8_t)TIFFGetG(pixel),
                                (uint8_t)TIFFGetB(pixel), (uint8_t)TIFFGetA(pixel)};
            memcpy(&row[x], bytes, sizeof bytes);
        }
        s = decoding_row(d, (int)(y + i), 0, (uint8_t *)row, (int)f->width, err);
    }
    return s;
}

static enum status read_rgba(struct decoding *d, struct tiff_file *f, TIFFRGBAImage *image,
                             struct error *err) {
    uint16_t photometric = image->photometric;
    bool gray = photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE;
    const struct colour_layout layout = {.kind = gray ? COLOUR_GRAY : COLOUR_RGB,
                                         .stride = 4,
                                         .alpha = image->alpha != 0,
                                         .premultiplied = true};
    enum status s = decoding_begin(d, layout, err);
    if (s != STATUS_OK) return s;
    uint32_t step = rows_at_once(f);
    size_t pixels = (size_t)f->width * step;
    uint32_t *raster = pixels ? malloc(pixels * sizeof *raster) : NULL;
    if (!raster) return fail(err, STATUS_NO_MEMORY, "no memory to decode the TIFF picture");
    image->req_orientation = image->orientation = ORIENTATION_TOPLEFT; /* as stored */
    for (uint32_t y = 0; y < f->height && s == STATUS_OK; y += step) {
        uint32_t rows = f->height - y < step ? f->height - y : step;
        image->row_offset = (int)y;
        if (TIFFRGBAImageGet(image, raster, f->width, rows) != 1 || *f->why.text)
            s = tiff_fail(f, err);
        else
            s = put_rows(d, f, raster, y, rows, err);
    }
    free(raster);
    return s;
}

static int stored_orientation(const struct tiff_file *f) {
    int orientation = field(f, TIFFTAG_ORIENTATION);
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

static enum status decode_opened(struct decoding *d, struct tiff_file *f, struct error *err) {
    uint32_t icc_size = 0;
    void *icc = NULL;
    char why[1024] = "";
    TIFFRGBAImage image;
    d->orientation = stored_orientation(f);
    if (TIFFGetField(f->tiff, TIFFTAG_ICCPROFILE, &icc_size, &icc) && icc_size > 0) {
        d->colours.icc = icc;
        d->colours.icc_size = icc_size;
    }
    if (has_plain_inks(f)) return read_inks(d, f, err);
    d->colours.icc = field(f, TIFFTAG_PHOTOMETRIC) == PHOTOMETRIC_SEPARATED ? NULL : icc;
    if (!TIFFRGBAImageOK(f->tiff, why) || !TIFFRGBAImageBegin(&image, f->tiff, 1, why))
        return fail(err, STATUS_INVALID, "the TIFF picture is of a kind that is not read: %.200s",
                    why);
    enum status s = read_rgba(d, f, &image, err);
    TIFFRGBAImageEnd(&image);
    return s;
}

enum status tiff_decode(struct decoding *d, const uint8_t *bytes, size_t size, struct error *err) {
    struct tiff_file f;
    enum status s = tiff_open(&f, bytes, size, err);
    f.why = (struct error){0};
    if (s == STATUS_OK) s = decode_opened(d, &f, err);
    tiff_close(&f);
    return s;
}

void tiff_look(struct picture_header *to, const uint8_t *bytes, size_t size) {
    struct tiff_file f;
    if (tiff_open(&f, bytes, size, NULL) == STATUS_OK) to->orientation = stored_orientation(&f);
    tiff_close(&f);
}
