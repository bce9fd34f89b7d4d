/* A device that cannot do one thing, and a device that is lost. */
#include "support/unit_test.h"

#include <string.h>

#include "support/faulty_device.h"

enum { N = 4 };

static struct compute *create(void) {
    struct compute *c;
    assert_int_equal(compute_create(&c, &(struct compute_options){.threads = 1}, NULL), STATUS_OK);
    return c;
}

static struct workspace *workspace(struct compute *c) {
    struct workspace *w;
    assert_int_equal(
        workspace_create(&w, c, (struct workspace_size){.device = 1 << 20}, NULL, NULL, NULL),
        STATUS_OK);
    return w;
}

static void assert_fails(enum status got, enum status wanted, const struct error *err,
                         const char *sentence) {
    assert_int_equal(got, wanted);
    assert_string_equal(err->text, sentence);
}

/* An upload and a product, and what came of it. */
static enum status use(struct workspace *w, const struct linear *l, float *out, struct error *err) {
    static const float x[N] = {1, 2, 3, 4};
    size_t mark = workspace_mark(w);
    struct tensor in = tensor_take(w, 1, N), product = tensor_take(w, 1, N);
    tensor_upload(w, in, x);
    op_linear(w, product, in, l, NULL);
    tensor_download(w, out, product);
    workspace_release(w, mark);
    return workspace_check(w, err);
}

static struct linear *identity(struct compute *c) {
    float weight[N * N] = {0};
    for (int i = 0; i < N; i++) weight[i * N + i] = 1;
    struct matrix m = {.dtype = DTYPE_F32, .rows = N, .cols = N, .data = weight};
    struct linear *l;
    assert_int_equal(compute_pack_linear(c, &l, &m, 1, NULL, PRECISION_FLOAT32, NULL), STATUS_OK);
    return l;
}

static void test_one_edit_fails(void **state) {
    (void)state;
    struct compute *c = create();
    struct linear *l = identity(c);
    for (int at = 0; at < 2; at++) {
        struct workspace *failing = workspace(c), *other = workspace(c);
        struct error err = {{0}};
        float out[N] = {-1, -1, -1, -1}, fine[N];
        faulty_device_arm(c, at, STATUS_INTERNAL, "kernel gemm was refused");
        assert_fails(use(failing, l, out, &err), STATUS_INTERNAL, &err, "kernel gemm was refused");
        assert_int_equal(faulty_device_calls(), at + 1); /* what came after was not tried */
        assert_true(out[0] == -1);
        assert_fails(use(failing, l, out, &err), STATUS_INTERNAL, &err, "kernel gemm was refused");

        assert_int_equal(use(other, l, fine, NULL), STATUS_OK);
        assert_true(fine[3] == 4);
        assert_int_equal(compute_health(c, NULL), STATUS_OK);
        faulty_device_disarm(c);
        workspace_destroy(failing);
        workspace_destroy(other);
    }
    linear_destroy(l);
    compute_destroy(c);
}

static void test_a_lost_device_fails_everybody(void **state) {
    (void)state;
    static const char why[] = "card 0 failed: an illegal address was encountered (700)";
    struct compute *c = create();
    struct linear *l = identity(c), *packed;
    struct workspace *finder = workspace(c), *other = workspace(c), *dry, *later;
    struct error err = {{0}};
    float out[N];
    assert_int_equal(workspace_create_dry(&dry, c, NULL), STATUS_OK);
    assert_int_equal(compute_health(c, NULL), STATUS_OK);
    faulty_device_arm(c, 1, STATUS_DEVICE, why);
    assert_fails(use(finder, l, out, &err), STATUS_DEVICE, &err, why);
    assert_fails(compute_health(c, &err), STATUS_DEVICE, &err, why);

    assert_fails(use(other, l, out, &err), STATUS_DEVICE, &err, why);
    assert_fails(workspace_check(dry, &err), STATUS_DEVICE, &err, why);
    assert_fails(
        workspace_create(&later, c, (struct workspace_size){.device = 1 << 20}, NULL, NULL, &err),
        STATUS_DEVICE, &err, why);
    assert_null(later);
    float weight[N * N] = {0};
    struct matrix m = {.dtype = DTYPE_F32, .rows = N, .cols = N, .data = weight};
    struct conv *conv;
    struct vector *vector;
    assert_fails(compute_pack_linear(c, &packed, &m, 1, NULL, PRECISION_FLOAT32, &err),
                 STATUS_DEVICE, &err, why);
    assert_fails(workspace_pack_linear(dry, &packed, &m, 1, NULL, PRECISION_FLOAT32, &err),
                 STATUS_DEVICE, &err, why);
    assert_fails(compute_pack_conv(c, &conv, weight, NULL, N, N, 1, PRECISION_FLOAT32, &err),
                 STATUS_DEVICE, &err, why);
    assert_fails(compute_pack_vector(c, &vector, weight, N, &err), STATUS_DEVICE, &err, why);
    assert_null(packed);
    assert_null(conv);
    assert_null(vector);
    assert_int_equal(faulty_device_calls(), 2); /* nothing more was asked of the device */

    compute_lose(c, "and once more");
    assert_fails(compute_health(c, &err), STATUS_DEVICE, &err, why); /* the first reason stays */
    faulty_device_disarm(c);
    workspace_destroy(finder);
    workspace_destroy(other);
    workspace_destroy(dry);
    linear_destroy(l);
    assert_int_equal(compute_weight_bytes(c), 0);
    compute_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_edit_fails),
        cmocka_unit_test(test_a_lost_device_fails_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
