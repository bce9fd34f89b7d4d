/*
 * Working memory: what a dry run finds is what a real run takes, nothing is written beyond it,
 * sizes that no machine has are refused, and shapes that do not belong together stop the edit
 * instead of reaching a kernel.
 */
#include "support/unit_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "compute/backend.h"
#include "compute/plain.h"
#include "support/child.h"
#include "support/sanitized.h"

static struct compute *create(void) {
    struct compute *c;
    assert_int_equal(compute_create(&c, &(struct compute_options){.threads = 2}, NULL), STATUS_OK);
    assert_string_equal(compute_device(c), "cpu");
    return c;
}

static struct workspace *dry(struct compute *c) {
    struct workspace *w;
    assert_int_equal(workspace_create_dry(&w, c, NULL), STATUS_OK);
    assert_true(workspace_is_dry(w));
    return w;
}

static struct workspace *real(struct compute *c, size_t bytes) {
    struct workspace *w;
    assert_int_equal(
        workspace_create(&w, c, (struct workspace_size){.device = bytes}, NULL, NULL, NULL),
        STATUS_OK);
    assert_false(workspace_is_dry(w));
    return w;
}

static struct linear *linear_of(struct compute *c, int64_t out, int64_t in) {
    float *weight = random_floats((size_t)(out * in), 1);
    struct linear *l;
    assert_int_equal(
        compute_pack_linear(
            c, &l, &(struct matrix){.dtype = DTYPE_F32, .rows = out, .cols = in, .data = weight}, 1,
            NULL, PRECISION_FLOAT32, NULL),
        STATUS_OK);
    free(weight);
    return l;
}

static void test_stack(void **state) {
    (void)state;
    struct compute *c = create();
    struct workspace *plan = dry(c);
    struct tensor a = tensor_take(plan, 3, 5);
    assert_int_equal(a.address, 0);
    size_t mark = workspace_mark(plan);
    assert_true(mark >= 60 && mark % 64 == 0);
    assert_int_equal(tensor_take(plan, 100, 100).address, mark); /* they count from 0 */
    workspace_release(plan, mark);
    tensor_take(plan, 10, 10);
    assert_int_equal(workspace_peak(plan).device, mark + 40000);
    assert_int_equal(workspace_recent_peak(plan), mark + 40000);
    assert_int_equal(workspace_recent_peak(plan), mark + 448); /* what is still in use */
    tensor_take(plan, 1, 16);
    assert_int_equal(workspace_recent_peak(plan), mark + 512);
    assert_int_equal(workspace_peak(plan).device, mark + 40000);

    struct workspace *w = real(c, workspace_peak(plan).device);
    a = tensor_take(w, 3, 5);
    struct tensor b = tensor_take(w, 100, 100);
    assert_true(a.address && a.address % 64 == 0 && b.address && b.address % 64 == 0);
    float *x = random_floats(10000, 1), *y = random_floats(10000, 1);
    tensor_upload(w, a, x);
    tensor_upload(w, b, x); /* to the last byte: the address sanitizer watches */
    tensor_download(w, y, b);
    assert_memory_equal(x, y, 40000);
    tensor_download(w, y, a);
    assert_memory_equal(x, y, 60);
    free(x);
    free(y);
    assert_int_equal(workspace_check(w, NULL), STATUS_OK);
    workspace_destroy(w);
    workspace_destroy(plan);
    workspace_destroy(NULL);
    compute_destroy(c);
}

/* Downloads in spite of a failure. */
static void read_memory(const struct workspace *w, float *out, struct tensor in) {
    struct workspace again = {.compute = w->compute};
    tensor_download(&again, out, in);
}

/* Parts of a tensor lie where they did; what would leave it is none, and the plan says so. */
static void test_views(void **state) {
    (void)state;
    struct compute *c = create();
    struct workspace *w = dry(c);
    tensor_take(w, 1, 16);
    struct tensor t = tensor_take(w, 12, 10), buffer = tensor_take(w, 1, 100);
    struct tensor view = tensor_cols(tensor_rows(t, 3, 4), 5, 4);
    assert_true(view.address == t.address + 35 * 4 && view.rows == 4 && view.cols == 4 &&
                view.stride == 10);
    view = tensor_row(t, 11);
    assert_true(view.address == t.address + 110 * 4 && view.rows == 1 && view.cols == 10);
    view = tensor_merge_rows(t, 4);
    assert_true(view.address == t.address && view.rows == 3 && view.cols == 40 &&
                view.stride == 40);
    view = tensor_of_buffer(w, buffer, 10, 9, 10);
    assert_true(view.address == buffer.address + 40 && view.rows == 9 && view.cols == 10 &&
                view.stride == 10);
    assert_int_equal(tensor_rows(t, 12, 0).rows, 0);

    const struct tensor beyond[] = {tensor_rows(t, 0, 13),
                                    tensor_rows(t, 13, 0),
                                    tensor_rows(t, -1, 1),
                                    tensor_rows(t, INT64_MAX, 2),
                                    tensor_rows(t, 2, -1),
                                    tensor_cols(t, 1, 10),
                                    tensor_row(t, 12),
                                    tensor_merge_rows(t, 5),
                                    tensor_merge_rows(t, 0),
                                    tensor_merge_rows(tensor_cols(t, 0, 9), 2),
                                    tensor_of_buffer(w, t, 0, 1, 1),
                                    tensor_of_buffer(w, buffer, 11, 9, 10),
                                    tensor_of_buffer(w, buffer, 0, INT64_MAX, 2)};
    workspace_destroy(w);
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        for (int copy = 0; copy < 3; copy++) {
            w = dry(c);
            if (copy == 0) op_copy(w, beyond[i], beyond[i]);
            if (copy == 1) tensor_upload(w, beyond[i], NULL);
            if (copy == 2) tensor_download(w, NULL, beyond[i]);
            assert_int_equal(workspace_check(w, NULL), STATUS_INTERNAL);
            workspace_destroy(w);
        }
    compute_destroy(c);
}

/* The host's arena is planned, taken and limited like the device's, and neither moves the other. */
static void test_host(void **state) {
    (void)state;
    struct compute *c = create();
    struct workspace *plan = dry(c), *w, *part;
    size_t mark = workspace_host_mark(plan);
    assert_null(workspace_host(plan, 1000));
    workspace_host_release(plan, mark);
    assert_null(workspace_host(plan, 3));
    assert_null(workspace_host(plan, 3));
    tensor_take(plan, 1, 16);
    struct workspace_size peak = workspace_peak(plan);
    assert_true(peak.device == 64 && peak.host == 1024);
    assert_int_equal(workspace_size_sum(peak), 1088);
    assert_int_equal(workspace_create_part(&part, plan, peak, NULL), STATUS_OK);
    assert_true(workspace_is_dry(part) && workspace_mark(plan) == 128 &&
                workspace_host_mark(plan) == 1152);
    workspace_destroy(part);

    assert_int_equal(workspace_create(&w, c, peak, NULL, NULL, NULL), STATUS_OK);
    char *a = workspace_host(w, 1), *b = workspace_host(w, 512);
    assert_true(a && b == a + 64 && (uintptr_t)a % 64 == 0);
    memset(b, 1, 512);
    assert_int_equal(workspace_create_part(&part, w, (struct workspace_size){.host = 448}, NULL),
                     STATUS_OK);
    char *inside = workspace_host(part, 448);
    assert_ptr_equal(inside, b + 512);
    memset(inside, 2, 448); /* to the last byte: the address sanitizer watches */
    assert_null(workspace_host(part, 1));
    assert_int_equal(workspace_check(part, NULL), STATUS_INTERNAL);
    assert_int_equal(workspace_check(w, NULL), STATUS_OK);
    assert_null(workspace_host(w, 1));
    assert_int_equal(workspace_check(w, NULL), STATUS_INTERNAL);
    workspace_destroy(part);
    workspace_destroy(w);
    assert_null(workspace_host(plan, SIZE_MAX));
    assert_int_equal(workspace_check(plan, NULL), STATUS_NO_MEMORY);
    workspace_destroy(plan);
    compute_destroy(c);
}

/* Both arenas count against the device's limit, and are given back to it. */
static void test_limit(void **state) {
    (void)state;
    struct compute *c;
    assert_int_equal(
        compute_create(&c, &(struct compute_options){.threads = 1, .memory_limit = 4096}, NULL),
        STATUS_OK);
    for (int i = 0; i < 3; i++) {
        struct workspace *w, *none;
        struct error err;
        assert_int_equal(workspace_create(&w, c,
                                          (struct workspace_size){.device = 1024, .host = 3072},
                                          NULL, NULL, NULL),
                         STATUS_OK);
        assert_int_equal(
            workspace_create(&none, c, (struct workspace_size){.host = 64}, NULL, NULL, &err),
            STATUS_NO_MEMORY);
        workspace_destroy(w);
    }
    compute_destroy(c);
}

/* What is admitted counts from then on, with what its owner takes beside it, though there is nothing
 * yet; what is reserved is the arenas alone. */
static void test_admitted(void **state) {
    (void)state;
    struct compute *c;
    const struct workspace_size size = {.device = 1024, .host = 1024, .beside = 1024};
    assert_int_equal(
        compute_create(&c, &(struct compute_options){.threads = 1, .memory_limit = 4096}, NULL),
        STATUS_OK);
    assert_int_equal(workspace_size_sum(size), 3072);
    for (int i = 0; i < 3; i++) {
        struct workspace *w, *second;
        struct error err;
        assert_int_equal(workspace_admit(&w, c, size, NULL, NULL, &err), STATUS_OK);
        assert_int_equal(workspace_admit(&second, c, size, NULL, NULL, &err), STATUS_NO_MEMORY);
        assert_null(second);
        assert_non_null(strstr(err.text, "leave 0.0 MB of the memory limit"));
        if (i == 0) { /* given up before it has anything */
            workspace_destroy(w);
            continue;
        }
        assert_int_equal(workspace_reserve(w, &err), STATUS_OK);
        assert_non_null(workspace_host(w, 1024));
        assert_true(workspace_take(w, 1024) != 0);
        assert_int_equal(workspace_check(w, NULL), STATUS_OK);
        assert_null(workspace_host(w, 64));
        assert_int_equal(workspace_check(w, NULL), STATUS_INTERNAL);
        workspace_destroy(w);
    }
    compute_destroy(c);
}

/* On a device whose rows begin at 16 bytes and whose pieces at 256, the plan counts the gaps. */
static void test_alignment(void **state) {
    (void)state;
    struct compute *c = create();
    c->alignment = (struct alignment){.piece = 256, .row = 16};
    struct workspace *plan = dry(c);
    struct tensor a = tensor_take(plan, 3, 5);
    assert_int_equal(a.stride, 8);
    assert_int_equal(tensor_stride(plan, 8), 8);
    assert_int_equal(tensor_merge_rows(a, 3).rows, -1); /* there are gaps */
    struct tensor b = tensor_take(plan, 100, 1);
    assert_int_equal(b.address, 256);
    assert_int_equal(workspace_peak(plan).device, 256 + 1792);
    assert_int_equal(tensor_of_buffer(plan, tensor_take(plan, 1, 20), 4, 2, 5).stride, 8);
    assert_int_equal(tensor_of_buffer(plan, tensor_take(plan, 1, 20), 5, 2, 5).rows, -1);
    workspace_destroy(plan);
    compute_destroy(c);
}

/* One number more than planned: no memory, no computing, and the next check says so. */
static void test_beyond_the_plan(void **state) {
    (void)state;
    struct compute *c = create();
    struct linear *l = linear_of(c, 8, 8);
    struct workspace *w = real(c, 1024);
    struct error err = {{0}};
    float *x = random_floats(128, 1), *y = random_floats(128, 1);
    tensor_take(w, 16, 8);
    struct tensor rest = tensor_take(w, 8, 16);
    tensor_upload(w, rest, x);
    assert_int_equal(workspace_check(w, &err), STATUS_OK);
    tensor_take(w, 1, 1);
    assert_int_equal(workspace_check(w, &err), STATUS_INTERNAL);
    op_silu(w, rest, rest); /* must not run any more */
    op_linear(w, tensor_cols(rest, 0, 8), tensor_cols(rest, 8, 8), l, NULL);
    read_memory(w, y, rest);
    assert_memory_equal(x, y, 512);
    assert_true(strlen(err.text) > 0);
    workspace_destroy(w);

    /* An operation whose scratch does not fit must not run either. */
    w = real(c, 1024);
    struct tensor in = tensor_take(w, 8, 8), out = tensor_take(w, 8, 8);
    tensor_upload(w, out, x);
    op_linear(w, out, in, l, NULL);
    assert_int_equal(workspace_check(w, NULL), STATUS_INTERNAL);
    read_memory(w, y, out);
    assert_memory_equal(x, y, 256);
    workspace_destroy(w);
    free(x);
    free(y);
    linear_destroy(l);
    compute_destroy(c);
}

/* Products of sizes that wrap around must not come out small. */
static void test_overflow(void **state) {
    (void)state;
    static const int64_t sizes[][2] = {{INT64_MAX, INT64_MAX},
                                       {INT64_MAX, 4},
                                       {(int64_t)1 << 32, (int64_t)1 << 32},
                                       {(int64_t)1 << 62, 1},
                                       {(int64_t)1 << 31, (int64_t)1 << 31},
                                       {-1, 5},
                                       {5, -1},
                                       {-3, -7},
                                       {INT64_MIN, 2}};
    struct compute *c = create();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int map = 0; map < 2; map++)
            for (int planning = 0; planning < 2; planning++) {
                struct workspace *w = planning ? dry(c) : real(c, 4096);
                struct error err = {{0}};
                if (map)
                    feature_map_take(w, sizes[i][0], sizes[i][1], 2);
                else
                    tensor_take(w, sizes[i][0], sizes[i][1]);
                assert_true(workspace_check(w, &err) != STATUS_OK);
                assert_true(strlen(err.text) > 0);
                assert_true(workspace_peak(w).device <= 4096);
                workspace_destroy(w);
            }
    /* Many large ones that only together are too much. */
    struct workspace *w = dry(c);
    for (int i = 0; i < 100; i++) tensor_take(w, (int64_t)1 << 40, 1);
    assert_int_equal(workspace_check(w, NULL), STATUS_NO_MEMORY);
    workspace_destroy(w);
    compute_destroy(c);
}

static void test_absurd_size(void **state) {
    (void)state;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX / 2, (size_t)1 << 50};
    struct compute *c = create();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct workspace *w;
        struct error err = {{0}};
        for (int which = 0; which < 3; which++) {
            struct workspace_size size = {.device = which != 1 ? sizes[i] : 64,
                                          .host = which != 0 ? sizes[i] : 64,
                                          .beside = which == 2 ? sizes[i] : 0};
            assert_int_equal(workspace_create(&w, c, size, NULL, NULL, &err), STATUS_NO_MEMORY);
            assert_null(w);
            assert_true(strlen(err.text) > 0);
        }
    }
    workspace_destroy(real(c, 0)); /* an edit of nothing needs nothing */
    compute_destroy(c);
}

/* On a machine whose memory ends at 1 GB. */
static void work_in_little(void *arg) {
    (void)arg;
    struct compute *c;
    struct workspace *w;
    struct error err;
    setrlimit(RLIMIT_AS, &(struct rlimit){1 << 30, 1 << 30});
    if (compute_create(&c, &(struct compute_options){.threads = 1}, &err) != STATUS_OK) _exit(2);
    struct workspace_size large = {.device = (size_t)2 << 30},
                          small = {.device = (size_t)16 << 20, .host = 1 << 20};
    if (workspace_create(&w, c, large, NULL, NULL, &err) != STATUS_NO_MEMORY) _exit(3);
    if (workspace_create(&w, c, small, NULL, NULL, &err) != STATUS_OK) _exit(4);
    workspace_destroy(w);
    compute_destroy(c);
    _exit(0);
}

/* In a child, because the limit cannot be raised again. */
static void test_limited_memory(void **state) {
    (void)state;
    if (SANITIZED) skip(); /* sanitizers reserve terabytes of addresses */
    assert_int_equal(child_end(child_fork(work_in_little, NULL), 60), 0);
}

static bool after_two(void *arg) {
    return ++*(int *)arg > 2;
}

static void test_cancellation(void **state) {
    (void)state;
    struct compute *c = create();
    struct workspace *w;
    struct error err = {{0}};
    int asked = 0;
    assert_int_equal(
        workspace_create(&w, c, (struct workspace_size){.device = 1024}, after_two, &asked, NULL),
        STATUS_OK);
    assert_int_equal(workspace_check(w, &err), STATUS_OK);
    assert_int_equal(workspace_check(w, &err), STATUS_OK);
    assert_int_equal(workspace_check(w, &err), STATUS_CANCELLED);
    assert_true(strlen(err.text) > 0);
    assert_int_equal(workspace_check(w, NULL), STATUS_CANCELLED);
    workspace_destroy(w);
    compute_destroy(c);
}

static void test_weight_bytes(void **state) {
    (void)state;
    struct compute *c = create();
    float *x = random_floats(64 * 9 * 64, 1);
    struct linear *l = linear_of(c, 33, 65);
    uint64_t one = compute_weight_bytes(c);
    assert_true(one >= 33 * 65 * 4);
    struct conv *v;
    struct vector *n;
    assert_int_equal(compute_pack_conv(c, &v, x, x, 64, 64, 3, PRECISION_FLOAT32, NULL), STATUS_OK);
    uint64_t two = compute_weight_bytes(c);
    assert_true(two >= one + 64 * 64 * 9 * 4);
    assert_int_equal(compute_pack_vector(c, &n, x, 100, NULL), STATUS_OK);
    assert_int_equal(compute_weight_bytes(c), two + 448); /* whole cache lines */
    linear_destroy(l);
    assert_int_equal(compute_weight_bytes(c), two - one + 448);
    vector_destroy(n);
    conv_destroy(v);
    assert_int_equal(compute_weight_bytes(c), 0);
    linear_destroy(NULL);
    vector_destroy(NULL);
    conv_destroy(NULL);
    compute_destroy(c);
    compute_destroy(NULL);
    free(x);
}

static void test_refused_weights(void **state) {
    (void)state;
    struct compute *c = create();
    float x[12] = {0};
    struct linear *l;
    struct conv *v;
    struct error err = {{0}};
    struct matrix unequal[] = {{.rows = 2, .cols = 3, .data = x},
                               {.rows = 3, .cols = 2, .data = x}},
                  empty = {.rows = 3, .cols = 0, .data = x};
    assert_int_equal(compute_pack_linear(c, &l, unequal, 2, NULL, PRECISION_BFLOAT16, &err),
                     STATUS_INVALID);
    assert_null(l);
    assert_int_equal(compute_pack_linear(c, &l, &empty, 1, NULL, PRECISION_BFLOAT16, &err),
                     STATUS_INVALID);
    assert_int_equal(compute_pack_linear(c, &l, NULL, 0, NULL, PRECISION_BFLOAT16, &err),
                     STATUS_INVALID);
    assert_int_equal(compute_pack_conv(c, &v, x, NULL, 1, 1, 2, PRECISION_FLOAT32, &err),
                     STATUS_INVALID);
    assert_null(v);
    assert_int_equal(compute_pack_conv(c, &v, x, NULL, 0, 1, 1, PRECISION_FLOAT32, &err),
                     STATUS_INVALID);
    assert_int_equal(compute_weight_bytes(c), 0);
    compute_destroy(c);
}

static void test_unknown_kernels(void **state) {
    (void)state;
    struct compute *c;
    struct error err = {{0}};
    assert_int_equal(compute_create(&c, &(struct compute_options){.kernels = "none"}, &err),
                     STATUS_INVALID);
    assert_null(c);
    assert_non_null(strstr(err.text, "none"));
    assert_int_equal(compute_create(&c, &(struct compute_options){.threads = 1}, NULL), STATUS_OK);
    assert_string_not_equal(compute_kernels(c),
                            "avx512-bf16"); /* nobody asked for less than float32 */
    compute_destroy(c);
}

/* Shapes that do not belong together are a defect of the network's code, or of a file that got
 * past its checks: the dry run finds them, before any kernel could read past the end of
 * anything. */
static void test_shapes(void **state) {
    (void)state;
    struct compute *c = create();
    float x[4096] = {0};
    struct linear *l = linear_of(c, 8, 6), *six = linear_of(c, 6, 8);
    struct conv *v;
    struct vector *n;
    assert_int_equal(compute_pack_conv(c, &v, x, x, 4, 4, 3, PRECISION_FLOAT32, NULL), STATUS_OK);
    assert_int_equal(compute_pack_vector(c, &n, x, 8, NULL), STATUS_OK);
    static const int32_t backwards[] = {0, 5, 3, 10}, short_of[] = {0, 5}, whole[] = {0, 4, 10},
                         late[] = {1, 10};
    const struct attention good = {2, 1, 4, 1, false, whole, 2, PRECISION_FLOAT32};
    const struct conv_options plain = {.stride = 1, .pad_top = 1, .pad_left = 1};
    for (int n_case = 0; n_case < 28; n_case++) {
        struct workspace *w = dry(c);
        struct tensor a = tensor_take(w, 10, 8), b = tensor_take(w, 10, 6),
                      d = tensor_take(w, 9, 8), k = tensor_take(w, 10, 4);
        struct feature_map p = feature_map_take(w, 4, 4, 4), q = feature_map_take(w, 4, 4, 3);
        struct attention at = good;
        struct epilogue e = {.residual = &d};
        struct tensor factor = tensor_row(a, 9);
        struct conv_options o = plain;
        bool fits = false;
        switch (n_case) {
        case 0:
            op_linear(w, a, b, l, NULL);
            fits = true;
            break;
        case 1: op_linear(w, b, a, l, NULL); break;
        case 2: op_linear(w, d, b, l, NULL); break;
        case 3: op_linear(w, a, b, l, &e); break;
        case 4:
            op_rms_norm(w, a, a, n, 0);
            fits = true;
            break;
        case 5: op_rms_norm(w, b, b, n, 0); break;
        case 6: op_rms_norm(w, a, d, n, 0); break;
        case 7: op_channel_norm(w, b, b, n, false); break;
        case 8: op_silu(w, a, b); break;
        case 9: op_silu_mul(w, a, a, d); break;
        case 10:
            op_norm_rotary(w, a, 4, NULL, 0, k, ROTARY_HALVES);
            fits = true;
            break;
        case 11: op_norm_rotary(w, b, 4, NULL, 0, k, ROTARY_HALVES); break;
        case 12: op_norm_rotary(w, a, 4, n, 0, k, ROTARY_HALVES); break;
        case 13: op_norm_rotary(w, a, 4, NULL, 0, tensor_rows(k, 0, 9), ROTARY_HALVES); break;
        case 14:
            op_attention(w, a, a, k, k, &at);
            fits = true;
            break;
        case 15:
            at.segments = backwards, at.segment_count = 3;
            op_attention(w, a, a, k, k, &at);
            break;
        case 16:
            at.segments = short_of, at.segment_count = 1;
            op_attention(w, a, a, k, k, &at);
            break;
        case 17:
            at.segments = late, at.segment_count = 1;
            op_attention(w, a, a, k, k, &at);
            break;
        case 18:
            at.kv_heads = 2;
            op_attention(w, a, a, k, k, &at);
            break;
        case 19:
            at.segments = NULL, at.causal = true;
            op_attention(w, a, a, tensor_rows(k, 0, 9), tensor_rows(k, 0, 9), &at);
            break;
        case 20:
            op_conv(w, p, p, v, &plain);
            fits = true;
            break;
        case 21: op_conv(w, p, q, v, &plain); break;
        case 22: op_conv(w, q, p, v, &plain); break;
        case 23:
            e = (struct epilogue){.gate = &a};
            op_linear(w, a, b, l, &e);
            break;
        case 24:
            e = (struct epilogue){.gate = &factor};
            op_linear(w, a, b, l, &e);
            fits = true;
            break;
        case 25:
            e = (struct epilogue){.gate = &factor};
            op_linear(w, tensor_take(w, 10, 6), a, six, &e);
            break;
        case 26: op_layer_norm_modulate(w, b, b, tensor_row(b, 0), factor, 0); break;
        default:
            o.residual = &a;
            op_conv(w, p, p, v, &o);
            break;
        }
        if (workspace_check(w, NULL) != (fits ? STATUS_OK : STATUS_INTERNAL))
            fail_msg("case %d", n_case);
        workspace_destroy(w);
    }
    linear_destroy(l);
    linear_destroy(six);
    conv_destroy(v);
    vector_destroy(n);
    compute_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),           cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_stack),           cmocka_unit_test(test_host),
        cmocka_unit_test(test_limit),           cmocka_unit_test(test_admitted),
        cmocka_unit_test(test_beyond_the_plan), cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_absurd_size),     cmocka_unit_test(test_limited_memory),
        cmocka_unit_test(test_cancellation),    cmocka_unit_test(test_weight_bytes),
        cmocka_unit_test(test_refused_weights), cmocka_unit_test(test_unknown_kernels),
        cmocka_unit_test(test_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
