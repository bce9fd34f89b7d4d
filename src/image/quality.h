/*
 * quality.h - how near one picture is to another: PSNR and SSIM; how much of it another one is.
 */
#ifndef IMAGE_QUALITY_H
#define IMAGE_QUALITY_H

#include "firered/picture.h"
#include "firered/status.h"

/* Peak signal-to-noise ratio in dB over all bytes of all three channels:
 * 10 log10(255^2 / mean squared difference).  Equal pictures: INFINITY.  Pictures of different
 * sizes: -INFINITY. */
double picture_psnr(const struct picture *a, const struct picture *b);

/* The share of pixels that differ visibly, 0 to 1: by more than PICTURE_VISIBLE in red, green or blue.
 * Less is what a VAE changes of a picture that it only encodes and decodes (12 takes 5 % of an
 * untouched photograph for an edit).  Pictures of different sizes: 1. */
enum { PICTURE_VISIBLE = 24 };
double picture_change(const struct picture *a, const struct picture *b);

enum { SSIM_WINDOW = 11 };

/* Sets *out to the structural similarity of the pictures' luma (BT.601), at most 1: the mean over
 * every place where the whole window fits.  Window 11x11, Gaussian, sigma 1.5; K1 0.01, K2 0.03.
 * STATUS_INVALID: different sizes, or a side under SSIM_WINDOW.  STATUS_NO_MEMORY.
 *
 * Source: Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error Visibility to
 * Structural Similarity" (2004), and their ssim_index.m. */
enum status picture_ssim(double *out, const struct picture *a, const struct picture *b,
                         struct error *err);

#endif
