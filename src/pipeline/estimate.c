/*
 * Linear layers and attention count as one kind: in a small edit attention has so little to do that
 * its own speed says nothing, and in a large one it is about as fast as the layers.
 */
#include "pipeline/estimate.h"

#include <stdlib.h>

#include "base/clock.h"
#include "compute/operations.h"

static const enum firered_operation products[] = {FIRERED_OPERATION_LINEAR,
                                                  FIRERED_OPERATION_ATTENTION};
static const enum firered_operation others[] = {FIRERED_OPERATION_NORM, FIRERED_OPERATION_ROTARY,
                                                FIRERED_OPERATION_ELEMENTWISE,
                                                FIRERED_OPERATION_TRANSFER};

static struct firered_cost sum(const struct firered_cost *costs, const enum firered_operation *of,
                               size_t count) {
    struct firered_cost all = {0};
    for (size_t i = 0; i < count; i++) {
        all.seconds += costs[of[i]].seconds;
        all.flops += costs[of[i]].flops;
        all.bytes += costs[of[i]].bytes;
    }
    return all;
}

static struct firered_cost products_of(const struct firered_cost *costs) {
    return sum(costs, products, sizeof products / sizeof *products);
}

static struct firered_cost others_of(const struct firered_cost *costs) {
    return sum(costs, others, sizeof others / sizeof *others);
}

static double rate(double amount, double seconds) {
    return seconds > 0 ? amount / seconds : 0;
}

/* Fewer say nothing about the speed of many. */
static const double ENOUGH_FLOPS = 1e8;

void engine_speed_measure(struct engine_speed *out, const struct firered_result *small) {
    const struct firered_cost denoise = products_of(small->operations[FIRERED_PHASE_DENOISE]);
    for (int i = 0; i < FIRERED_PHASES; i++) {
        const struct firered_cost *costs = small->operations[i];
        const struct firered_cost *conv = &costs[FIRERED_OPERATION_CONV];
        struct firered_cost product = products_of(costs), other = others_of(costs);
        double wait = small->phases[i].seconds - product.seconds - other.seconds - conv->seconds;
        if (product.flops < ENOUGH_FLOPS && denoise.flops > product.flops) product = denoise;
        out->phases[i] = (struct phase_speed){.products = rate(product.flops, product.seconds),
                                              .convs = rate(conv->flops, conv->seconds),
                                              .bytes = rate(other.bytes, other.seconds),
                                              .wait = wait > 0 ? wait : 0};
    }
}

/* ---- without an edit ---- */

enum { ROWS = 192, MAX_WIDTH = 3072, MIN_RUNS = 3, MAX_RUNS = 100 };
static const double ENOUGH_SECONDS = 0.1;

/* Floating-point operations a second of the fastest of some runs. */
static double time_product(struct workspace *w, const struct linear *l, int64_t width) {
    struct tensor in = tensor_take(w, ROWS, width), out = tensor_take(w, ROWS, width);
    double flops = 2.0 * ROWS * (double)width * (double)width, best = 0, spent = 0;
    float *rows = workspace_host(w, (size_t)(ROWS * width) * sizeof *rows);
    for (int64_t i = 0; i < ROWS * width && rows; i++) rows[i] = (float)(i % 17 - 8);
    if (rows) tensor_upload(w, in, rows);
    int runs = workspace_is_dry(w) ? 1 : MAX_RUNS;
    for (int i = 0; i < runs && (i < MIN_RUNS || spent < ENOUGH_SECONDS); i++) {
        workspace_costs(w); /* waits */
        double from = clock_now_seconds();
        op_linear(w, out, in, l, NULL);
        workspace_costs(w);
        double seconds = clock_now_seconds() - from;
        spent += seconds;
        if (rate(flops, seconds) > best) best = rate(flops, seconds);
    }
    return best;
}

static enum status time_packed(double *speed, struct compute *c, const struct linear *l,
                               int64_t width, struct error *err) {
    struct workspace *dry = NULL, *w = NULL;
    enum status s = workspace_create_dry(&dry, c, err);
    if (s == STATUS_OK) time_product(dry, l, width);
    if (s == STATUS_OK) s = workspace_create(&w, c, workspace_peak(dry), NULL, NULL, err);
    if (s == STATUS_OK) *speed = time_product(w, l, width);
    if (s == STATUS_OK) s = workspace_check(w, err);
    workspace_destroy(dry);
    workspace_destroy(w);
    return s;
}

static enum status measure_product(double *speed, struct compute *c, int64_t width, unsigned bears,
                                   struct error *err) {
    if (width > MAX_WIDTH) width = MAX_WIDTH; /* beyond, the speed is the same */
    uint16_t *numbers = malloc((size_t)(width * width) * sizeof *numbers);
    if (!numbers) return fail(err, STATUS_NO_MEMORY, "no memory to measure the speed");
    for (int64_t i = 0; i < width * width; i++) numbers[i] = bf16_from_float((float)(i % 13 - 6));
    const struct matrix weight = {
        .dtype = DTYPE_BF16, .rows = width, .cols = width, .data = numbers};
    struct linear *l = NULL;
    enum status s = compute_pack_linear(c, &l, &weight, 1, NULL, bears, err);
    if (s == STATUS_OK) s = time_packed(speed, c, l, width, err);
    linear_destroy(l);
    free(numbers);
    return s;
}

enum status engine_speed_of_product(struct engine_speed *out, struct compute *c, int64_t width,
                                    struct error *err) {
    static const unsigned all = PRECISION_FLOAT32 | PRECISION_BFLOAT16 | PRECISION_INT8;
    double any = 0, exact = 0;
    *out = (struct engine_speed){0};
    enum status s = measure_product(&any, c, width, all, err);
    if (s == STATUS_OK) s = measure_product(&exact, c, width, PRECISION_FLOAT32, err);
    for (int i = 0; i < FIRERED_PHASES; i++) {
        bool vae = i == FIRERED_PHASE_VAE_ENCODE || i == FIRERED_PHASE_VAE_DECODE;
        double speed = vae ? exact : any;
        out->phases[i] = (struct phase_speed){.products = speed, .convs = speed};
    }
    return s;
}

/* ---- what an edit takes ---- */

static double flops_of(const struct firered_cost *costs) {
    return products_of(costs).flops + costs[FIRERED_OPERATION_CONV].flops;
}

double edit_costs_flops(const struct edit_costs *costs, int steps) {
    double flops = (steps - 1) * flops_of(costs->step);
    for (int i = 0; i < FIRERED_PHASES; i++) flops += flops_of(costs->once[i]);
    return flops;
}

static double seconds_of(const struct firered_cost *costs, const struct phase_speed *speed) {
    double conv = costs[FIRERED_OPERATION_CONV].flops;
    return rate(products_of(costs).flops, speed->products) + rate(conv, speed->convs) +
           rate(others_of(costs).bytes, speed->bytes);
}

double edit_costs_seconds(const struct edit_costs *costs, const struct engine_speed *speed,
                          int steps, bool guided) {
    const struct phase_speed *denoise = &speed->phases[FIRERED_PHASE_DENOISE];
    if (denoise->products <= 0) return 0;
    double passes = guided ? 2 : 1;
    double seconds = (steps - 1) * (seconds_of(costs->step, denoise) + passes * denoise->wait);
    for (int i = 0; i < FIRERED_PHASES; i++) {
        bool twice = i == FIRERED_PHASE_TEXT || i == FIRERED_PHASE_DENOISE;
        seconds += seconds_of(costs->once[i], &speed->phases[i]) +
                   (twice ? passes : 1) * speed->phases[i].wait;
    }
    return seconds;
}
