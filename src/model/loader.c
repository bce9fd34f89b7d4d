/*
 * A layer's way is the same for all kinds: look its tensors up under their stored names, check the
 * shapes, take what must be float32 into memory of its own, pack, and let the file's pages go.
 * 
 * That memory comes from malloc at load time, and from a workspace for blocks that stream, where it
 * was planned.  A loader without elements to read (a plan-only device, a dry workspace) goes the same
 * way and leaves out what touches them.
 */
#include "model/loader.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status loader_start(struct loader *l, struct error *err) {
    l->err = err;
    l->status = STATUS_OK;
    l->prefix = "";
    l->layout = key_layout_find(l->component, l->weights);
    l->used = calloc(weights_count(l->weights) + 1, sizeof *l->used);
    if (!l->used)
        return l->status = fail(err, STATUS_NO_MEMORY, "no memory to load the %s", l->component);
    return STATUS_OK;
}

void loader_set_prefix(struct loader *l, const char *prefix) {
    l->prefix = prefix;
}

void loader_set_bears(struct loader *l, unsigned bears) {
    l->bears = bears;
}

void loader_check_files(struct loader *l) {
    if (l->status == STATUS_OK) l->status = weights_check(l->weights, l->err);
    for (size_t i = 0; i < l->lora_count && l->status == STATUS_OK; i++)
        l->status = lora_check_file(l->loras[i], l->err);
}

/* Whether the name is one of block N >= blocks: ..._blocks.N. or ...layers.N. */
static bool is_beyond(const char *name, int64_t blocks) {
    static const char *const words[] = {"transformer_blocks.", "layers."};
    for (size_t i = 0; i < sizeof words / sizeof words[0] && blocks > 0; i++) {
        const char *at = strstr(name, words[i]);
        if (at && isdigit((unsigned char)at[strlen(words[i])]) &&
            strtoll(at + strlen(words[i]), NULL, 10) >= blocks)
            return true;
    }
    return false;
}

enum status loader_finish(struct loader *l) {
    loader_check_files(l);
    for (size_t i = 0; l->status == STATUS_OK && i < weights_count(l->weights); i++) {
        const char *name = weights_at(l->weights, i)->name;
        if (l->used[i]) continue;
        log_event(l->log, LOG_DEBUG, "unused tensor", LOG_STR("component", l->component),
                  LOG_STR("name", name));
        if (!l->unused.count++) l->unused.first = name;
        if (!l->unused.block && is_beyond(name, l->blocks)) l->unused.block = name;
    }
    free(l->used);
    l->used = NULL;
    return l->status;
}

/* ---- looking up ---- */

static void format_name(char *name, const char *format, va_list args) {
    if (vsnprintf(name, LOADER_NAME_MAX, format, args) >= LOADER_NAME_MAX)
        name[0] = '\0'; /* found nowhere */
}

/* Writes a function's own variable arguments into `name`. */
#define FORMAT_NAME(name, format)                                                                  \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        format_name(name, format, args);                                                           \
        va_end(args);                                                                              \
    } while (0)

static void print_shape(char *text, size_t size, const int64_t *shape, int rank) {
    size_t at = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < rank && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, i ? ", %lld" : "%lld", (long long)shape[i]);
    if (at < size) snprintf(text + at, size - at, "]");
}

static bool same_shape(const struct weight *w, const int64_t *shape, int rank) {
    if (w->rank != rank) return false;
    for (int i = 0; i < rank; i++)
        if (w->shape[i] != shape[i]) return false;
    return true;
}

static void wrong_shape(struct loader *l, const struct weight *w, const int64_t *shape, int rank) {
    char expected[128], there[128];
    print_shape(expected, sizeof expected, shape, rank);
    print_shape(there, sizeof there, w->shape, w->rank);
    l->status = fail(l->err, STATUS_INVALID,
                     "%s: tensor %s in %s has shape %s, but the model's config asks for %s",
                     l->component, w->name, w->file, there, expected);
}

enum { STORED_NAME_MAX = 2 * LOADER_NAME_MAX };

static void stored_name(const struct loader *l, char *stored, const char *name) {
    char full[STORED_NAME_MAX];
    snprintf(full, sizeof full, "%s%s", l->prefix, name);
    key_layout_apply(l->layout, stored, STORED_NAME_MAX, full);
}

/* Marks the tensor as used. */
static const struct weight *look_up(struct loader *l, const char *name) {
    char stored[STORED_NAME_MAX];
    stored_name(l, stored, name);
    const struct weight *w = weights_find(l->weights, stored);
    if (!w) return NULL;
    size_t low = 0, high = weights_count(l->weights);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(weights_at(l->weights, middle)->name, stored) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (l->used && !l->used[low]) {
        l->used[low] = true;
        l->tensors++;
        l->parameters += (uint64_t)w->count;
    }
    if (l->ahead) read_ahead_add(l->reader, w);
    return w;
}

/* The tensor of that name and shape, or NULL and the loader has failed. */
static const struct weight *need(struct loader *l, const char *name, const int64_t *shape,
                                 int rank) {
    const struct weight *w = look_up(l, name);
    if (!w) {
        char expected[128], stored[STORED_NAME_MAX];
        print_shape(expected, sizeof expected, shape, rank);
        stored_name(l, stored, name);
        l->status =
            fail(l->err, STATUS_INVALID, "%s: tensor %s, expected with shape %s, is missing",
                 l->component, stored, expected);
        return NULL;
    }
    if (!same_shape(w, shape, rank)) {
        wrong_shape(l, w, shape, rank);
        return NULL;
    }
    return w;
}

static void done_with(struct loader *l, const struct weight *w) {
    if (!w) return;
    weights_release(w);
    if (l->progress) l->progress(l->progress_arg, dtype_bytes(w->dtype, (size_t)w->count));
}

static bool failed(const struct loader *l) {
    return l->status != STATUS_OK || (l->stop && atomic_load(l->stop));
}

/* Whether elements are read, not only names and shapes. */
static bool reads(const struct loader *l) {
    return !failed(l) && !compute_is_plan_only(l->compute) &&
           !(l->into && workspace_is_dry(l->into));
}

/* Memory for elements on their way, until `give_back`.  NULL when the loader has failed, or reads
 * nothing; then a dry scratch has counted it. */
static float *take(struct loader *l, size_t n) {
    if (failed(l)) return NULL;
    float *memory = NULL;
    if (l->scratch) {
        memory = workspace_host(l->scratch, n * sizeof *memory);
        l->status = workspace_check(l->scratch, l->err);
    } else if (reads(l) && !(memory = malloc(n * sizeof *memory + 1))) {
        l->status = fail(l->err, STATUS_NO_MEMORY, "no memory to load the %s", l->component);
    }
    return memory;
}

static void give_back(const struct loader *l, float *memory) {
    if (!l->scratch) free(memory); /* else it goes with the whole layer's */
}

static size_t mark_scratch(const struct loader *l) {
    return l->scratch ? workspace_host_mark(l->scratch) : 0;
}

static void release_scratch(const struct loader *l, size_t mark) {
    if (l->scratch) workspace_host_release(l->scratch, mark);
}

/* The tensor's elements as float32, see take.  The file's pages go as they are read. */
static float *floats_of(struct loader *l, const struct weight *w) {
    enum { CHUNK = 1 << 20 };
    float *f = take(l, (size_t)w->count);
    size_t count = (size_t)w->count;
    for (size_t from = 0; f && from < count; from += CHUNK) {
        size_t n = count - from < CHUNK ? count - from : CHUNK;
        weight_floats(f + from, w, from, n);
        weights_release_bytes((const char *)w->data + dtype_bytes(w->dtype, from),
                              dtype_bytes(w->dtype, n));
    }
    return f;
}

/* ---- packing, here or into a workspace ---- */

static void pack_linear(struct loader *l, struct linear **to, const struct matrix *parts,
                        size_t count, const float *bias) {
    if (failed(l)) return;
    l->status = l->into ? workspace_pack_linear(l->into, to, parts, count, bias, l->bears, l->err)
                        : compute_pack_linear(l->compute, to, parts, count, bias, l->bears, l->err);
}

static void pack_vector(struct loader *l, struct vector **to, const float *data, int64_t n) {
    if (failed(l)) return;
    l->status = l->into ? workspace_pack_vector(l->into, to, data, n, l->err)
                        : compute_pack_vector(l->compute, to, data, n, l->err);
}

/* ---- linear layers ---- */

static void let_pages_go(void *arg, const void *data, size_t bytes) {
    (void)arg;
    weights_release_bytes(data, bytes);
}

/* The stored tensor as rows of `cols` elements; its file's pages go as they are packed. */
static struct matrix stored_matrix(const struct weight *w, int64_t rows, int64_t cols) {
    return (struct matrix){.dtype = w->dtype,
                           .rows = rows,
                           .cols = cols,
                           .data = w->data,
                           .scales = w->scales,
                           .packed = let_pages_go};
}

/* The layer's weight as it is packed: as stored or, if an adapter has something for it, with that
 * added; *merged is that memory then.  The sum is rounded back to the stored type where that can be,
 * so that an adapter costs no memory, and else float32.  Adapters name layers as the model does,
 * without a prefix. */
static struct matrix weight_of(struct loader *l, const char *name, const struct weight *w,
                               float **merged) {
    struct matrix m = stored_matrix(w, w->shape[0], w->shape[1]);
    bool any = false;
    for (size_t i = 0; i < l->lora_count; i++) any = any || lora_has(l->loras[i], name);
    if (!any) return m;
    *merged = floats_of(l, w);
    for (size_t i = 0; *merged && i < l->lora_count && !failed(l); i++)
        l->status = lora_merge(l->loras[i], name, *merged, m.rows, m.cols, l->err);
    m = (struct matrix){.dtype = DTYPE_F32, .rows = m.rows, .cols = m.cols, .data = *merged};
    const struct dtype_info *stored = dtype_info(w->dtype);
    if (!stored->narrow) return m;
    m.dtype = w->dtype;
    if (*merged) stored->narrow(*merged, *merged, (size_t)w->count);
    return m;
}

static void load_stack(struct loader *l, struct linear **to, char names[][LOADER_NAME_MAX],
                       const int64_t *out, size_t count, int64_t in, enum load_bias has_bias) {
    const struct weight *weights[LOADER_MAX_PARTS] = {0}, *biases[LOADER_MAX_PARTS] = {0};
    float *merges[LOADER_MAX_PARTS] = {0};
    struct matrix parts[LOADER_MAX_PARTS];
    int64_t total = 0;
    for (size_t i = 0; i < count && !failed(l); i++) {
        char name[LOADER_NAME_MAX + 8];
        snprintf(name, sizeof name, "%s.weight", names[i]);
        weights[i] = need(l, name, (int64_t[]){out[i], in}, 2);
        snprintf(name, sizeof name, "%s.bias", names[i]);
        if (has_bias == LOAD_BIAS && !failed(l)) biases[i] = need(l, name, (int64_t[]){out[i]}, 1);
        if (l->layers && !failed(l))
            l->status = layer_list_add(l->layers, names[i], out[i], in, l->err);
        total += out[i];
    }
    if (failed(l)) return;

    size_t mark = mark_scratch(l);
    float *bias = has_bias == LOAD_BIAS ? take(l, (size_t)total) : NULL;
    int64_t at = 0;
    for (size_t i = 0; i < count && !failed(l); i++) {
        parts[i] = weight_of(l, names[i], weights[i], &merges[i]);
        if (bias && biases[i]) weight_floats(bias + at, biases[i], 0, (size_t)out[i]);
        at += out[i];
    }
    pack_linear(l, to, parts, count, bias);
    for (size_t i = 0; i < count; i++) {
        give_back(l, merges[i]);
        done_with(l, weights[i]);
        done_with(l, biases[i]);
    }
    give_back(l, bias);
    release_scratch(l, mark);
}

void load_linear(struct loader *l, struct linear **to, int64_t out, int64_t in, enum load_bias bias,
                 const char *format, ...) {
    *to = NULL;
    if (failed(l)) return;
    char name[1][LOADER_NAME_MAX];
    FORMAT_NAME(name[0], format);
    load_stack(l, to, name, &out, 1, in, bias);
}

static void indexed_name(char *name, const char *format, ...) {
    FORMAT_NAME(name, format);
}

void load_linear_stack(struct loader *l, struct linear **to, const char *const *formats,
                       const int64_t *out, size_t count, int64_t in, enum load_bias bias,
                       int index) {
    *to = NULL;
    if (failed(l)) return;
    char names[LOADER_MAX_PARTS][LOADER_NAME_MAX];
    for (size_t i = 0; i < count; i++) indexed_name(names[i], formats[i], index);
    load_stack(l, to, names, out, count, in, bias);
}

/* ---- everything else ---- */

void load_vector(struct loader *l, struct vector **to, int64_t n, const char *format, ...) {
    *to = NULL;
    if (failed(l)) return;
    char name[LOADER_NAME_MAX];
    FORMAT_NAME(name, format);
    const struct weight *w = look_up(l, name);
    bool fits = w && w->rank >= 1 && w->shape[0] == n && w->count == n;
    if (!fits) w = need(l, name, &n, 1); /* says what is wrong */
    if (!w) return;
    size_t mark = mark_scratch(l);
    float *data = floats_of(l, w);
    pack_vector(l, to, data, n);
    give_back(l, data);
    release_scratch(l, mark);
    done_with(l, w);
}

/* NAME.weight of a convolution, of rank 4 or 5, with only its last slice in time, as [out, in,
 * size, size]; NULL when the loader failed or reads nothing.  *bias as stored. */
static float *conv_weight(struct loader *l, const char *layer, int64_t out, int64_t in, int size,
                          int rank, int time, float **bias) {
    char name[LOADER_NAME_MAX + 8];
    int64_t shape4[] = {out, in, size, size}, shape5[] = {out, in, time, size, size};
    *bias = NULL;
    snprintf(name, sizeof name, "%s.weight", layer);
    const struct weight *w = need(l, name, rank == 4 ? shape4 : shape5, rank);
    snprintf(name, sizeof name, "%s.bias", layer);
    const struct weight *b = failed(l) ? NULL : need(l, name, &out, 1);
    if (!reads(l)) return NULL;

    size_t area = (size_t)size * (size_t)size;
    size_t slices = rank == 5 ? (size_t)time : 1;
    float *weight = take(l, (size_t)(out * in) * area);
    *bias = failed(l) ? NULL : floats_of(l, b);
    for (size_t i = 0; !failed(l) && i < (size_t)(out * in); i++)
        weight_floats(weight + i * area, w, (i * slices + slices - 1) * area, area);
    done_with(l, w);
    done_with(l, b);
    return weight;
}

void load_conv(struct loader *l, struct conv **to, int64_t out, int64_t in, int size, int rank,
               int time, const char *format, ...) {
    *to = NULL;
    if (failed(l)) return;
    char name[LOADER_NAME_MAX];
    FORMAT_NAME(name, format);
    float *bias, *weight = conv_weight(l, name, out, in, size, rank, time, &bias);
    if (!failed(l))
        l->status =
            compute_pack_conv(l->compute, to, weight, bias, out, in, size, l->bears, l->err);
    free(weight);
    free(bias);
}

void load_pointwise(struct loader *l, struct linear **to, int64_t out, int64_t in, int rank,
                    const char *format, ...) {
    *to = NULL;
    if (failed(l)) return;
    char name[LOADER_NAME_MAX];
    FORMAT_NAME(name, format);
    float *bias, *weight = conv_weight(l, name, out, in, 1, rank, 1, &bias);
    const struct matrix m = {.dtype = DTYPE_F32, .rows = out, .cols = in, .data = weight};
    pack_linear(l, to, &m, 1, bias);
    free(weight);
    free(bias);
}

void load_flattened(struct loader *l, struct linear **to, int64_t out, const int64_t *in_shape,
                    int in_rank, const char *format, ...) {
    *to = NULL;
    if (failed(l)) return;
    char name[LOADER_NAME_MAX];
    FORMAT_NAME(name, format);
    int64_t shape[TENSOR_MAX_RANK] = {out}, in = 1;
    for (int i = 0; i < in_rank; i++) {
        shape[i + 1] = in_shape[i];
        in *= in_shape[i];
    }
    const struct weight *w = need(l, name, shape, in_rank + 1);
    if (!w) return;
    const struct matrix m = stored_matrix(w, out, in);
    pack_linear(l, to, &m, 1, NULL);
    done_with(l, w);
}

void load_table(struct loader *l, const struct weight **to, int64_t rows, int64_t cols,
                const char *format, ...) {
    *to = NULL;
    if (failed(l)) return;
    char name[LOADER_NAME_MAX];
    FORMAT_NAME(name, format);
    *to = need(l, name, (int64_t[]){rows, cols}, 2);
}

void load_mark(struct loader *l, const char *name) {
    if (!failed(l)) look_up(l, name);
}

void load_nothing(struct loader *l, const int64_t *shape, int rank, const char *format, ...) {
    if (failed(l)) return;
    char name[LOADER_NAME_MAX];
    FORMAT_NAME(name, format);
    const struct weight *w = look_up(l, name);
    if (w && !same_shape(w, shape, rank)) wrong_shape(l, w, shape, rank);
}
