/*
 * Attention against double precision: one query and one key, tails of tiles, causal order, grouped
 * heads, segments that cross tiles, heads of every kernel's size.
 */
#include "support/unit_test.h"

#include "cuda/card.h"

#include <math.h>
#include <string.h>

struct attention {
    int head_dim, queries, keys, heads, kv_heads;
    bool causal;
    const int32_t *segments;
    int segment_count;
};

static void seen(const struct attention *a, int query, int *from, int *to) {
    *from = 0;
    *to = a->causal ? query + 1 + a->keys - a->queries : a->keys;
    for (int s = 0; s < a->segment_count; s++)
        if (a->segments[s] <= query && query < a->segments[s + 1]) {
            *from = a->segments[s];
            *to = a->segments[s + 1];
        }
}

static double score(const struct attention *a, const struct matrix *q, const struct matrix *k,
                    int head, int query, int key) {
    int d = a->head_dim, kv = head / (a->heads / a->kv_heads);
    double sum = 0;
    for (int e = 0; e < d; e++)
        sum += matrix_get(q, query, head * d + e) * matrix_get(k, key, kv * d + e);
    return sum / sqrt(d);
}

static void right_row(const struct attention *a, const struct matrix *q, const struct matrix *k,
                      const struct matrix *v, int head, int query, double *out) {
    int d = a->head_dim, kv = head / (a->heads / a->kv_heads), from, to;
    double weights[256], most = -INFINITY, total = 0;
    seen(a, query, &from, &to);
    assert_true(to <= 256);
    for (int j = from; j < to; j++) {
        weights[j] = score(a, q, k, head, query, j);
        most = fmax(most, weights[j]);
    }
    for (int j = from; j < to; j++) total += weights[j] = exp(weights[j] - most);
    for (int j = from; j < to; j++)
        for (int e = 0; e < d; e++) out[e] += weights[j] / total * matrix_get(v, j, kv * d + e);
}

static void check(const char *kernel, const struct attention *a) {
    bool floats = strstr(kernel, "f32") != NULL;
    enum element type = floats ? FLOAT : HALF;
    int d = a->head_dim, q_cols = a->heads * d, kv_cols = a->kv_heads * d, pad = floats ? 1 : 8;
    struct matrix *q = matrix_random(a->queries, q_cols, q_cols + pad, type, 1);
    struct matrix *k = matrix_random(a->keys, kv_cols, kv_cols + pad, type, 1);
    struct matrix *v = matrix_random(a->keys, kv_cols, kv_cols + 2 * pad, type, 1);
    struct matrix *out = matrix_empty(a->queries, q_cols, q_cols + pad, type);
    struct matrix *segments =
        a->segments ? matrix_of(a->segments, 1, a->segment_count + 1, FLOAT) : NULL;
    double *want = doubles(a->queries, q_cols);
    for (int query = 0; query < a->queries; query++)
        for (int head = 0; head < a->heads; head++)
            right_row(a, q, k, v, head, query, want + query * q_cols + head * d);
    struct attention_args args = {.q = there(q),
                                  .k = there(k),
                                  .v = there(v),
                                  .out = there(out),
                                  .segments = there(segments),
                                  .q_stride = q->stride,
                                  .k_stride = k->stride,
                                  .v_stride = v->stride,
                                  .out_stride = out->stride,
                                  .queries = a->queries,
                                  .keys = a->keys,
                                  .heads = a->heads,
                                  .kv_heads = a->kv_heads,
                                  .head_dim = d,
                                  .segment_count = a->segment_count,
                                  .causal = a->causal,
                                  .scale = (float)(1.4426950408889634 / sqrt(d))};
    struct launch how = {.x = tiles(a->queries, floats ? 32 : 128), .y = (unsigned)a->heads};
    how.shared = (unsigned)(floats ? 32 * (d + 1) * 4 : 4 * 64 * (2 * d + 16));
    launch(kernel, how, &args);
    matrix_expect(out, want, floats ? 3e-6 : 8e-3,
                  shape("%s %d q, %d k, %d/%d heads of %d%s%s", kernel, a->queries, a->keys,
                        a->heads, a->kv_heads, d, a->causal ? " causal" : "",
                        a->segments ? " segments" : ""));
    card_forget(NULL);
}

static const int32_t WINDOWS[] = {0, 3, 4, 40, 64, 100, 170}, PICTURES[] = {0, 96, 160};

static void test_attention_128(void **state) {
    static const struct attention cases[] = {{128, 1, 1, 1, 1, .causal = false},
                                             {128, 130, 200, 2, 2, .causal = false},
                                             {128, 33, 65, 4, 2, .causal = true}};
    (void)state;
    for (size_t i = 0; i < 3; i++) check("attention_128", &cases[i]);
}

static void test_attention_80(void **state) {
    static const struct attention cases[] = {
        {80, 170, 170, 2, 2, .segments = WINDOWS, .segment_count = 6},
        {80, 160, 160, 1, 1, .segments = PICTURES, .segment_count = 2}};
    (void)state;
    for (size_t i = 0; i < 2; i++) check("attention_80", &cases[i]);
}

static void test_attention_64(void **state) {
    static const struct attention cases[] = {{64, 130, 130, 3, 3, .causal = true},
                                             {64, 7, 129, 2, 1, .causal = false}};
    (void)state;
    for (size_t i = 0; i < 2; i++) check("attention_64", &cases[i]);
}

static void test_attention_f32(void **state) {
    static const struct attention cases[] = {
        {128, 33, 65, 4, 2, .causal = true},
        {16, 170, 170, 2, 2, .segments = WINDOWS, .segment_count = 6},
        {80, 5, 71, 1, 1, .causal = false}};
    (void)state;
    for (size_t i = 0; i < 3; i++) check("attention_f32", &cases[i]);
}

static void test_attention_f32_wide(void **state) {
    static const struct attention cases[] = {{384, 40, 70, 1, 1, .causal = false},
                                             {130, 3, 3, 1, 1, .causal = true}};
    (void)state;
    for (size_t i = 0; i < 2; i++) check("attention_f32_wide", &cases[i]);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_attention_128, card_forget),
        cmocka_unit_test_teardown(test_attention_80, card_forget),
        cmocka_unit_test_teardown(test_attention_64, card_forget),
        cmocka_unit_test_teardown(test_attention_f32, card_forget),
        cmocka_unit_test_teardown(test_attention_f32_wide, card_forget),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, card_open, card_close);
}
