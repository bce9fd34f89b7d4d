/*
 * card.h - the first card that the driver shows, for tests of kernels alone: the program's own
 * kernels, and matrices that lie both here and there.
 *
 * The driver is the one that LD_LIBRARY_PATH leads to, a card's or the simulated one.  Whatever goes
 * wrong fails the running test.  Everything that a kernel must not read is NaN (all bytes 0xff):
 * what lies between a row's end and the next row, and what was not written yet.  What it must not
 * write is compared afterwards.
 *
 *     CUDA_TEST_PTX=FILE   takes the kernels from there (text), not from the program
 *     SIM_SEED=N           another run of random numbers
 */
#ifndef CUDA_CARD_H
#define CUDA_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compute/cuda/driver.h"
#include "compute/cuda/kernels/args.h"

/* cmocka's fixtures: for the group, and after each test, which lets go of its matrices. */
int card_open(void **state);
int card_close(void **state);
int card_forget(void **state);

/* Element types: by their bytes.  HALF is bfloat16. */
enum element { BYTE = 1, HALF = 2, FLOAT = 4 };

struct matrix {
    int rows, cols, stride;
    enum element type;
    cu_pointer device;
    char *host;
    size_t bytes;
};

/* Of NaN on both sides, or of normal numbers times `scale`.  A stride counts elements. */
struct matrix *matrix_empty(int rows, int cols, int stride, enum element type);
struct matrix *matrix_random(int rows, int cols, int stride, enum element type, double scale);
/* From bytes; whole numbers of 32 bits are of type FLOAT. */
struct matrix *matrix_of(const void *in, int rows, int cols, enum element type);

double matrix_get(const struct matrix *m, int row, int col);
void matrix_set(struct matrix *m, int row, int col, double x);
void matrix_push(struct matrix *m); /* here to there */

/* The address for a kernel's arguments; NULL for NULL. */
void *there(const struct matrix *m);

struct launch {
    unsigned x, y, threads, shared;
};
void launch(const char *kernel, struct launch how, void *args);
unsigned tiles(int n, int tile);

/* Brings m back.  Its elements must be near `want`, [rows, cols]: the largest difference at most
 * `limit` times the largest number of want; and all else of m is as it was.  `what` says which
 * shapes. */
void matrix_expect(struct matrix *m, const double *want, double limit, const char *what);
/* The same to the bit, where any NaN is as good as another. */
void matrix_expect_floats(struct matrix *m, const float *want, const char *what);

double uniform(void); /* 0..1 */
float bf16_rounded(float x);
double *doubles(int rows, int cols); /* of zeros, until card_forget */

/* A text for `what`, good until the next one. */
__attribute__((format(printf, 1, 2))) const char *shape(const char *format, ...);

#endif
