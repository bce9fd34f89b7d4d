/*
 * Attention without the score matrix (Milakov & Gimelshein 2018; Dao et al. 2022, FlashAttention):
 * a task takes a tile of queries of one head and walks over the keys in tiles, keeping for each
 * query the largest score so far, the sum of the exponentials relative to it, and the weighted sum
 * of values, which are rescaled whenever a larger score turns up.
 *
 * Keys and values are packed into panels first, once per key-value head, as right-hand sides of
 * ordinary products: scores = Q (K^T), out += P V.  With bfloat16 products Q and P are rounded,
 * sums and the softmax stay float32.  Scores may come from 8-bit products instead (a->bears), for
 * which queries and keys are rounded as linear.c rounds its input: docs/decisions/009-int8.md.
 */
#include <math.h>
#include <string.h>

#include "compute/cpu/cpu.h"

/* exp(x) is 2^(x LOG2_E): scores carry the factor from the start. */
#define LOG2_E 1.44269504088896341f

enum { QUERIES = 48, KEYS = 512 }; /* of a tile; multiples of every table's `rows` and `cols` */

struct attention_job {
    const struct cpu *cpu;
    const struct attention *a;
    struct tensor out, q, k, v;
    bool bf16, int8;      /* the products: int8 of queries and keys, bf16 of all else */
    size_t value_item;    /* bytes of a packed value, and of a weight */
    int64_t key_items;    /* of 32 bits that a key's elements take: one each, two, or four */
    int64_t key_capacity; /* keys rounded up to whole panels */
    int64_t value_panels;
    char *keys,
        *values; /* per kv head: [key panels][key_items][cols], [value panels][key_capacity][cols] */
    size_t keys_bytes, values_bytes; /* of one head; behind 8-bit keys their scales and offsets */
    char *tiles;                     /* per worker */
    int64_t query_tiles;
};

/* A worker's own memory: a panel of keys that it packs, and one more as floats; afterwards its
 * tile of queries, their scores, their sums. */
struct layout {
    size_t q, scores, sums, total; /* offsets in bytes */
    int64_t q_stride, sum_stride;  /* elements from query to query */
};

static int64_t even(int64_t n) {
    return n + n % 2;
}

static struct layout layout_of(const struct kernels *k, int64_t head_dim) {
    struct layout l = {.q_stride = even(head_dim) + 16,
                       .sum_stride = (int64_t)round_up((size_t)head_dim, (size_t)k->cols)};
    l.scores = round_up((size_t)(QUERIES * l.q_stride) * sizeof(float), 64);
    l.sums = l.scores + (size_t)QUERIES * KEYS * sizeof(float);
    l.total = l.sums + round_up((size_t)(QUERIES * l.sum_stride) * sizeof(float), 64);
    size_t panel = round_up((size_t)((k->cols + 1) * head_dim) * sizeof(float), 64);
    if (l.total < panel) l.total = panel;
    return l;
}

static void sizes_of(struct attention_job *j, struct compute *c) {
    const struct kernels *k = cpu_of(c)->kernels;
    j->bf16 = j->a->bears & PRECISION_BFLOAT16 && k->product_bf16;
    j->int8 = j->a->bears & c->precisions & PRECISION_INT8 && j->a->head_dim <= INT8_MAX_DEPTH;
    j->value_item = j->bf16 ? 2 : 4;
    int64_t per_item = j->int8 ? 4 : j->bf16 ? 2 : 1;
    j->key_items = (j->a->head_dim + per_item - 1) / per_item;
    j->key_capacity = (int64_t)round_up((size_t)j->k.rows, (size_t)k->cols);
    j->value_panels = (j->a->head_dim + k->cols - 1) / k->cols;
    int64_t words = j->key_capacity * (j->key_items + (j->int8 ? 2 : 0));
    j->keys_bytes = round_up((size_t)words * 4, 64);
    j->values_bytes =
        round_up((size_t)(j->value_panels * j->key_capacity * k->cols) * j->value_item, 64);
}

size_t cpu_attention_scratch(struct compute *c, struct tensor q, struct tensor k,
                             const struct attention *a) {
    (void)q;
    const struct kernels *kernels = cpu_of(c)->kernels;
    struct attention_job j = {.a = a, .k = k};
    sizes_of(&j, c);
    return (j.keys_bytes + j.values_bytes) * (size_t)a->kv_heads +
           layout_of(kernels, a->head_dim).total * (size_t)c->threads;
}

static uint32_t *key_panels(const struct attention_job *j, int64_t head) {
    return (uint32_t *)(j->keys + (size_t)head * j->keys_bytes);
}

static float *key_scales(const struct attention_job *j, int64_t head) {
    return (float *)(void *)(key_panels(j, head) + j->key_capacity * j->key_items);
}

/* By how much the sums of a query's products with each key are too large: as for cpu_linear's
 * columns. */
static int32_t *key_offsets(const struct attention_job *j, int64_t head) {
    return (int32_t *)(void *)(key_scales(j, head) + j->key_capacity);
}

/* A key in whole items: as it is, in bfloat16, or in 8 bits with a sign. */
static void convert_key(const struct attention_job *j, uint32_t *items, const float *key,
                        int64_t head, int64_t row) {
    const struct kernels *k = j->cpu->kernels;
    int64_t d = j->a->head_dim;
    if (j->int8) {
        uint8_t *bytes = (uint8_t *)items;
        int32_t sum = 0;
        key_scales(j, head)[row] = cpu_round_row(k, bytes, 4 * j->key_items, key, d, k->int8_max);
        for (int64_t i = 0; i < d; i++) sum += bytes[i] - INT8_ZERO;
        for (int64_t i = 0; i < j->key_items; i++) items[i] ^= 0x80808080;
        key_offsets(j, head)[row] = INT8_ZERO * sum;
    } else if (j->bf16) {
        items[j->key_items - 1] = 0; /* an odd head_dim ends in half an item */
        k->to_bf16((uint16_t *)items, key, d);
    } else {
        memcpy(items, key, (size_t)d * sizeof *key);
    }
}

/* A key's items lie `cols` apart in its panel. */
static void pack_keys(const struct attention_job *j, uint32_t *items, int64_t head, int64_t panel) {
    int64_t cols = j->cpu->kernels->cols, n = j->key_items, d = j->a->head_dim;
    uint32_t *to = key_panels(j, head) + panel * n * cols;
    for (int64_t c = 0; c < cols; c++) {
        int64_t row = panel * cols + c;
        if (row < j->k.rows) {
            float *widened = (float *)(void *)(items + cols * n);
            const float *key = cpu_floats(j->k, row, head * d, d, widened);
            convert_key(j, items + c * n, key, head, row);
        } else {
            memset(items + c * n, 0, (size_t)n * sizeof *items);
            if (j->int8) key_scales(j, head)[row] = 0;
            if (j->int8) key_offsets(j, head)[row] = 0;
        }
    }
    for (int64_t i = 0; i < n; i++, to += cols)
        for (int64_t c = 0; c < cols; c++) to[c] = items[c * n + i];
}

/* Values stay as they lie, row after row; as bfloat16 two rows are paired. */
static void pack_values(const struct attention_job *j, int64_t head, int64_t panel) {
    int64_t cols = j->cpu->kernels->cols, d = j->a->head_dim;
    for (int64_t vp = 0; vp < j->value_panels; vp++) {
        char *to = j->values + (size_t)head * j->values_bytes +
                   (size_t)((vp * j->key_capacity + panel * cols) * cols) * j->value_item;
        int64_t wide = min_of(cols, d - vp * cols);
        for (int64_t r = 0; r < cols; r += 2, to += 2 * (size_t)cols * j->value_item) {
            float pair[2][KERNEL_MAX_COLS] = {{0}};
            for (int i = 0; i < 2; i++) {
                int64_t row = panel * cols + r + i;
                if (row < j->v.rows) {
                    const float *v = cpu_floats(j->v, row, head * d + vp * cols, wide, pair[i]);
                    if (v != pair[i]) memcpy(pair[i], v, (size_t)wide * sizeof *v);
                }
                if (!j->bf16) memcpy((float *)to + i * cols, pair[i], (size_t)cols * sizeof **pair);
            }
            if (!j->bf16) continue;
            uint16_t bf16[2][KERNEL_MAX_COLS];
            for (int i = 0; i < 2; i++) j->cpu->kernels->to_bf16(bf16[i], pair[i], cols);
            for (int64_t c = 0; c < cols; c++)
                ((uint32_t *)to)[c] = bf16[0][c] | (uint32_t)bf16[1][c] << 16;
        }
    }
}

/* One panel of keys and the same keys' values, of one kv head. */
static void pack(void *arg, size_t task, int worker) {
    const struct attention_job *j = arg;
    const struct kernels *k = j->cpu->kernels;
    int64_t panels = j->key_capacity / k->cols;
    char *own = j->tiles + (size_t)worker * layout_of(k, j->a->head_dim).total;
    pack_keys(j, (uint32_t *)own, (int64_t)task / panels, (int64_t)task % panels);
    pack_values(j, (int64_t)task / panels, (int64_t)task % panels);
}

/* Queries [first, first + count) and the keys that they may see: [from, to), before the causal
 * mask. */
struct span {
    int64_t first, count, from, to;
};

/* Tiles do not cross segments. */
static struct span span_of(const struct attention *a, int64_t queries, int64_t keys, int64_t tile) {
    if (!a->segments) {
        int64_t first = tile * QUERIES, count = min_of(QUERIES, queries - first);
        int64_t to = a->causal ? min_of(keys, first + count + keys - queries) : keys;
        return (struct span){first, count, 0, to};
    }
    for (size_t s = 0; s < a->segment_count; s++) {
        int64_t from = a->segments[s], to = a->segments[s + 1],
                tiles = (to - from + QUERIES - 1) / QUERIES;
        if (tile < tiles)
            return (struct span){from + tile * QUERIES, min_of(QUERIES, to - from - tile * QUERIES),
                                 from, to};
        tile -= tiles;
    }
    return (struct span){0, 0, 0, 0};
}

static int64_t count_tiles(const struct attention *a, int64_t queries) {
    if (!a->segments) return (queries + QUERIES - 1) / QUERIES;
    int64_t n = 0;
    for (size_t s = 0; s < a->segment_count; s++)
        n += (a->segments[s + 1] - a->segments[s] + QUERIES - 1) / QUERIES;
    return n;
}

/* The tile's scores against keys [at, at + width), both multiples of a panel.  8-bit ones are whole
 * numbers yet. */
static void score(const struct attention_job *j, const struct layout *l, char *tile, int64_t count,
                  int64_t kv_head, int64_t at, int64_t width) {
    const struct kernels *k = j->cpu->kernels;
    const uint32_t *keys = key_panels(j, kv_head) + at * j->key_items;
    const void *row[QUERIES];
    for (int64_t i = 0; i < count; i++) row[i] = (const float *)(tile + l->q) + i * l->q_stride;
    for (int64_t c = 0; c < width; c += k->cols, keys += k->cols * j->key_items)
        for (int64_t i = 0; i < count; i += k->rows) {
            int rows = (int)min_of(k->rows, count - i);
            float *to = (float *)(tile + l->scores) + i * KEYS + c;
            const void *const *q = row + i;
            if (j->int8)
                k->product_int8(rows, 4 * j->key_items, (const uint8_t *const *)q,
                                (const int8_t *)keys, (int32_t *)(void *)to, KEYS, false);
            else if (j->bf16)
                k->product_bf16(rows, 2 * j->key_items, (const uint16_t *const *)q,
                                (const uint16_t *)keys, to, KEYS, false);
            else
                k->product(rows, j->key_items, (const float *const *)q, (const float *)keys, to,
                           KEYS, false);
        }
}

/* Adds the tile's weights times the values of keys [at, at + width) to its sums. */
static void weigh_values(const struct attention_job *j, const struct layout *l, char *tile,
                         int64_t count, int64_t kv_head, int64_t at, int64_t width) {
    const struct kernels *k = j->cpu->kernels;
    const char *values =
        j->values + (size_t)kv_head * j->values_bytes + (size_t)(at * k->cols) * j->value_item;
    const void *row[QUERIES];
    for (int64_t i = 0; i < count; i++) row[i] = (const float *)(tile + l->scores) + i * KEYS;
    for (int64_t vp = 0; vp < j->value_panels; vp++) {
        for (int64_t i = 0; i < count; i += k->rows) {
            int rows = (int)min_of(k->rows, count - i);
            float *to = (float *)(tile + l->sums) + i * l->sum_stride + vp * k->cols;
            const void *const *p = row + i;
            if (j->bf16)
                k->product_bf16(rows, width, (const uint16_t *const *)p, (const uint16_t *)values,
                                to, l->sum_stride, true);
            else
                k->product(rows, width, (const float *const *)p, (const float *)values, to,
                           l->sum_stride, true);
        }
        values += (size_t)(j->key_capacity * k->cols) * j->value_item;
    }
}

/* Turns a row of scores into weights, in place, [lo, hi) of them and zeros around; updates its
 * largest score and sum, and rescales its weighted sum. */
static void softmax_step(const struct attention_job *j, const struct layout *l, float *scores,
                         float *sums, float *max, float *total, int64_t lo, int64_t hi,
                         int64_t width) {
    const struct kernels *k = j->cpu->kernels;
    if (hi < lo) hi = lo;
    if (hi > lo) {
        float m = k->max(scores + lo, hi - lo);
        if (m > *max) {
            float shrink = exp2f(*max - m); /* 0 for the first tile */
            k->scale(sums, shrink, l->sum_stride);
            *total *= shrink;
            *max = m;
        }
        if (j->bf16)
            *total += k->exp2_sum_bf16((uint16_t *)scores + lo, scores + lo, *max, hi - lo);
        else
            *total += k->exp2_sum(scores + lo, *max, hi - lo);
    }
    memset(scores, 0, (size_t)lo * j->value_item);
    memset((char *)scores + (size_t)hi * j->value_item, 0, (size_t)(width - hi) * j->value_item);
}

/* A query of the tile, scaled and as the products want it; returns what its 8-bit products are to be
 * multiplied by. */
static float take_query(const struct attention_job *j, float *to, const float *query) {
    const struct kernels *k = j->cpu->kernels;
    float scale = j->a->scale * LOG2_E;
    int64_t d = j->a->head_dim;
    if (j->int8) return scale * cpu_round_row(k, (uint8_t *)to, 4 * j->key_items, query, d, 127);
    memcpy(to, query, (size_t)d * sizeof *to);
    to[d] = 0;
    k->scale(to, scale, d);
    if (j->bf16) k->to_bf16((uint16_t *)to, to, even(d));
    return 1;
}

static void attend_tile(void *arg, size_t task, int worker) {
    const struct attention_job *j = arg;
    const struct kernels *k = j->cpu->kernels;
    const struct attention *a = j->a;
    int64_t head = (int64_t)task / j->query_tiles, kv_head = head / (a->heads / a->kv_heads);
    struct span s = span_of(a, j->q.rows, j->k.rows, (int64_t)task % j->query_tiles);
    struct layout l = layout_of(k, a->head_dim);
    char *tile = j->tiles + (size_t)worker * l.total;
    float *sums = (float *)(tile + l.sums);
    float factor[QUERIES], max[QUERIES], total[QUERIES];

    for (int64_t i = 0; i < s.count; i++) {
        const float *query =
            cpu_floats(j->q, s.first + i, head * a->head_dim, a->head_dim, sums + i * l.sum_stride);
        factor[i] = take_query(j, (float *)(tile + l.q) + i * l.q_stride, query);
        memset(sums + i * l.sum_stride, 0, (size_t)l.sum_stride * sizeof *sums);
        max[i] = -INFINITY;
        total[i] = 0;
    }
    for (int64_t at = s.from / k->cols * k->cols; at < s.to; at += KEYS) {
        int64_t width = min_of(KEYS, (int64_t)round_up((size_t)(s.to - at), (size_t)k->cols));
        score(j, &l, tile, s.count, kv_head, at, width);
        for (int64_t i = 0; i < s.count; i++) {
            float *scores = (float *)(tile + l.scores) + i * KEYS;
            int64_t to = a->causal ? min_of(s.to, s.first + i + 1 + j->k.rows - j->q.rows) : s.to;
            int64_t lo = s.from > at ? s.from - at : 0, hi = min_of(width, to - at);
            if (j->int8)
                k->from_int8(scores, (const int32_t *)(const void *)scores,
                             key_offsets(j, kv_head) + at, key_scales(j, kv_head) + at, factor[i],
                             width);
            softmax_step(j, &l, scores, sums + i * l.sum_stride, &max[i], &total[i], lo, hi, width);
        }
        weigh_values(j, &l, tile, s.count, kv_head, at, width);
    }
    for (int64_t i = 0; i < s.count; i++) {
        float *sum = sums + i * l.sum_stride;
        k->scale(sum, 1.0f / total[i], a->head_dim);
        cpu_write(k, j->out, s.first + i, head * a->head_dim, sum, a->head_dim);
    }
}

void cpu_attention(struct workspace *w, struct tensor scratch, struct tensor out, struct tensor q,
                   struct tensor k, struct tensor v, const struct attention *a) {
    const struct cpu *cpu = cpu_of(w->compute);
    struct attention_job j = {.cpu = cpu, .a = a, .out = out, .q = q, .k = k, .v = v};
    sizes_of(&j, w->compute);
    j.keys = cpu_pointer(scratch.address);
    j.values = j.keys + j.keys_bytes * (size_t)a->kv_heads;
    j.tiles = j.values + j.values_bytes * (size_t)a->kv_heads;
    j.query_tiles = count_tiles(a, q.rows);
    pool_run(cpu->pool, (size_t)(a->kv_heads * (j.key_capacity / cpu->kernels->cols)), pack, &j);
    pool_run(cpu->pool, (size_t)(a->heads * j.query_tiles), attend_tile, &j);
}
