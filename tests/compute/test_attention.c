/*
 * op_attention against the softmax written out: groups of heads, odd sizes around the tiles, causal
 * prefixes, segments.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compute/plain.h"

/* What most attention bears. */
enum { BOTH = PRECISION_FLOAT32 | PRECISION_BFLOAT16 };

struct attention_case {
    struct attention a;
    int64_t queries, keys;
    const float *q, *k, *v;
    float *out;
};

/* q, k and v are columns of wider matrices, as they are where one product makes all three. */
static void work(struct workspace *w, void *arg) {
    struct attention_case *t = arg;
    int64_t wide = t->a.heads * t->a.head_dim, narrow = t->a.kv_heads * t->a.head_dim;
    struct tensor q = tensor_cols(tensor_take(w, t->queries, wide + 5), 5, wide);
    struct tensor kv = tensor_take(w, t->keys, 2 * narrow + 1);
    struct tensor k = tensor_cols(kv, 0, narrow), v = tensor_cols(kv, narrow, narrow);
    struct tensor out = tensor_cols(tensor_take(w, t->queries, wide + 3), 1, wide);
    tensor_upload(w, q, t->q);
    tensor_upload(w, k, t->k);
    tensor_upload(w, v, t->v);
    op_attention(w, out, q, k, v, &t->a);
    tensor_download(w, t->out, out);
}

static void check_case(struct compute *c, struct attention_case *t, float size_of_scores) {
    size_t wide = (size_t)(t->a.heads * t->a.head_dim),
           narrow = (size_t)(t->a.kv_heads * t->a.head_dim);
    float *q = random_floats(wide * (size_t)t->queries, size_of_scores);
    float *k = random_floats(narrow * (size_t)t->keys, 2),
          *v = random_floats(narrow * (size_t)t->keys, 1);
    t->q = q;
    t->k = k;
    t->v = v;
    t->out = random_floats(wide * (size_t)t->queries, 1);
    run_planned(c, work, t);
    if (t->a.bears & PRECISION_INT8 && scores_are_int8(c)) {
        plain_round_rows(q, t->queries * t->a.heads, t->a.head_dim, 127);
        plain_round_rows(k, t->keys * t->a.kv_heads, t->a.head_dim, int8_max(c));
    }
    double *want = plain_attention(q, k, v, t->queries, t->keys, &t->a);
    double off = distance(t->out, want, wide * (size_t)t->queries);
    bool rounded = multiplies_bf16(c) && t->a.bears & PRECISION_BFLOAT16;
    if (!(off < (rounded ? NEAR_BFLOAT16 : NEAR_FLOAT32)))
        fail_msg(
            "%s: heads %d/%d dim %d queries %d keys %d causal %d segments %d int8 %d: off by %g",
            compute_kernels(c), (int)t->a.heads, (int)t->a.kv_heads, (int)t->a.head_dim,
            (int)t->queries, (int)t->keys, t->a.causal, (int)t->a.segment_count,
            (t->a.bears & PRECISION_INT8) != 0, off);
    free(want);
    free(q);
    free(k);
    free(v);
    free(t->out);
}

static void shapes_with(struct compute *c, unsigned bears) {
    static const int64_t dims[] = {16, 20, 64, 80, 128, 7},
                         heads[][2] = {{1, 1}, {4, 2}, {6, 1}, {3, 3}};
    static const int64_t keys[] = {1, 2, 15, 16, 33, 47, 48, 49, 255, 256, 257, 511, 700};
    unsigned n = 0;
    for (int d = 0; d < 6; d++)
        for (int k = 0; k < 13; k++, n++) {
            const int64_t *h = heads[n % 4];
            float scale = 1.0f / sqrtf((float)dims[d]);
            struct attention_case t = {.a = {h[0], h[1], dims[d], scale, false, NULL, 0, bears},
                                       .keys = keys[k]};
            t.queries = keys[(n * 5 + 3) % 9];
            check_case(c, &t, 2);
            t.a.causal = true;
            t.queries = t.queries < t.keys ? t.queries : t.keys;
            check_case(c, &t, 2);
        }
}

static void shapes(struct compute *c) {
    shapes_with(c, BOTH);
}

/* Against the formula with rounded queries and keys, where the device rounds them. */
static void int8_shapes(struct compute *c) {
    shapes_with(c, BOTH | PRECISION_INT8);
}

/* What does not bear bfloat16 is float32 on every table. */
static void float32_shapes(struct compute *c) {
    shapes_with(c, PRECISION_FLOAT32);
}

static void test_int8_shapes(void **state) {
    (void)state;
    each_kernels_at(PRECISION_INT8, 2, int8_shapes);
}

static void segments(struct compute *c) {
    static const int32_t uneven[] = {0, 1, 8, 55, 56, 120, 376, 377, 640}, single[] = {0, 77},
                         equal[] = {0, 64, 128, 192}, empty[] = {0, 0, 5, 5, 70, 70};
    static const struct {
        const int32_t *at;
        size_t count;
    } cuts[] = {{uneven, 8}, {single, 1}, {equal, 3}, {empty, 5}};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct attention_case t = {.a = {4, 2, 20, 0.2f, false, cuts[i].at, cuts[i].count, BOTH}};
        t.queries = t.keys = cuts[i].at[cuts[i].count];
        check_case(c, &t, 2);
    }
}

/* Scores of hundreds: exp of them overflows, the difference from the largest does not.  The
 * rounding of q and k to bfloat16 moves such a score by whole units, so only float32 products
 * are compared; the others must be finite. */
static void large_scores(struct compute *c) {
    struct attention_case t = {
        .a = {2, 1, 32, 1.0f, false, NULL, 0, BOTH}, .queries = 50, .keys = 300};
    if (!multiplies_bf16(c)) check_case(c, &t, 20);
    float *q = random_floats(50 * 64, 1e4f), *k = random_floats(300 * 32, 1e4f),
          *v = random_floats(300 * 32, 1);
    float out[50 * 64];
    t.q = q;
    t.k = k;
    t.v = v;
    t.out = out;
    run_planned(c, work, &t);
    for (int i = 0; i < 50 * 64; i++) assert_true(fabsf(out[i]) <= 1.01f);
    free(q);
    free(k);
    free(v);
}

/* A query's result must not depend on its neighbours: with a shared prefix, rows are computed once
 * here and once there. */
static void rows_alone(struct compute *c) {
    enum { ROWS = 130, WIDE = 4 * 20, NARROW = 2 * 20, KEYS = 400 };
    float *q = random_floats((size_t)ROWS * WIDE, 3), *k = random_floats((size_t)KEYS * NARROW, 1),
          *v = random_floats((size_t)KEYS * NARROW, 1),
          *all = random_floats((size_t)ROWS * WIDE, 1);
    for (int causal = 0; causal < 2; causal++) {
        struct attention_case t = {
            {4, 2, 20, 0.3f, causal, NULL, 0, BOTH}, ROWS, KEYS, q, k, v, all};
        run_planned(c, work, &t);
        for (int64_t r = 0; r < ROWS; r += 7) {
            float one[WIDE];
            struct attention_case s = t;
            s.queries = 1;
            s.q = q + r * WIDE;
            s.out = one;
            if (causal) s.keys = KEYS - ROWS + r + 1;
            run_planned(c, work, &s);
            assert_memory_equal(one, all + r * WIDE, sizeof one);
        }
    }
    free(q);
    free(k);
    free(v);
    free(all);
}

static void not_finite(struct compute *c) {
    enum { N = 70, D = 16 };
    for (int n = 0; n < 6; n++) {
        float *x[3], out[N * D];
        for (int i = 0; i < 3; i++) x[i] = random_floats((size_t)N * D, 1);
        x[n / 2][33 * D + 5] = n % 2 ? NAN : INFINITY;
        struct attention_case t = {
            {1, 1, D, 0.25f, false, NULL, 0, BOTH}, N, N, x[0], x[1], x[2], out};
        run_planned(c, work, &t);
        bool seen = false;
        for (int i = 0; i < N; i++) {
            bool broken = !isfinite(out[i * D + 5]);
            seen = seen || broken;
            if (n % 2 && n / 2 > 0) assert_true(broken); /* every query met the key or the value */
            if (n / 2 == 0) assert_int_equal(broken, i == 33); /* a query meets nobody else */
        }
        assert_true(seen);
        for (int i = 0; i < 3; i++) free(x[i]);
    }
}

#define OVER_KERNELS(NAME, THREADS)                                                                \
    static void test_##NAME(void **state) {                                                        \
        (void)state;                                                                               \
        each_kernels(THREADS, NAME);                                                               \
    }
OVER_KERNELS(shapes, 2)
OVER_KERNELS(float32_shapes, 2)
OVER_KERNELS(segments, 2)
OVER_KERNELS(large_scores, 1)
OVER_KERNELS(rows_alone, 2)
OVER_KERNELS(not_finite, 1)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),       cmocka_unit_test(test_float32_shapes),
        cmocka_unit_test(test_int8_shapes),  cmocka_unit_test(test_segments),
        cmocka_unit_test(test_large_scores), cmocka_unit_test(test_rows_alone),
        cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
