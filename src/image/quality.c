/*
 * The Gaussian window is the product of a column and a row, so each line of SSIM's map is made of
 * eleven lines of luma summed downwards, then across: five sums (a, b, aa, bb, ab) of one line's
 * length are all that is kept.
 */
#include "image/quality.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double picture_psnr(const struct picture *a, const struct picture *b) {
    if (a->width != b->width || a->height != b->height) return -INFINITY;
    size_t n = (size_t)a->width * (size_t)a->height * 3;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)a->rgb[i] - (double)b->rgb[i];
        sum += d * d;
    }
    return sum > 0 ? 10 * log10(255.0 * 255.0 * (double)n / sum) : INFINITY;
}

double picture_change(const struct picture *a, const struct picture *b) {
    if (a->width != b->width || a->height != b->height) return 1;
    size_t pixels = (size_t)a->width * (size_t)a->height, changed = 0;
    const uint8_t *p = a->rgb, *q = b->rgb;
    for (size_t i = 0; i < pixels; i++, p += 3, q += 3)
        changed += abs(p[0] - q[0]) > PICTURE_VISIBLE || abs(p[1] - q[1]) > PICTURE_VISIBLE ||
                   abs(p[2] - q[2]) > PICTURE_VISIBLE;
    return pixels ? (double)changed / (double)pixels : 0;
}

enum { SUMS = 5 };

static void make_window(double window[SSIM_WINDOW]) {
    const double sigma = 1.5;
    const int middle = SSIM_WINDOW / 2;
    double sum = 0;
    for (int i = 0; i < SSIM_WINDOW; i++) {
        double d = i - middle;
        window[i] = exp(-d * d / (2 * sigma * sigma));
        sum += window[i];
    }
    for (int i = 0; i < SSIM_WINDOW; i++) window[i] /= sum;
}

static double luma(const uint8_t *pixel) {
    return 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
}

/* The lines y to y + SSIM_WINDOW - 1, summed downwards: five numbers for each column. */
static void sum_down(double *sums, const struct picture *a, const struct picture *b, int y,
                     const double *window) {
    size_t width = (size_t)a->width;
    memset(sums, 0, width * SUMS * sizeof *sums);
    for (int row = 0; row < SSIM_WINDOW; row++) {
        const uint8_t *pa = a->rgb + (size_t)(y + row) * width * 3;
        const uint8_t *pb = b->rgb + (size_t)(y + row) * width * 3;
        for (size_t x = 0; x < width; x++) {
            double va = luma(pa + x * 3), vb = luma(pb + x * 3), w = window[row];
            double *s = sums + x * SUMS;
            s[0] += w * va;
            s[1] += w * vb;
            s[2] += w * va * va;
            s[3] += w * vb * vb;
            s[4] += w * va * vb;
        }
    }
}

/* SSIM of the window whose first column is sums[0]. */
static double similarity(const double *sums, const double *window) {
    const double c1 = (0.01 * 255) * (0.01 * 255), c2 = (0.03 * 255) * (0.03 * 255);
    double m[SUMS] = {0};
    for (int column = 0; column < SSIM_WINDOW; column++)
        for (int i = 0; i < SUMS; i++) m[i] += window[column] * sums[column * SUMS + i];
    double variance_a = m[2] - m[0] * m[0], variance_b = m[3] - m[1] * m[1];
    double covariance = m[4] - m[0] * m[1];
    return (2 * m[0] * m[1] + c1) * (2 * covariance + c2) /
           ((m[0] * m[0] + m[1] * m[1] + c1) * (variance_a + variance_b + c2));
}

enum status picture_ssim(double *out, const struct picture *a, const struct picture *b,
                         struct error *err) {
    if (a->width != b->width || a->height != b->height)
        return fail(err, STATUS_INVALID, "pictures of %dx%d and %dx%d pixels cannot be compared",
                    a->width, a->height, b->width, b->height);
    if (a->width < SSIM_WINDOW || a->height < SSIM_WINDOW)
        return fail(err, STATUS_INVALID, "SSIM needs pictures of at least %dx%d pixels",
                    SSIM_WINDOW, SSIM_WINDOW);
    double window[SSIM_WINDOW], sum = 0;
    double *sums = malloc((size_t)a->width * SUMS * sizeof *sums);
    if (!sums) return fail(err, STATUS_NO_MEMORY, "no memory to compare pictures");
    int columns = a->width - SSIM_WINDOW + 1, rows = a->height - SSIM_WINDOW + 1;
    make_window(window);
    for (int y = 0; y < rows; y++) {
        sum_down(sums, a, b, y, window);
        for (int x = 0; x < columns; x++) sum += similarity(sums + (size_t)x * SUMS, window);
    }
    free(sums);
    *out = sum / ((double)columns * rows);
    return STATUS_OK;
}
