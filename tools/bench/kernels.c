/*
 * bench_kernels - how fast the products, attention and convolution run with each kernel table that
 * this CPU has.
 *
 *     bench_kernels [TABLE] [THREADS] [WHAT]      TABLE: generic, avx2, avx512, avx512-vnni,
 *                                           avx512-bf16, or all
 *                                                 WHAT: linear, attention or conv; without: all
 *
 * Prints GFLOP/s, a multiply-add being two operations: the best of several runs, because anything
 * else that runs on the machine can only slow one down.  Compare figures of one run with each
 * other, not with those of another day.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "compute/operations.h"

static void *must(void *memory) {
    if (!memory) {
        fprintf(stderr, "bench_kernels: no memory\n");
        exit(1);
    }
    return memory;
}

static void must_be_ok(enum status s, const struct error *err) {
    if (s == STATUS_OK) return;
    fprintf(stderr, "bench_kernels: %s\n", err->text);
    exit(1);
}

/* Small values of both signs: no overflow, no subnormals. */
static float *make_floats(size_t n) {
    float *x = must(malloc(n * sizeof *x));
    for (size_t i = 0; i < n; i++) x[i] = (float)((i * 2654435761u >> 7 & 255)) / 256.0f - 0.4f;
    return x;
}

static void fill(struct workspace *w, struct tensor t) {
    if (workspace_is_dry(w)) return;
    float *x = make_floats((size_t)(t.rows * t.cols));
    tensor_upload(w, t, x);
    free(x);
}

/* What is measured: `work` takes its tensors, and times its operation unless the workspace is
 * dry. */
struct bench {
    const char *what;
    int64_t rows, depth, out; /* or queries, keys, head_dim; or side, in and out channels */
    int zoom;                 /* of a convolution's input: 1 or 2 */
    double operations, best;  /* best: seconds */
    const struct linear *linear;
    const struct conv *conv;
};

static bool again(struct bench *b, int *runs, double *total, double started) {
    double took = clock_now_seconds() - started;
    if (b->best == 0 || took < b->best) b->best = took;
    *total += took;
    return ++*runs < 3 || (*total < 0.5 && *runs < 50);
}

#define MEASURE(OPERATION)                                                                         \
    do {                                                                                           \
        double total = 0, started;                                                                 \
        int runs = 0;                                                                              \
        do {                                                                                       \
            started = clock_now_seconds();                                                         \
            OPERATION;                                                                             \
        } while (!workspace_is_dry(w) && again(b, &runs, &total, started));                        \
    } while (0)

static void linear_work(struct workspace *w, struct bench *b) {
    struct tensor x = tensor_take(w, b->rows, b->depth), y = tensor_take(w, b->rows, b->out);
    fill(w, x);
    MEASURE(op_linear(w, y, x, b->linear, NULL));
}

static void attention_work(struct workspace *w, struct bench *b) {
    struct attention a = {.heads = 4,
                          .kv_heads = 4,
                          .head_dim = b->out,
                          .scale = 0.1f,
                          .bears = PRECISION_FLOAT32 | PRECISION_BFLOAT16};
    struct tensor q = tensor_take(w, b->rows, 4 * b->out), k = tensor_take(w, b->depth, 4 * b->out),
                  v = tensor_take(w, b->depth, 4 * b->out),
                  out = tensor_take(w, b->rows, 4 * b->out);
    fill(w, q);
    fill(w, k);
    fill(w, v);
    MEASURE(op_attention(w, out, q, k, v, &a));
}

static void conv_work(struct workspace *w, struct bench *b) {
    struct feature_map x = feature_map_take(w, b->rows / b->zoom, b->rows / b->zoom, b->depth),
                       y = feature_map_take(w, b->rows, b->rows, b->out);
    fill(w, x.t);
    struct conv_options o = {.stride = 1, .pad_top = 1, .pad_left = 1, .upsample = b->zoom == 2};
    MEASURE(op_conv(w, y, x, b->conv, &o));
}

static void measure(struct compute *c, struct bench *b,
                    void (*work)(struct workspace *w, struct bench *b)) {
    struct workspace *w;
    struct error err;
    must_be_ok(workspace_create_dry(&w, c, &err), &err);
    work(w, b);
    must_be_ok(workspace_check(w, &err), &err);
    struct workspace_size size = workspace_peak(w);
    workspace_destroy(w);
    must_be_ok(workspace_create(&w, c, size, NULL, NULL, &err), &err);
    work(w, b);
    must_be_ok(workspace_check(w, &err), &err);
    workspace_destroy(w);
    printf("%-13s %-28s %6lld x %5lld x %5lld %9.1f\n", compute_kernels(c), b->what,
           (long long)b->rows, (long long)b->depth, (long long)b->out,
           b->operations / b->best * 1e-9);
    fflush(stdout);
}

static void bench_linear(struct compute *c, int64_t rows, int64_t depth, int64_t out) {
    size_t n = (size_t)(depth * out);
    float *weight = make_floats(n);
    uint16_t *bits = must(malloc(n * sizeof *bits));
    for (size_t i = 0; i < n; i++) bits[i] = bf16_from_float(weight[i]);
    struct matrix f32 = {.dtype = DTYPE_F32, .rows = out, .cols = depth, .data = weight},
                  bf16 = {.dtype = DTYPE_BF16, .rows = out, .cols = depth, .data = bits};
    const struct {
        const char *name;
        struct matrix *matrix;
        enum precision precision;
    } kinds[] = {{"linear, float32", &f32, PRECISION_FLOAT32},
                 {"linear, bfloat16 weights", &bf16, PRECISION_FLOAT32},
                 {"linear, bfloat16 products", &bf16, PRECISION_BFLOAT16},
                 {"linear, int8 products", &bf16, PRECISION_INT8}};
    bool multiplies_bf16 = strcmp(compute_kernels(c), "avx512-bf16") == 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct linear *l;
        struct error err;
        if (kinds[i].precision == PRECISION_BFLOAT16 && !multiplies_bf16) continue;
        must_be_ok(compute_pack_linear(c, &l, kinds[i].matrix, 1, NULL, kinds[i].precision, &err),
                   &err);
        struct bench b = {
            .what = kinds[i].name, .rows = rows, .depth = depth, .out = out, .linear = l};
        b.operations = 2.0 * (double)rows * (double)depth * (double)out;
        measure(c, &b, linear_work);
        linear_destroy(l);
    }
    free(weight);
    free(bits);
}

static void bench_attention(struct compute *c, int64_t queries, int64_t keys, int64_t head_dim) {
    struct bench b = {
        .what = "attention, 4 heads", .rows = queries, .depth = keys, .out = head_dim};
    b.operations = 4.0 * 4 * (double)queries * (double)keys * (double)head_dim;
    measure(c, &b, attention_work);
}

static void bench_conv(struct compute *c, int64_t side, int64_t in, int64_t out, int zoom) {
    float *weight = make_floats((size_t)(in * out * 9));
    struct conv *v;
    struct error err;
    must_be_ok(compute_pack_conv(c, &v, weight, NULL, out, in, 3, PRECISION_FLOAT32, &err), &err);
    struct bench b = {.what = zoom == 2 ? "upsample, conv 3x3" : "conv 3x3, a square",
                      .zoom = zoom,
                      .rows = side,
                      .depth = in,
                      .out = out,
                      .conv = v};
    b.operations = 2.0 * 9 * (double)(side * side) * (double)in * (double)out;
    measure(c, &b, conv_work);
    conv_destroy(v);
    free(weight);
}

static void print_machine(int threads) {
    char line[8192];
    bool model = false, flags = false;
    static const char *const sets[] = {"avx2",        "fma",      "avx512f", "avx512_vnni",
                                       "avx512_bf16", "amx_bf16", "asimd",   "bf16"};
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f) && !(model && flags)) {
        char *value = strchr(line, ':');
        if (!value) continue;
        if (!model && strncmp(line, "model name", 10) == 0) {
            printf("# %s", value + 2);
            model = true;
        }
        if (flags || (strncmp(line, "flags", 5) != 0 && strncmp(line, "Features", 8) != 0))
            continue;
        flags = true;
        value[strcspn(value, "\n")] = ' ';
        printf("# instruction sets:");
        for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
            char word[32];
            snprintf(word, sizeof word, " %s ", sets[i]);
            if (strstr(value, word)) printf(" %s", sets[i]);
        }
        printf("\n");
    }
    if (f) fclose(f);
    printf("# threads: %d\n# %-11s %-28s %-22s %9s\n", threads, "table", "operation",
           "rows x depth x columns", "GFLOP/s");
}

static void bench_linears(struct compute *c) {
    bench_linear(c, 4096, 3072, 3072);
    bench_linear(c, 1024, 3072, 12288);
    bench_linear(c, 64, 3584, 3584);
    bench_linear(c, 8, 3072, 18432);
    bench_linear(c, 1, 3072, 18432);
}

/* What the VAE does to a picture of 512x512, from the inside out. */
static void bench_convs(struct compute *c) {
    bench_conv(c, 64, 384, 384, 1);
    bench_conv(c, 128, 384, 384, 1);
    bench_conv(c, 256, 192, 192, 1);
    bench_conv(c, 512, 96, 96, 1);
    bench_conv(c, 512, 3, 96, 1);
    bench_conv(c, 512, 96, 3, 1);
    bench_conv(c, 256, 384, 192, 2);
    bench_conv(c, 512, 192, 96, 2);
}

static bool wanted(const char *what, const char *name) {
    return !what || strcmp(what, name) == 0;
}

int main(int argc, char **argv) {
    static const char *const tables[] = {"generic", "avx2", "avx512", "avx512-vnni", "avx512-bf16"};
    const char *only = argc > 1 ? argv[1] : "all";
    int threads = argc > 2 ? atoi(argv[2]) : 1;
    const char *what = argc > 3 ? argv[3] : NULL;
    print_machine(threads);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct compute *c;
        struct error err;
        struct compute_options options = {.threads = threads,
                                          .precisions = PRECISION_BFLOAT16 | PRECISION_INT8,
                                          .kernels = tables[i]};
        if (strcmp(only, "all") != 0 && strcmp(only, tables[i]) != 0) continue;
        if (compute_create(&c, &options, &err) != STATUS_OK) {
            printf("# skipped: %s\n", err.text);
            continue;
        }
        if (wanted(what, "linear")) bench_linears(c);
        if (wanted(what, "attention")) {
            bench_attention(c, 1024, 1024, 128);
            bench_attention(c, 2048, 4096, 128);
        }
        if (wanted(what, "conv")) bench_convs(c);
        compute_destroy(c);
    }
    return 0;
}
