/*
 * bench_onednn - which share of the machine's matrix products a transformer's forward pass reaches.
 *
 *     bench_onednn MODEL [THREADS] [SIDE]
 *
 * For float32, bfloat16 and int8 in turn: the best of oneDNN's matmul over a few large shapes, its
 * weights in the layout that it likes best; then the denoising of an edit of SIDE x SIDE pixels
 * (512) by MODEL.  Prints both in GFLOP/s, a multiply-add being two operations, and their ratio.
 * FIRERED_KERNELS=avx2 holds both to AVX2, where oneDNN has no bfloat16.
 *
 * oneDNN is Debian's libdnnl-dev; firered itself does not use it.
 */
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "firered.h"

/* ---- oneDNN ---- */

struct types {
    dnnl_data_type_t in, weights, out;
};

/* A tensor of zeros as the primitive wants it; false without memory. */
static bool make_memory(dnnl_memory_t *out, const_dnnl_primitive_desc_t p, dnnl_query_t what,
                        dnnl_engine_t engine) {
    const dnnl_memory_desc_t *d = dnnl_primitive_desc_query_md(p, what, 0);
    void *data;
    if (dnnl_memory_create(out, d, engine, DNNL_MEMORY_ALLOCATE) != dnnl_success) return false;
    if (dnnl_memory_get_data_handle(*out, &data) != dnnl_success) return false;
    memset(data, 0, dnnl_memory_desc_get_size(d));
    return true;
}

/* GFLOP/s of one shape, the best of the runs of about a second; 0 where oneDNN has no such
 * product, or only its plain reference. */
static double matmul(dnnl_engine_t engine, struct types t, int64_t rows, int64_t depth,
                     int64_t cols) {
    dnnl_memory_desc_t in, weights, out;
    dnnl_matmul_desc_t d;
    dnnl_primitive_desc_t p = NULL;
    dnnl_primitive_t matmul = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_memory_t memory[3] = {NULL};
    const char *name = "";
    double best = 0;
    dnnl_memory_desc_init_by_tag(&in, 2, (dnnl_dims_t){rows, depth}, t.in, dnnl_ab);
    dnnl_memory_desc_init_by_tag(&weights, 2, (dnnl_dims_t){depth, cols}, t.weights,
                                 dnnl_format_tag_any);
    dnnl_memory_desc_init_by_tag(&out, 2, (dnnl_dims_t){rows, cols}, t.out, dnnl_ab);
    bool there = dnnl_matmul_desc_init(&d, &in, &weights, NULL, &out) == dnnl_success &&
                 dnnl_primitive_desc_create(&p, &d, NULL, engine, NULL) == dnnl_success &&
                 dnnl_primitive_desc_query(p, dnnl_query_impl_info_str, 0, &name) == dnnl_success &&
                 !strstr(name, "ref") && dnnl_primitive_create(&matmul, p) == dnnl_success &&
                 dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) == dnnl_success &&
                 make_memory(&memory[0], p, dnnl_query_src_md, engine) &&
                 make_memory(&memory[1], p, dnnl_query_weights_md, engine) &&
                 make_memory(&memory[2], p, dnnl_query_dst_md, engine);
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, memory[0]}, {DNNL_ARG_WEIGHTS, memory[1]}, {DNNL_ARG_DST, memory[2]}};
    double end = clock_now_seconds() + 1;
    while (there && clock_now_seconds() < end) {
        double start = clock_now_seconds();
        if (dnnl_primitive_execute(matmul, stream, 3, args) != dnnl_success ||
            dnnl_stream_wait(stream) != dnnl_success)
            break;
        double rate =
            2e-9 * (double)rows * (double)depth * (double)cols / (clock_now_seconds() - start);
        if (rate > best) best = rate;
    }
    for (int i = 0; i < 3; i++)
        if (memory[i]) dnnl_memory_destroy(memory[i]);
    if (stream) dnnl_stream_destroy(stream);
    if (matmul) dnnl_primitive_destroy(matmul);
    if (p) dnnl_primitive_desc_destroy(p);
    return best;
}

static double best_matmul(dnnl_engine_t engine, struct types t) {
    static const int64_t shapes[][3] = {
        {2048, 1024, 4096}, {4096, 3072, 3072}, {1024, 3072, 12288}};
    double best = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        double rate = matmul(engine, t, shapes[i][0], shapes[i][1], shapes[i][2]);
        if (rate > best) best = rate;
    }
    return best;
}

/* ---- our forward pass ---- */

/* Its GFLOP/s, and which kernels it ran on. */
static double forward(const char *model, enum firered_dtype dtype, int threads, int side,
                      char kernels[32]) {
    struct firered *engine = NULL;
    struct firered_result result = {0};
    struct error err = {{0}};
    struct firered_info info;
    size_t bytes = (size_t)side * (size_t)side * 3;
    struct picture picture = {side, side, malloc(bytes)};
    struct firered_options options = {.model = model, .dtype = dtype, .threads = threads};
    struct firered_edit edit = {.pictures = &picture,
                                .picture_count = 1,
                                .prompt = "make it night",
                                .steps = 2,
                                .guidance_scale = 1,
                                .width = side,
                                .height = side};
    double rate = 0;
    for (size_t i = 0; picture.rgb && i < bytes; i++) picture.rgb[i] = (uint8_t)(i * 7 / 3);
    if (picture.rgb && firered_open(&engine, &options, &err) == STATUS_OK &&
        firered_edit_run(engine, &edit, &result, &err) == STATUS_OK) {
        const struct firered_cost *c = &result.phases[FIRERED_PHASE_DENOISE];
        firered_describe(engine, &info);
        snprintf(kernels, 32, "%s", info.kernels);
        rate = c->flops / c->seconds * 1e-9;
    } else {
        fprintf(stderr, "bench_onednn: %s\n", picture.rgb ? err.text : "no memory for a picture");
    }
    picture_free(&result.picture);
    picture_free(&picture);
    firered_close(engine);
    return rate;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        enum firered_dtype dtype;
        struct types types;
    } tiers[] = {{"float32", FIRERED_DTYPE_FLOAT32, {dnnl_f32, dnnl_f32, dnnl_f32}},
                 {"bfloat16", FIRERED_DTYPE_BFLOAT16, {dnnl_bf16, dnnl_bf16, dnnl_f32}},
                 {"int8", FIRERED_DTYPE_INT8, {dnnl_u8, dnnl_s8, dnnl_s32}}};
    if (argc < 2) {
        fprintf(stderr, "usage: bench_onednn MODEL [THREADS] [SIDE]\n");
        return 2;
    }
    int threads = argc > 2 ? atoi(argv[2]) : 1, side = argc > 3 ? atoi(argv[3]) : 512;
    const char *kernels = getenv("FIRERED_KERNELS");
    dnnl_engine_t engine;
    if (threads > 0) omp_set_num_threads(threads);
    if (kernels && strcmp(kernels, "avx2") == 0) dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success) {
        fprintf(stderr, "bench_onednn: oneDNN does not start\n");
        return 1;
    }
    printf("%-9s %-12s %12s %13s %6s\n", "dtype", "kernels", "forward pass", "oneDNN's best",
           "share");
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
        char used[32] = "";
        double best = best_matmul(engine, tiers[i].types);
        double ours = forward(argv[1], tiers[i].dtype, threads, side, used);
        if (ours == 0) return 1;
        if (best > 0)
            printf("%-9s %-12s %12.1f %13.1f %5.0f%%\n", tiers[i].name, used, ours, best,
                   100 * ours / best);
        else
            printf("%-9s %-12s %12.1f %13s\n", tiers[i].name, used, ours, "has none");
        fflush(stdout);
    }
    dnnl_engine_destroy(engine);
    return 0;
}
