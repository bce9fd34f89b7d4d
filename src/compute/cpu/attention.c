/*
 * Attention without the score matrix (Milakov & Gimelshein 2018; Dao et al. 2022, FlashAttention):
 * a task takes a tile of queries of one head and walks over the keys in tiles, keeping for each
 * query the largest score so far, the sum of the exponentials relative to it, and the weighted sum
 * of values, which are rescaled whenever a larger score turns up.
 *
 * Keys and values are packed into panels first, once per key-value head, as right-hand sides of
 * ordinary products: scores = Q (K^T), out += P V.  With bfloat16 products Q and P are rounded,
 * sums and the softmax stay float32.
 */
#include <math.h>
#include <string.h>

#include "compute/cpu/cpu.h"

/* exp(x) is 2^(x LOG2_E): scores carry the factor from the start. */
#define LOG2_E 1.44269504088896341f

enum { QUERIES = 48, KEYS = 512 }; /* of a tile; multiples of every table's `rows` and `cols` */

struct job {
    const struct cpu *cpu;
    const struct attention *a;
    struct tensor out, q, k, v;
    bool bf16;
    size_t item;      /* bytes of a packed number */
    int64_t key_room; /* keys rounded up to whole panels */
    int64_t value_panels;
    char *keys,
        *values; /* per kv head: [key panels][head_dim][cols], [value panels][key_room][cols] */
    size_t keys_bytes, values_bytes; /* of one head */
    char *tiles;                     /* per worker */
    int64_t query_tiles;
};

/* A worker's own memory: its tile of queries, their scores, their sums. */
struct layout {
    size_t q, scores, sums, total; /* offsets in bytes */
    int64_t q_stride, sum_stride;  /* numbers from query to query */
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
    return l;
}

static void sizes_of(struct job *j, const struct kernels *k) {
    j->bf16 = k->product_bf16 != NULL;
    j->item = j->bf16 ? 2 : 4;
    j->key_room = (int64_t)round_up((size_t)j->k.rows, (size_t)k->cols);
    j->value_panels = (j->a->head_dim + k->cols - 1) / k->cols;
    j->keys_bytes = round_up((size_t)(j->key_room * even(j->a->head_dim)) * j->item, 64);
    j->values_bytes = round_up((size_t)(j->value_panels * j->key_room * k->cols) * j->item, 64);
}

size_t cpu_attention_scratch(struct compute *c, struct tensor q, struct tensor k,
                             const struct attention *a) {
    (void)q;
    const struct kernels *kernels = cpu_of(c)->kernels;
    struct job j = {.a = a, .k = k};
    sizes_of(&j, kernels);
    return (j.keys_bytes + j.values_bytes) * (size_t)a->kv_heads +
           layout_of(kernels, a->head_dim).total * (size_t)c->threads;
}

/* A key's numbers from one to the next lie `cols` apart in a panel, as bfloat16 in pairs: both are
 * items of 32 bits.  TURN of them are turned over at a time. */
enum { TURN = 64 };

static void pack_keys(const struct job *j, int64_t head, int64_t panel) {
    const struct kernels *kernels = j->cpu->kernels;
    int64_t cols = kernels->cols, d = j->a->head_dim, items = j->bf16 ? even(d) / 2 : d;
    int64_t per_item = j->bf16 ? 2 : 1;
    uint32_t key[KERNEL_MAX_COLS][TURN] = {{0}};
    uint32_t *to = (uint32_t *)(j->keys + (size_t)head * j->keys_bytes +
                                (size_t)(panel * even(d) * cols) * j->item);
    for (int64_t from = 0; from < items; from += TURN) {
        int64_t n = least(TURN, items - from), first = from * per_item;
        int64_t numbers = least(TURN * per_item, d - first);
        for (int64_t c = 0; c < cols && panel * cols + c < j->k.rows; c++) {
            const float *k = j->k.data + (panel * cols + c) * j->k.stride + head * d + first;
            key[c][n - 1] = 0; /* an odd head_dim ends in half an item */
            if (j->bf16)
                kernels->to_bf16((uint16_t *)key[c], k, numbers);
            else
                memcpy(key[c], k, (size_t)numbers * sizeof *k);
        }
        for (int64_t i = 0; i < n; i++, to += cols)
            for (int64_t c = 0; c < cols; c++) to[c] = key[c][i];
    }
}

/* Values stay as they lie, row after row; as bfloat16 two rows are paired. */
static void pack_values(const struct job *j, int64_t head, int64_t panel) {
    int64_t cols = j->cpu->kernels->cols, d = j->a->head_dim;
    for (int64_t vp = 0; vp < j->value_panels; vp++) {
        char *to = j->values + (size_t)head * j->values_bytes +
                   (size_t)((vp * j->key_room + panel * cols) * cols) * j->item;
        size_t wide = (size_t)least(cols, d - vp * cols);
        for (int64_t r = 0; r < cols; r += 2, to += 2 * (size_t)cols * j->item) {
            float pair[2][KERNEL_MAX_COLS] = {{0}};
            for (int i = 0; i < 2; i++) {
                int64_t row = panel * cols + r + i;
                const float *v = j->v.data + row * j->v.stride + head * d + vp * cols;
                if (row < j->v.rows) memcpy(pair[i], v, wide * sizeof *v);
                if (!j->bf16) memcpy((float *)to + i * cols, pair[i], (size_t)cols * sizeof *v);
            }
            if (!j->bf16) continue;
            uint16_t half[2][KERNEL_MAX_COLS];
            for (int i = 0; i < 2; i++) j->cpu->kernels->to_bf16(half[i], pair[i], cols);
            for (int64_t c = 0; c < cols; c++)
                ((uint32_t *)to)[c] = half[0][c] | (uint32_t)half[1][c] << 16;
        }
    }
}

/* One panel of keys and the same keys' values, of one kv head. */
static void pack(void *arg, size_t task, int worker) {
    (void)worker;
    const struct job *j = arg;
    int64_t panels = j->key_room / j->cpu->kernels->cols;
    pack_keys(j, (int64_t)task / panels, (int64_t)task % panels);
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
        int64_t first = tile * QUERIES, count = least(QUERIES, queries - first);
        int64_t to = a->causal ? least(keys, first + count + keys - queries) : keys;
        return (struct span){first, count, 0, to};
    }
    for (size_t s = 0; s < a->segment_count; s++) {
        int64_t from = a->segments[s], to = a->segments[s + 1],
                tiles = (to - from + QUERIES - 1) / QUERIES;
        if (tile < tiles)
            return (struct span){from + tile * QUERIES, least(QUERIES, to - from - tile * QUERIES),
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

static void product(const struct job *j, int rows, int64_t depth, const float *const *a,
                    const char *b, float *c, int64_t ldc, bool add) {
    const struct kernels *k = j->cpu->kernels;
    if (j->bf16)
        k->product_bf16(rows, even(depth), (const uint16_t *const *)(const void *)a,
                        (const uint16_t *)b, c, ldc, add);
    else
        k->product(rows, depth, a, (const float *)b, c, ldc, add);
}

/* The tile's scores against keys [at, at + width), both multiples of a panel. */
static void score(const struct job *j, const struct layout *l, char *tile, const struct span *s,
                  int64_t kv_head, int64_t at, int64_t width) {
    const struct kernels *k = j->cpu->kernels;
    const char *keys = j->keys + (size_t)kv_head * j->keys_bytes;
    const float *row[QUERIES];
    for (int64_t i = 0; i < s->count; i++) row[i] = (const float *)(tile + l->q) + i * l->q_stride;
    for (int64_t c = 0; c < width; c += k->cols)
        for (int64_t i = 0; i < s->count; i += k->rows)
            product(j, (int)least(k->rows, s->count - i), j->a->head_dim, row + i,
                    keys + (size_t)((at + c) * even(j->a->head_dim)) * j->item,
                    (float *)(tile + l->scores) + i * KEYS + c, KEYS, false);
}

/* Turns a row of scores into weights, in place, [lo, hi) of them and zeros around; updates its
 * largest score and sum, and rescales what it has gathered. */
static void soften(const struct job *j, const struct layout *l, float *scores, float *sums,
                   float *most, float *total, int64_t lo, int64_t hi, int64_t width) {
    const struct kernels *k = j->cpu->kernels;
    if (hi < lo) hi = lo;
    if (hi > lo) {
        float m = k->max(scores + lo, hi - lo);
        if (m > *most) {
            float shrink = exp2f(*most - m); /* 0 for the first tile */
            k->scale(sums, shrink, l->sum_stride);
            *total *= shrink;
            *most = m;
        }
        if (j->bf16)
            *total += k->exp2_sum_bf16((uint16_t *)scores + lo, scores + lo, *most, hi - lo);
        else
            *total += k->exp2_sum(scores + lo, *most, hi - lo);
    }
    memset(scores, 0, (size_t)lo * j->item);
    memset((char *)scores + (size_t)hi * j->item, 0, (size_t)(width - hi) * j->item);
}

static void attend_tile(void *arg, size_t task, int worker) {
    const struct job *j = arg;
    const struct kernels *k = j->cpu->kernels;
    const struct attention *a = j->a;
    int64_t head = (int64_t)task / j->query_tiles, kv_head = head / (a->heads / a->kv_heads);
    struct span s = span_of(a, j->q.rows, j->k.rows, (int64_t)task % j->query_tiles);
    struct layout l = layout_of(k, a->head_dim);
    char *tile = j->tiles + (size_t)worker * l.total;
    float *sums = (float *)(tile + l.sums), *scores = (float *)(tile + l.scores);
    float most[QUERIES], total[QUERIES];
    const float *weight[QUERIES];

    for (int64_t i = 0; i < s.count; i++) {
        float *q = (float *)(tile + l.q) + i * l.q_stride;
        memcpy(q, j->q.data + (s.first + i) * j->q.stride + head * a->head_dim,
               (size_t)a->head_dim * sizeof *q);
        q[a->head_dim] = 0;
        k->scale(q, a->scale * LOG2_E, a->head_dim);
        if (j->bf16) k->to_bf16((uint16_t *)q, q, even(a->head_dim));
        memset(sums + i * l.sum_stride, 0, (size_t)l.sum_stride * sizeof *sums);
        most[i] = -INFINITY;
        total[i] = 0;
        weight[i] = scores + i * KEYS;
    }
    const char *values = j->values + (size_t)kv_head * j->values_bytes;
    for (int64_t at = s.from / k->cols * k->cols; at < s.to; at += KEYS) {
        int64_t width = least(KEYS, (int64_t)round_up((size_t)(s.to - at), (size_t)k->cols));
        score(j, &l, tile, &s, kv_head, at, width);
        for (int64_t i = 0; i < s.count; i++) {
            int64_t to = a->causal ? least(s.to, s.first + i + 1 + j->k.rows - j->q.rows) : s.to;
            int64_t lo = s.from > at ? s.from - at : 0, hi = least(width, to - at);
            soften(j, &l, scores + i * KEYS, sums + i * l.sum_stride, &most[i], &total[i], lo, hi,
                   width);
        }
        for (int64_t vp = 0; vp < j->value_panels; vp++)
            for (int64_t i = 0; i < s.count; i += k->rows)
                product(j, (int)least(k->rows, s.count - i), width, weight + i,
                        values + (size_t)((vp * j->key_room + at) * k->cols) * j->item,
                        sums + i * l.sum_stride + vp * k->cols, l.sum_stride, true);
    }
    for (int64_t i = 0; i < s.count; i++) {
        k->scale(sums + i * l.sum_stride, 1.0f / total[i], a->head_dim);
        memcpy(j->out.data + (s.first + i) * j->out.stride + head * a->head_dim,
               sums + i * l.sum_stride, (size_t)a->head_dim * sizeof *sums);
    }
}

void cpu_attention(struct workspace *w, void *scratch, struct tensor out, struct tensor q,
                   struct tensor k, struct tensor v, const struct attention *a) {
    const struct cpu *cpu = cpu_of(w->compute);
    struct job j = {.cpu = cpu, .a = a, .out = out, .q = q, .k = k, .v = v};
    sizes_of(&j, cpu->kernels);
    j.keys = scratch;
    j.values = j.keys + j.keys_bytes * (size_t)a->kv_heads;
    j.tiles = j.values + j.values_bytes * (size_t)a->kv_heads;
    j.query_tiles = count_tiles(a, q.rows);
    pool_run(cpu->pool, (size_t)(a->kv_heads * (j.key_room / cpu->kernels->cols)), pack, &j);
    pool_run(cpu->pool, (size_t)(a->heads * j.query_tiles), attend_tile, &j);
}
