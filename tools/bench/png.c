/*
 * bench_png - what writing a PNG file costs, in time and in bytes.
 *
 *     bench_png FILE...
 *
 * Each picture is resized to 1024x1024 and encoded by picture_encode, and, for comparison, by
 * libspng at zlib's level 6 with the filter chosen row by row, which is what most programs do.
 * Prints the minimum of several runs' CPU times: all is one thread's work.
 */
#include <spng.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "image/decode.h"
#include "image/encode.h"
#include "image/picture.h"
#include "image/resize.h"

enum { SIDE = 1024, MAX_FILE = 1 << 28, MAX_PIXELS = 1 << 27, RUNS = 5 };

static double milliseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int append(spng_ctx *ctx, void *user, void *bytes, size_t n) {
    (void)ctx;
    return buffer_append(user, bytes, n, NULL) == STATUS_OK ? 0 : SPNG_IO_ERROR;
}

static enum status ours(struct buffer *out, const struct picture *p) {
    return picture_encode(out, p, PICTURE_PNG, NULL);
}

static enum status usual(struct buffer *out, const struct picture *p) {
    struct spng_ihdr ihdr = {.width = (uint32_t)p->width,
                             .height = (uint32_t)p->height,
                             .bit_depth = 8,
                             .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    int why = ctx ? spng_set_png_stream(ctx, append, out) : SPNG_EMEM;
    if (why == 0) why = spng_set_ihdr(ctx, &ihdr);
    if (why == 0) why = spng_set_option(ctx, SPNG_IMG_COMPRESSION_LEVEL, 6);
    if (why == 0) why = spng_set_option(ctx, SPNG_FILTER_CHOICE, SPNG_FILTER_CHOICE_ALL);
    if (why == 0)
        why = spng_encode_image(ctx, p->rgb, (size_t)p->width * (size_t)p->height * 3, SPNG_FMT_PNG,
                                SPNG_ENCODE_FINALIZE);
    spng_ctx_free(ctx);
    return why == 0 ? STATUS_OK : STATUS_INTERNAL;
}

struct cost {
    double milliseconds;
    size_t bytes;
};

static struct cost measure(enum status (*encode)(struct buffer *, const struct picture *),
                           const struct picture *p) {
    struct cost best = {0};
    for (int i = 0; i < RUNS; i++) {
        struct buffer file = {0};
        double start = milliseconds();
        if (encode(&file, p) != STATUS_OK) {
            fprintf(stderr, "bench_png: cannot encode\n");
            exit(1);
        }
        double took = milliseconds() - start;
        if (i == 0 || took < best.milliseconds) best.milliseconds = took;
        best.bytes = file.size;
        buffer_free(&file);
    }
    return best;
}

static void bench(const char *path) {
    struct error err;
    struct buffer file = {0};
    struct picture stored = {0}, p = {0};
    enum status s = buffer_read_file(&file, path, MAX_FILE, &err);
    if (s == STATUS_OK) s = picture_decode(&stored, file.data, file.size, MAX_PIXELS, &err);
    if (s == STATUS_OK) s = picture_resize(&p, &stored, SIDE, SIDE, RESAMPLE_LANCZOS, &err);
    if (s != STATUS_OK) {
        fprintf(stderr, "bench_png: %s: %s\n", path, err.text);
        exit(1);
    }
    struct cost a = measure(ours, &p), b = measure(usual, &p);
    printf("%-40s %8.1f %10zu %8.1f %10zu %7.2f %7.2f\n", path, a.milliseconds, a.bytes,
           b.milliseconds, b.bytes, a.milliseconds / b.milliseconds,
           (double)a.bytes / (double)b.bytes);
    picture_free(&p);
    picture_free(&stored);
    buffer_free(&file);
}

int main(int argc, char **argv) {
    printf("%-40s %8s %10s %8s %10s %7s %7s\n", "# at 1024x1024", "ours, ms", "bytes", "usual, ms",
           "bytes", "time", "bytes");
    for (int i = 1; i < argc; i++) bench(argv[i]);
    return 0;
}
