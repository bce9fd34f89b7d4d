/*
 * The same bytes come out with any number of threads, and when another edit runs on the same cores
 * at the same time.
 */
#include "support/unit_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "compute/plain.h"
#include "support/device.h"

enum {
    ROWS = 211,
    WIDE = 96,
    DEEP = 300,
    HEADS = 6,
    KV_HEADS = 2,
    DIM = 16,
    SIDE = 19,
    CHANNELS = 33
};
enum { RESULT = ROWS * WIDE + ROWS * HEADS * DIM + SIDE * SIDE * CHANNELS };

/* Some of everything, over fixed numbers. */
struct mixture {
    float *x, *weight, *image, *kernel, *norm, *angles;
};

struct run {
    const struct mixture *m;
    struct linear *exact, *fast, *qkv;
    struct conv *conv;
    struct vector *norm;
    float *out; /* [RESULT] */
    int times;
    struct compute *c;
};

static struct mixture mixture_new(void) {
    return (struct mixture){random_floats(ROWS * DEEP, 1),
                            random_bf16_floats((size_t)WIDE * 2 * DEEP),
                            random_floats(SIDE * SIDE * 7, 1),
                            random_floats(CHANNELS * 7 * 9, 1),
                            random_floats(WIDE, 1),
                            random_floats(ROWS * DIM, 1)};
}

static void mixture_free(struct mixture *m) {
    free(m->x);
    free(m->weight);
    free(m->image);
    free(m->kernel);
    free(m->norm);
    free(m->angles);
}

static void work(struct workspace *w, void *arg) {
    struct run *r = arg;
    const struct mixture *m = r->m;
    struct tensor x = tensor_from(w, m->x, ROWS, DEEP), y = tensor_take(w, ROWS, WIDE),
                  z = tensor_take(w, ROWS, WIDE);
    struct tensor angles = tensor_from(w, m->angles, ROWS, DIM),
                  norms = tensor_from(w, m->norm, 1, WIDE);
    op_linear(w, y, x, r->exact, &(struct epilogue){.activation = ACTIVATION_GELU_TANH});
    op_linear(w, y, x, r->fast,
              &(struct epilogue){.activation = ACTIVATION_SILU, .gate = &norms, .residual = &y});
    op_rms_norm(w, z, y, r->norm, 1e-6f);
    op_silu_mul(w, z, z, y);
    op_layer_norm_modulate(w, y, y, norms, norms, 1e-6f);
    op_channel_norm(w, y, y, r->norm, true);
    op_silu_mul(w, y, y, z);

    struct tensor qkv = tensor_take(w, ROWS, (HEADS + 2 * KV_HEADS) * DIM),
                  att = tensor_take(w, ROWS, HEADS * DIM);
    op_linear(w, qkv, x, r->qkv, NULL);
    struct tensor q = tensor_cols(qkv, 0, HEADS * DIM),
                  k = tensor_cols(qkv, HEADS * DIM, KV_HEADS * DIM),
                  v = tensor_cols(qkv, (HEADS + KV_HEADS) * DIM, KV_HEADS * DIM);
    op_norm_rotary(w, q, DIM, NULL, 0, angles, ROTARY_HALVES);
    op_attention(w, att, q, k, v,
                 &(struct attention){HEADS, KV_HEADS, DIM, 0.02f, true, NULL, 0, false});

    struct feature_map in = feature_map_take(w, SIDE, SIDE, 7),
                       out = feature_map_take(w, SIDE, SIDE, CHANNELS);
    tensor_upload(w, in.t, m->image);
    op_conv(w, out, in, r->conv, &(struct conv_options){.stride = 1, .pad_top = 1, .pad_left = 1});
    tensor_download(w, r->out, y);
    tensor_download(w, r->out + ROWS * WIDE, att);
    tensor_download(w, r->out + ROWS * WIDE + ROWS * HEADS * DIM, out.t);
}

static void pack(struct compute *c, struct run *r) {
    const struct mixture *m = r->m;
    void *bf16 = stored_as(DTYPE_BF16, m->weight, (size_t)WIDE * 2 * DEEP);
    struct matrix f32 = {.dtype = DTYPE_F32, .rows = WIDE, .cols = DEEP, .data = m->weight},
                  half = {.dtype = DTYPE_BF16, .rows = WIDE, .cols = DEEP, .data = bf16},
                  three = {.dtype = DTYPE_BF16,
                           .rows = (HEADS + 2 * KV_HEADS) * DIM,
                           .cols = DEEP,
                           .data = bf16};
    assert_int_equal(compute_pack_linear(c, &r->exact, &f32, 1, NULL, PRECISION_FLOAT32, NULL),
                     STATUS_OK);
    assert_int_equal(compute_pack_linear(c, &r->fast, &half, 1, m->norm, PRECISION_BFLOAT16, NULL),
                     STATUS_OK);
    assert_int_equal(compute_pack_linear(c, &r->qkv, &three, 1, NULL, PRECISION_FLOAT32, NULL),
                     STATUS_OK);
    assert_int_equal(
        compute_pack_conv(c, &r->conv, m->kernel, NULL, CHANNELS, 7, 3, PRECISION_FLOAT32, NULL),
        STATUS_OK);
    assert_int_equal(compute_pack_vector(c, &r->norm, m->norm, WIDE, NULL), STATUS_OK);
    r->c = c;
    free(bf16);
}

static void unpack(struct run *r) {
    linear_destroy(r->exact);
    linear_destroy(r->fast);
    linear_destroy(r->qkv);
    conv_destroy(r->conv);
    vector_destroy(r->norm);
}

static void compute_with(const char *kernels, int threads, const struct mixture *m, float *out) {
    struct compute *c;
    assert_int_equal(compute_create(&c,
                                    &(struct compute_options){.device = test_device(),
                                                              .threads = threads,
                                                              .kernels = kernels},
                                    NULL),
                     STATUS_OK);
    struct run r = {.m = m, .out = out};
    pack(c, &r);
    run_planned(c, work, &r);
    unpack(&r);
    compute_destroy(c);
}

static void any_number_of_threads(struct compute *c) {
    struct mixture m = mixture_new();
    float *one = random_floats(RESULT, 1), *many = random_floats(RESULT, 1);
    compute_with(compute_kernels(c), 1, &m, one);
    static const int threads[] = {2, 3, 5};
    for (int i = 0; i < 3; i++) {
        memset(many, 0xff, RESULT * sizeof *many);
        compute_with(compute_kernels(c), threads[i], &m, many);
        assert_memory_equal(one, many, RESULT * sizeof *many);
    }
    free(one);
    free(many);
    mixture_free(&m);
}

static void *run_many_times(void *arg) {
    struct run *r = arg;
    for (int i = 0; i < r->times; i++) run_planned(r->c, work, r);
    return NULL;
}

/* Two edits share the weights and the cores; each has a workspace of its own. */
static void two_at_once(struct compute *c) {
    struct mixture m = mixture_new();
    float *alone = random_floats(RESULT, 1), *first = random_floats(RESULT, 1),
          *second = random_floats(RESULT, 1);
    struct run r = {.m = &m, .out = alone};
    pack(c, &r);
    run_planned(c, work, &r);
    struct run a = r, b = r;
    a.out = first;
    b.out = second;
    a.times = b.times = 20;
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, run_many_times, &a), 0);
    run_many_times(&b);
    pthread_join(other, NULL);
    assert_memory_equal(alone, first, RESULT * sizeof *alone);
    assert_memory_equal(alone, second, RESULT * sizeof *alone);
    unpack(&r);
    free(alone);
    free(first);
    free(second);
    mixture_free(&m);
}

static void test_any_number_of_threads(void **state) {
    (void)state;
    each_kernels(1, any_number_of_threads);
}

static void test_two_at_once(void **state) {
    (void)state;
    each_kernels(3, two_at_once);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_number_of_threads),
                                       cmocka_unit_test(test_two_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
