/*
 * Devices and their weights: what all backends share of packing, and of counting what is packed.
 */
#include "compute/compute.h"

#include <stdlib.h>

#include "compute/backend.h"

void compute_destroy(struct compute *c) {
    if (c) c->backend->destroy(c);
}

const char *compute_device(const struct compute *c) {
    return c->backend->device;
}

const char *compute_kernels(const struct compute *c) {
    return c->kernels;
}

int compute_threads(const struct compute *c) {
    return c->threads;
}

bool compute_is_plan_only(const struct compute *c) {
    return c->plan_only;
}

bool compute_is_here(const struct compute *c) {
    return !c->elsewhere;
}

struct device_memory compute_memory(const struct compute *c) {
    struct device_memory memory = {.is_host = c->backend->memory_is_host};
    c->backend->memory(c, &memory);
    return memory;
}

void compute_lose(struct compute *c, const char *why) {
    int alive = DEVICE_ALIVE;
    if (!atomic_compare_exchange_strong(&c->state, &alive, DEVICE_FAILING)) return;
    fail(&c->why_lost, STATUS_DEVICE, "%s", why);
    atomic_store(&c->state, DEVICE_LOST);
}

enum status compute_health(const struct compute *c, struct error *err) {
    int state = atomic_load(&c->state);
    if (state == DEVICE_ALIVE) return STATUS_OK;
    return fail(err, STATUS_DEVICE, "%s",
                state == DEVICE_LOST ? c->why_lost.text : "the device has just failed");
}

uint64_t compute_weight_bytes(const struct compute *c) {
    return atomic_load(&((struct compute *)c)->weight_bytes);
}

/* ---- weights ---- */

static enum status pack_linear(struct compute *c, struct workspace *into, struct linear **out,
                               const struct matrix *parts, size_t count, const float *bias,
                               unsigned bears, struct error *err) {
    *out = NULL;
    for (size_t i = 0; i < count; i++)
        if (parts[i].rows < 1 || parts[i].cols < 1 || parts[i].cols != parts[0].cols)
            return fail(
                err, STATUS_INVALID, "cannot pack a [%lld, %lld] matrix with one of %lld columns",
                (long long)parts[i].rows, (long long)parts[i].cols, (long long)parts[0].cols);
    if (count == 0) return fail(err, STATUS_INVALID, "a layer without weights");
    enum status s = compute_health(c, err);
    if (s != STATUS_OK) return s;
    return c->backend->pack_linear(c, into, out, parts, count, bias, bears, err);
}

enum status compute_pack_linear(struct compute *c, struct linear **out, const struct matrix *parts,
                                size_t count, const float *bias, unsigned bears,
                                struct error *err) {
    return pack_linear(c, NULL, out, parts, count, bias, bears, err);
}

enum status workspace_pack_linear(struct workspace *w, struct linear **out,
                                  const struct matrix *parts, size_t count, const float *bias,
                                  unsigned bears, struct error *err) {
    *out = NULL;
    enum status s = workspace_check(w, err);
    if (s == STATUS_OK) s = pack_linear(w->compute, w, out, parts, count, bias, bears, err);
    if (s == STATUS_OK) s = workspace_check(w, err);
    if (s == STATUS_OK) return s;
    linear_destroy(*out);
    *out = NULL;
    return s;
}

enum status compute_pack_conv(struct compute *c, struct conv **out, const float *weight,
                              const float *bias, int64_t out_channels, int64_t in_channels,
                              int size, unsigned bears, struct error *err) {
    *out = NULL;
    if (out_channels < 1 || in_channels < 1 || (size != 1 && size != 3))
        return fail(err, STATUS_INVALID, "cannot pack a [%lld, %lld, %d, %d] convolution",
                    (long long)out_channels, (long long)in_channels, size, size);
    enum status s = compute_health(c, err);
    if (s != STATUS_OK) return s;
    return c->backend->pack_conv(c, out, weight, bias, out_channels, in_channels, size, bears, err);
}

static enum status pack_vector(struct compute *c, struct workspace *into, struct vector **out,
                               const float *data, int64_t n, struct error *err) {
    size_t bytes = (size_t)n * sizeof(float);
    bool filled = !c->plan_only && !(into && into->dry);
    *out = NULL;
    struct vector *v = malloc(sizeof *v);
    uint64_t address = 0;
    if (v) address = into ? workspace_take(into, bytes) : weight_memory_take(c, bytes);
    if (!v || (!address && filled)) {
        free(v);
        return fail(err, STATUS_NO_MEMORY, "no memory for a weight vector of %lld elements",
                    (long long)n);
    }
    *v = (struct vector){c, {address, 1, n, n, DTYPE_F32}, into != NULL};
    struct workspace own = {.compute = c}, *by = into ? into : &own;
    if (filled) tensor_upload(by, v->t, data);
    enum status s = workspace_check(by, err);
    if (s == STATUS_OK) {
        *out = v;
        return s;
    }
    if (!into) weight_memory_give(c, address, bytes);
    free(v);
    return s;
}

enum status compute_pack_vector(struct compute *c, struct vector **out, const float *data,
                                int64_t n, struct error *err) {
    return pack_vector(c, NULL, out, data, n, err);
}

enum status workspace_pack_vector(struct workspace *w, struct vector **out, const float *data,
                                  int64_t n, struct error *err) {
    *out = NULL;
    enum status s = workspace_check(w, err);
    return s == STATUS_OK ? pack_vector(w->compute, w, out, data, n, err) : s;
}

void linear_destroy(struct linear *l) {
    if (l) l->compute->backend->linear_destroy(l);
}

void conv_destroy(struct conv *v) {
    if (v) v->compute->backend->conv_destroy(v);
}

void vector_destroy(struct vector *v) {
    if (!v) return;
    if (!v->in_workspace)
        weight_memory_give(v->compute, v->t.address, (size_t)v->t.cols * sizeof(float));
    free(v);
}
