/*
 * What stands between the networks: the bytes of the reference's loops, which are written here once
 * more, at any number of threads and wherever the rows lie.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compute/plain.h"
#include "support/device.h"

enum { HEIGHT = 34, WIDTH = 22, CHANNELS = 5, ROWS = HEIGHT * WIDTH, N = ROWS * CHANNELS };

struct steps_case {
    float a[N], b[N]; /* what goes in */
    float factors[2][CHANNELS];
    float out[N];
    float flag;
    enum { GUIDE, EULER, FINITE, NORMALISE, DENORMALISE, PACK, UNPACK, CLAMP, BYTES } what;
};

/* One of rows that are not side by side. */
static struct tensor apart(struct workspace *w, const float *x, int64_t rows, int64_t cols) {
    struct tensor t = tensor_cols(tensor_take(w, rows, cols + 3), 1, cols);
    tensor_upload(w, t, x);
    return t;
}

static void work(struct workspace *w, void *arg) {
    struct steps_case *t = arg;
    struct tensor a = apart(w, t->a, ROWS, CHANNELS), b = apart(w, t->b, ROWS, CHANNELS);
    struct tensor mean = tensor_from(w, t->factors[0], 1, CHANNELS),
                  std = tensor_from(w, t->factors[1], 1, CHANNELS);
    struct tensor flag = tensor_from(w, &t->flag, 1, 1), out = a;
    struct feature_map map = {a, HEIGHT, WIDTH};
    switch (t->what) {
    case GUIDE: op_guide(w, a, b, 4.25); break;
    case EULER: op_euler_step(w, a, b, -0.037f); break;
    case FINITE: op_all_finite(w, flag, a); break;
    case NORMALISE: op_normalise(w, a, a, mean, std); break;
    case DENORMALISE: op_denormalise(w, a, a, mean, std); break;
    case PACK:
        out = apart(w, t->b, ROWS / 4, CHANNELS * 4);
        op_pack(w, out, map);
        break;
    case UNPACK: op_unpack(w, map, apart(w, t->b, ROWS / 4, CHANNELS * 4)); break;
    case CLAMP: op_clamp(w, a, a); break;
    case BYTES:
        out = tensor_take(w, 1, N / 4);
        op_to_bytes(w, out, a);
        break;
    }
    tensor_download(w, t->out, out);
    tensor_download(w, &t->flag, flag);
}

static struct steps_case *run_at(int threads, int what, const struct steps_case *numbers) {
    struct compute *c;
    struct steps_case *t = malloc(sizeof *t);
    assert_non_null(t);
    *t = *numbers;
    t->what = what;
    t->flag = 1;
    assert_int_equal(
        compute_create(&c, &(struct compute_options){.device = test_device(), .threads = threads},
                       NULL),
        STATUS_OK);
    run_planned(c, work, t);
    compute_destroy(c);
    return t;
}

/* The same at one thread and at three. */
static struct steps_case *run(int what, const struct steps_case *numbers) {
    struct steps_case *t = run_at(1, what, numbers), *three = run_at(3, what, numbers);
    assert_memory_equal(t->out, three->out, sizeof t->out);
    free(three);
    return t;
}

static struct steps_case numbers(void) {
    static struct steps_case t;
    float *a = random_floats(N, 1.5f), *b = random_floats(N, 1.5f), *f = random_floats(CHANNELS, 1);
    memcpy(t.a, a, sizeof t.a);
    memcpy(t.b, b, sizeof t.b);
    memcpy(t.factors[0], f, sizeof t.factors[0]);
    for (int i = 0; i < CHANNELS; i++) t.factors[1][i] = 2 + f[i];
    free(a);
    free(b);
    free(f);
    return t;
}

static double length_of(const float *x) {
    double s = 0;
    for (int i = 0; i < CHANNELS; i++) s += (double)x[i] * x[i];
    return sqrt(s);
}

static void test_guidance(void **state) {
    (void)state;
    struct steps_case in = numbers();
    for (int i = 0; i < CHANNELS; i++) in.a[i] = in.b[i] = 0; /* a row without a length */
    struct steps_case *got = run(GUIDE, &in);
    for (int r = 0; r < ROWS; r++) {
        float want[CHANNELS];
        const float *v = in.a + r * CHANNELS, *n = in.b + r * CHANNELS;
        for (int i = 0; i < CHANNELS; i++) want[i] = n[i] + 4.25f * (v[i] - n[i]);
        double before = length_of(v), after = length_of(want);
        for (int i = 0; i < CHANNELS && after != 0; i++) want[i] *= (float)(before / after);
        assert_memory_equal(got->out + r * CHANNELS, want, sizeof want);
    }
    free(got);
}

static void test_a_step(void **state) {
    (void)state;
    struct steps_case in = numbers(), *got = run(EULER, &in);
    for (int i = 0; i < N; i++) {
        float product = -0.037f * in.b[i], want = in.a[i] + product;
        assert_memory_equal(&got->out[i], &want, sizeof want);
    }
    free(got);
}

static void test_finite(void **state) {
    (void)state;
    static const float broken[] = {NAN, INFINITY, -INFINITY};
    struct steps_case in = numbers(), *got = run(FINITE, &in);
    assert_true(got->flag == 1);
    free(got);
    for (int i = 0; i < 3; i++) {
        struct steps_case one = in;
        one.a[i * (N - 1) / 2] = broken[i];
        got = run(FINITE, &one);
        assert_true(got->flag == 0);
        free(got);
    }
}

static void test_normalising(void **state) {
    (void)state;
    struct steps_case in = numbers(), *to = run(NORMALISE, &in), *from = run(DENORMALISE, &in);
    for (int i = 0; i < N; i++) {
        float mean = in.factors[0][i % CHANNELS], std = in.factors[1][i % CHANNELS];
        float less = in.a[i] - mean, product = in.a[i] * std;
        assert_true(to->out[i] == less / std);
        assert_true(from->out[i] == product + mean);
    }
    free(to);
    free(from);
}

static void test_packing(void **state) {
    (void)state;
    struct steps_case in = numbers(), *packed = run(PACK, &in), *map = run(UNPACK, &in);
    for (int i = 0; i < N; i++) {
        int c = i % CHANNELS, x = i / CHANNELS % WIDTH, y = i / CHANNELS / WIDTH;
        int at = (y / 2 * (WIDTH / 2) + x / 2) * CHANNELS * 4 + c * 4 + y % 2 * 2 + x % 2;
        assert_true(packed->out[at] == in.a[i]);
        assert_true(map->out[i] == in.b[at]);
    }
    free(packed);
    free(map);
}

static void test_clamping(void **state) {
    (void)state;
    struct steps_case in = numbers();
    in.a[7] = NAN;
    in.a[8] = INFINITY;
    struct steps_case *got = run(CLAMP, &in);
    for (int i = 0; i < N; i++)
        if (i != 7) assert_true(got->out[i] == fmaxf(-1, fminf(1, in.a[i])));
    assert_true(isnan(got->out[7]));
    free(got);
}

static void test_bytes(void **state) {
    (void)state;
    struct steps_case in = numbers();
    for (int i = 0; i < 256; i++) in.a[i] = (float)i / 255.0f * 2.0f - 1.0f;
    in.a[256] = NAN;
    in.a[257] = 2.0f * 0.5f / 255.0f - 1.0f; /* half way between two bytes: to the even one */
    struct steps_case *got = run(BYTES, &in);
    const uint8_t *bytes = (const uint8_t *)got->out;
    for (int i = 0; i < 256; i++) assert_int_equal(bytes[i], i);
    assert_int_equal(bytes[256], 0);
    assert_int_equal(bytes[257], 0);
    for (int i = 258; i < N; i++) {
        float x = fmaxf(0, fminf(1, in.a[i] / 2.0f + 0.5f));
        assert_int_equal(bytes[i], (int)rintf(x * 255.0f));
    }
    free(got);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guidance), cmocka_unit_test(test_a_step),
        cmocka_unit_test(test_finite),   cmocka_unit_test(test_normalising),
        cmocka_unit_test(test_packing),  cmocka_unit_test(test_clamping),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
