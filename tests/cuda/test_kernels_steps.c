/*
 * What stands between the networks, to the bit: the same sums in the same order, written out here.
 */
#include "support/unit_test.h"

#include "cuda/card.h"

#include <math.h>
#include <string.h>

enum { ROWS = 11, COLS = 300 }; /* blocks of 256 columns; two blocks of rows walk on */

static float *floats(const struct matrix *m, float *to) {
    for (int i = 0; i < m->rows * m->cols; i++)
        to[i] = (float)matrix_get(m, i / m->cols, i % m->cols);
    return to;
}

static void run(const char *kernel, struct step_args *a) {
    launch(kernel, (struct launch){.x = tiles(a->cols, 256), .y = 2}, a);
}

static double length(const float *x) {
    double s = 0;
    for (int i = 0; i < COLS; i++) s += (double)x[i] * x[i];
    return sqrt(s);
}

static void test_guide(void **state) {
    (void)state;
    static float v[ROWS * COLS], n[ROWS * COLS];
    struct matrix *velocity = matrix_random(ROWS, COLS, COLS + 3, FLOAT, 1);
    struct matrix *negative = matrix_random(ROWS, COLS, COLS + 1, FLOAT, 1);
    for (int c = 0; c < COLS; c++) { /* a row whose length is nothing */
        matrix_set(velocity, 4, c, 0);
        matrix_set(negative, 4, c, 0);
    }
    matrix_push(velocity);
    matrix_push(negative);
    floats(velocity, v);
    floats(negative, n);
    double *want = doubles(ROWS, COLS);
    for (int r = 0; r < ROWS; r++) {
        float *row = v + r * COLS;
        double before = length(row);
        for (int i = 0; i < COLS; i++) row[i] = n[r * COLS + i] + 4.5f * (row[i] - n[r * COLS + i]);
        double after = length(row);
        for (int i = 0; i < COLS; i++)
            want[r * COLS + i] = after == 0 ? 0 : row[i] * (float)(before / after);
    }
    struct step_args a = {.in = there(negative),
                          .out = there(velocity),
                          .in_stride = negative->stride,
                          .out_stride = velocity->stride,
                          .rows = ROWS,
                          .cols = COLS,
                          .factor = 4.5f};
    launch("guide", (struct launch){.x = tiles(ROWS, 8)}, &a);
    /* Lengths are sums of double precision in another order: their quotient may round otherwise. */
    matrix_expect(velocity, want, 1e-7, "guide");
}

static void test_euler_step(void **state) {
    (void)state;
    static float x[ROWS * COLS], v[ROWS * COLS];
    struct matrix *latents = matrix_random(ROWS, COLS, COLS + 3, FLOAT, 1);
    struct matrix *velocity = matrix_random(ROWS, COLS, COLS + 1, FLOAT, 1);
    floats(latents, x);
    floats(velocity, v);
    for (int i = 0; i < ROWS * COLS; i++) x[i] += -0.137f * v[i];
    struct step_args a = {.in = there(velocity),
                          .out = there(latents),
                          .in_stride = velocity->stride,
                          .out_stride = latents->stride,
                          .rows = ROWS,
                          .cols = COLS,
                          .factor = -0.137f};
    run("euler_step", &a);
    matrix_expect_floats(latents, x, "euler_step");
}

static void check_finite(int row, int col, float x, float want) {
    float one = 1;
    struct matrix *in = matrix_random(ROWS, COLS, COLS + 1, FLOAT, 1),
                  *flag = matrix_of(&one, 1, 1, FLOAT);
    matrix_set(in, row, col, x);
    matrix_push(in);
    struct step_args a = {
        .in = there(in), .out = there(flag), .in_stride = in->stride, .rows = ROWS, .cols = COLS};
    run("all_finite", &a);
    matrix_expect_floats(flag, &want, shape("all_finite of %g at %d, %d", (double)x, row, col));
    card_forget(NULL);
}

static void test_all_finite(void **state) {
    (void)state;
    check_finite(0, 0, 3.4e38f, 1);
    check_finite(0, 0, NAN, 0);
    check_finite(ROWS - 1, COLS - 1, INFINITY, 0);
    check_finite(3, 256, -INFINITY, 0);
}

static void test_normalise_and_back(void **state) {
    (void)state;
    static float x[ROWS * COLS], mean[COLS], std[COLS], want[ROWS * COLS];
    struct matrix *in = matrix_random(ROWS, COLS, COLS + 1, FLOAT, 1);
    struct matrix *shift = matrix_random(1, COLS, COLS, FLOAT, 1);
    struct matrix *scale = matrix_random(1, COLS, COLS, FLOAT, 1);
    struct matrix *out = matrix_empty(ROWS, COLS, COLS + 2, FLOAT);
    floats(in, x);
    floats(shift, mean);
    floats(scale, std);
    struct step_args a = {.in = there(in),
                          .out = there(out),
                          .shift = there(shift),
                          .scale = there(scale),
                          .in_stride = in->stride,
                          .out_stride = out->stride,
                          .rows = ROWS,
                          .cols = COLS};
    for (int i = 0; i < ROWS * COLS; i++) want[i] = (x[i] - mean[i % COLS]) / std[i % COLS];
    run("normalise", &a);
    matrix_expect_floats(out, want, "normalise");
    for (int i = 0; i < ROWS * COLS; i++) want[i] = x[i] * std[i % COLS] + mean[i % COLS];
    run("denormalise", &a);
    matrix_expect_floats(out, want, "denormalise");
}

/* A map of 6 x 10 pixels and 5 channels; a token is a square of 2 x 2. */
enum { HEIGHT = 6, WIDTH = 10, CHANNELS = 5, TOKENS = HEIGHT / 2 * (WIDTH / 2) };

static void test_pack_and_unpack(void **state) {
    (void)state;
    static float want[TOKENS * CHANNELS * 4], pixels[HEIGHT * WIDTH * CHANNELS];
    struct matrix *map = matrix_random(HEIGHT * WIDTH, CHANNELS, CHANNELS + 3, FLOAT, 1);
    struct matrix *tokens = matrix_empty(TOKENS, CHANNELS * 4, CHANNELS * 4 + 4, FLOAT);
    struct matrix *back = matrix_empty(HEIGHT * WIDTH, CHANNELS, CHANNELS + 1, FLOAT);
    floats(map, pixels);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            for (int c = 0; c < CHANNELS; c++)
                want[(y / 2 * (WIDTH / 2) + x / 2) * CHANNELS * 4 + c * 4 + y % 2 * 2 + x % 2] =
                    pixels[(y * WIDTH + x) * CHANNELS + c];
    struct step_args a = {.in = there(map),
                          .out = there(tokens),
                          .in_stride = map->stride,
                          .out_stride = tokens->stride,
                          .rows = HEIGHT * WIDTH,
                          .cols = CHANNELS,
                          .width = WIDTH};
    run("pack", &a);
    matrix_expect_floats(tokens, want, "pack");
    a.in = there(tokens);
    a.in_stride = tokens->stride;
    a.out = there(back);
    a.out_stride = back->stride;
    run("unpack", &a);
    matrix_expect_floats(back, pixels, "unpack");
}

/* Around and beyond -1..1, halves between bytes, and what is no number. */
static struct matrix *edges(float *to) {
    static const float special[] = {-1,       1,      -1.0000001f, 1.0000001f, NAN,
                                    INFINITY, -1e30f, 0.0f,        -0.0f,      1.0f / 255};
    struct matrix *m = matrix_random(ROWS, COLS, COLS + 1, FLOAT, 0.7);
    for (int i = 0; i < 10; i++) matrix_set(m, i, 299, special[i]);
    for (int i = 0; i < 256; i++) matrix_set(m, 3, i, (i - 127.5) / 127.5 + 1 / 255.0);
    matrix_push(m);
    floats(m, to);
    return m;
}

static void test_clamp(void **state) {
    (void)state;
    static float x[ROWS * COLS];
    struct matrix *in = edges(x);
    for (int i = 0; i < ROWS * COLS; i++) x[i] = x[i] < -1 ? -1 : x[i] > 1 ? 1 : x[i];
    struct step_args a = {.in = there(in),
                          .out = there(in),
                          .in_stride = in->stride,
                          .out_stride = in->stride,
                          .rows = ROWS,
                          .cols = COLS};
    run("clamp", &a);
    matrix_expect_floats(in, x, "clamp");
}

static void test_to_bytes(void **state) {
    (void)state;
    static float x[ROWS * COLS];
    struct matrix *in = edges(x), *out = matrix_empty(1, ROWS * COLS, ROWS * COLS + 1, BYTE);
    double *want = doubles(1, ROWS * COLS);
    for (int i = 0; i < ROWS * COLS; i++) {
        float y = x[i] / 2.0f + 0.5f;
        y = y > 1 ? 1 : y > 0 ? y : 0;
        want[i] = (int8_t)(uint8_t)rintf(y * 255.0f);
    }
    struct step_args a = {
        .in = there(in), .out = there(out), .in_stride = in->stride, .rows = ROWS, .cols = COLS};
    run("to_bytes", &a);
    matrix_expect(out, want, 0, "to_bytes");
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_guide, card_forget),
        cmocka_unit_test_teardown(test_euler_step, card_forget),
        cmocka_unit_test_teardown(test_all_finite, card_forget),
        cmocka_unit_test_teardown(test_normalise_and_back, card_forget),
        cmocka_unit_test_teardown(test_pack_and_unpack, card_forget),
        cmocka_unit_test_teardown(test_clamp, card_forget),
        cmocka_unit_test_teardown(test_to_bytes, card_forget),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, card_open, card_close);
}
