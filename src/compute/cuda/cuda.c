/*
 * The CUDA backend: which card, its context, and the table of what it does.
 *
 * A card is found in the order that a user's mistakes have: a driver, cards at all, that number among
 * them, a chip that the kernels are for.  A device that only plans takes a context, to ask what is
 * free, and nothing else of the card; where its memory was told it needs no card at all.
 */
#include "compute/cuda/cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compute/cuda/kernels/embed.h"
#include "compute/device.h"

enum { OLDEST_CHIP = 80 }; /* sm_80: cp.async, and mma.sync of bfloat16 */

/* ---- cards ---- */

struct card {
    cu_device device;
    int chip; /* 86 is sm_86 */
    char name[96];
    size_t bytes;
};

static enum status describe(const struct cuda_driver *d, int number, struct card *card,
                            struct error *err) {
    int major = 0, minor = 0;
    cu_result r = d->device_get(&card->device, number);
    if (r == CU_SUCCESS) r = d->device_name(card->name, sizeof card->name, card->device);
    if (r == CU_SUCCESS) r = d->device_memory(&card->bytes, card->device);
    if (r == CU_SUCCESS) r = d->device_attribute(&major, CU_ATTRIBUTE_MAJOR, card->device);
    if (r == CU_SUCCESS) r = d->device_attribute(&minor, CU_ATTRIBUTE_MINOR, card->device);
    card->chip = 10 * major + minor;
    if (r == CU_SUCCESS) return STATUS_OK;
    return fail(err, STATUS_INVALID, "card %d does not say what it is: %s", number,
                driver_words(d, r).text);
}

/* "the cards here are 0 (NAME), 1 (NAME)" */
static enum status refuse_number(const struct cuda_driver *d, int number, int count,
                                 struct error *err) {
    char list[300] = "";
    size_t used = 0;
    for (int i = 0; i < count && used < sizeof list; i++) {
        struct card card;
        if (describe(d, i, &card, NULL) != STATUS_OK) card.name[0] = '\0';
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%d (%s)", i ? ", " : "", i,
                                 card.name);
    }
    return fail(err, STATUS_INVALID, "there is no NVIDIA card %d; the cards here are %s", number,
                list);
}

static enum status find_card(const struct cuda_driver **driver, int number, struct card *card,
                             struct error *err) {
    int count = 0;
    if (firered_cuda_ptx[0] == '\0') /* built without nvcc: nothing, and a zero behind it */
        return fail(err, STATUS_INVALID,
                    "this build has no CUDA backend; use the device cpu or auto");
    enum status s = driver_open(driver, err);
    if (s != STATUS_OK) return s;
    const struct cuda_driver *d = *driver;
    cu_result r = d->device_count(&count);
    if (r != CU_SUCCESS)
        return fail(err, STATUS_INVALID, "the NVIDIA driver does not count its cards: %s",
                    driver_words(d, r).text);
    if (number >= count) return refuse_number(d, number, count, err);
    s = describe(d, number, card, err);
    if (s == STATUS_OK && card->chip < OLDEST_CHIP)
        return fail(err, STATUS_INVALID, "%s is sm_%d; cards from Ampere (sm_80) on can be used",
                    card->name, card->chip);
    return s;
}

enum status cuda_probe(int index, struct error *what) {
    const struct cuda_driver *driver;
    struct card card = {0};
    enum status s = find_card(&driver, index, &card, what);
    if (s == STATUS_OK)
        snprintf(what->text, sizeof what->text, "%s, sm_%d, %.1f GB", card.name, card.chip,
                 (double)card.bytes / 1e9);
    return s;
}

/* ---- the device ---- */

static enum status retain_context(struct cuda *d, struct error *err) {
    cu_result r = d->driver->context_retain(&d->context, d->card);
    if (r == CU_SUCCESS) return STATUS_OK;
    d->context = NULL;
    if (r == CU_DEVICE_UNAVAILABLE || r == CU_INVALID_DEVICE)
        return fail(err, STATUS_INVALID, "card %d is used exclusively by another process",
                    d->number);
    if (r == CU_OUT_OF_MEMORY)
        return fail(err, STATUS_NO_MEMORY, "card %d has no memory left to begin with", d->number);
    return fail(err, STATUS_INVALID, "card %d cannot be used: %s", d->number,
                driver_words(d->driver, r).text);
}

static void destroy(struct compute *c) {
    struct cuda *d = cuda_of(c);
    while (d->lanes) {
        struct lane *lane = d->lanes;
        d->lanes = lane->next;
        cuda_lane_destroy(d, lane);
        free(lane);
    }
    cuda_ring_destroy(d);
    cuda_lane_destroy(d, &d->loading);
    cuda_fences_destroy(d);
    if (d->module && cuda_enter(d, NULL))
        cuda_ok(d, NULL, d->driver->module_unload(d->module), "the end of the kernels");
    if (d->context && cuda_is_alive(d))
        cuda_ok(d, NULL, d->driver->context_release(d->card), "the end of its context");
    pthread_mutex_destroy(&d->lanes_mutex);
    pool_destroy(d->pool);
    weight_memory_destroy(&c->weights);
    free(d);
}

#define OPERATION_ENTRY(NAME, KIND, ...) .NAME = cuda_##NAME,

/* clang-format off */
static const struct backend cuda_backend = {
    .device = "cuda",
    .memory = cuda_memory,
    .destroy = destroy,
    .allocate = cuda_allocate,
    .reserve = cuda_allocate,
    .release = cuda_release,
    .reserve_host = cuda_reserve_host,
    .release_host = cuda_release_host,
    .begin = cuda_begin,
    .end = cuda_end,
    .fence = cuda_fence,
    .after = cuda_after,
    .clock_start = cuda_clock_start,
    .clock_stop = cuda_clock_stop,
    .wait = cuda_wait,
    .pack_linear = cuda_pack_linear,
    .pack_conv = cuda_pack_conv,
    .linear_destroy = cuda_linear_destroy,
    .conv_destroy = cuda_conv_destroy,
    .linear_scratch = cuda_linear_scratch,
    .attention_scratch = cuda_attention_scratch,
    .conv_scratch = cuda_conv_scratch,
    .rows_scratch = cuda_rows_scratch,
    OPERATIONS(OPERATION_ENTRY)
};
/* clang-format on */

static void init(struct cuda *d, const struct compute_options *options) {
    pthread_mutex_init(&d->lanes_mutex, NULL);
    pthread_mutex_init(&d->fences.mutex, NULL);
    pthread_mutex_init(&d->ring.mutex, NULL);
    pthread_cond_init(&d->ring.given, NULL);
    weight_memory_init(&d->base.weights, options->weight_bytes);
    d->base.backend = &cuda_backend;
    d->base.kernels = d->kernels_name;
    d->base.precisions = options->precisions | PRECISION_FLOAT32;
    if (d->base.precisions & PRECISION_BFLOAT16) d->base.operand = DTYPE_BF16;
    d->base.alignment = (struct alignment){.piece = 256, .row = 16};
    d->base.conv_tile = 1; /* a pixel's sum does not know its place in a tile */
    d->base.plan_only = options->plan_only;
    d->base.memory_limit = options->memory_limit ? options->memory_limit : UINT64_MAX;
}

static enum status start(struct cuda *d, const struct compute_options *options, struct error *err) {
    enum status s = pool_create(&d->pool, options->threads, err);
    if (s != STATUS_OK) return s;
    d->base.threads = pool_threads(d->pool);
    if (!d->driver) return s;
    s = retain_context(d, err);
    if (s != STATUS_OK) return s;
    if (options->plan_only) return s;
    if (!cuda_enter(d, NULL)) return compute_health(&d->base, err);
    s = cuda_load_kernels(d, err);
    if (s == STATUS_OK) s = cuda_lane_create(d, &d->loading, err);
    return s == STATUS_OK ? cuda_ring_create(d, err) : s;
}

enum status cuda_create(struct compute **out, int index, const struct compute_options *options,
                        struct error *err) {
    struct card card = {0};
    *out = NULL;
    struct cuda *d = calloc(1, sizeof *d);
    if (!d) return fail(err, STATUS_NO_MEMORY, "no memory to start");
    enum status s = find_card(&d->driver, index, &card, err);
    d->number = index;
    if (s == STATUS_OK) {
        d->card = card.device;
        snprintf(d->kernels_name, sizeof d->kernels_name, "sm_%d", card.chip);
    } else if (options->plan_only && options->device_memory) {
        d->driver = NULL;
        d->base.elsewhere = true;
        d->planned = options->device_memory;
        snprintf(d->kernels_name, sizeof d->kernels_name, "planned");
    } else {
        free(d);
        return s;
    }
    init(d, options);
    s = start(d, options, err);
    if (s == STATUS_OK && options->kernels && strcmp(options->kernels, d->kernels_name) != 0)
        s = fail(err, STATUS_INVALID, "card %d has no \"%s\" kernels", index, options->kernels);
    if (s == STATUS_OK)
        *out = &d->base;
    else
        destroy(&d->base);
    return s;
}
