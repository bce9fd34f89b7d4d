/*
 * The keys of all layouts meet in one form, kohya's, where '.' and '_' are the same: that is the
 * one whose loss cannot be undone.  Names are compared in it, never rewritten.  The networks have
 * no two modules that differ in it alone.
 *
 * up @ down is computed as rank-1 updates of a row: such a loop has no sum across lanes, so the
 * compiler vectorises it without being allowed to reorder additions.  A block of columns of `down`
 * stays in the cache for all rows, and the delta is summed apart from the weight, whose magnitude
 * would otherwise round every addend.
 */
#include "model/lora.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/key_layout.h"
#include "model/lora_config.h"
#include "weights/weights.h"

static const char *const ROLE_NAMES[ADAPTER_ROLES] = {"down", "up", "alpha"};

struct part {
    struct adapter_key key;
    const struct weight *stored;
};

struct module {
    const char *name; /* not terminated */
    size_t length;
    const struct weight *down, *up;
    float scale;
};

struct lora {
    struct weights *weights;
    struct lora_config *config, *beside; /* in the file, and in adapter_config.json; or NULL */
    bool passed_over;
    const char *file;
    struct module *modules; /* ascending by name, compared as above */
    size_t count;
};

static int compare_names(const char *a, size_t na, const char *b, size_t nb) {
    for (size_t i = 0; i < na && i < nb; i++) {
        char x = a[i] == '.' ? '_' : a[i], y = b[i] == '.' ? '_' : b[i];
        if (x != y) return x < y ? -1 : 1;
    }
    return na < nb ? -1 : na > nb;
}

static int by_module(const void *a, const void *b) {
    const struct part *x = a, *y = b;
    int order = compare_names(x->key.module, x->key.length, y->key.module, y->key.length);
    return order ? order : (int)x->key.role - (int)y->key.role;
}

static enum status check_pair(const struct lora *l, const struct weight *down,
                              const struct weight *up, struct error *err) {
    const struct weight *both[] = {down, up};
    for (int i = 0; i < 2; i++)
        if (both[i]->rank != 2 || both[i]->count == 0)
            return fail(
                err, STATUS_INVALID,
                "%s: \"%.160s\" has %d dimensions%s; only 2-D linear adapters are supported",
                l->file, both[i]->name, both[i]->rank, both[i]->count ? "" : " and no numbers");
    if (down->shape[0] != up->shape[1])
        return fail(err, STATUS_INVALID, "%s: \"%.120s\" has rank %lld but \"%.120s\" has %lld",
                    l->file, down->name, (long long)down->shape[0], up->name,
                    (long long)up->shape[1]);
    return STATUS_OK;
}

/* Sorts the parts of one module into has[], by role. */
static enum status sort_parts(const struct weight *has[ADAPTER_ROLES], const struct lora *l,
                              const struct part *parts, size_t n, struct error *err) {
    for (size_t i = 0; i < n; i++) {
        if (has[parts[i].key.role]) {
            fail(err, STATUS_INVALID,
                 "%s: \"%.160s\" and \"%.160s\" are the same matrix of the same module", l->file,
                 has[parts[i].key.role]->name, parts[i].stored->name);
            return STATUS_INVALID;
        }
        has[parts[i].key.role] = parts[i].stored;
    }
    if (!has[ADAPTER_DOWN] || !has[ADAPTER_UP]) {
        fail(err, STATUS_INVALID, "%s: \"%.160s\" has no %s matrix beside it", l->file,
             parts[0].stored->name, ROLE_NAMES[has[ADAPTER_DOWN] ? ADAPTER_UP : ADAPTER_DOWN]);
        return STATUS_INVALID;
    }
    return check_pair(l, has[ADAPTER_DOWN], has[ADAPTER_UP], err);
}

/* What the key X.alpha says. */
static enum status alpha_strength(struct lora_strength *out, const struct lora *l,
                                  const struct weight *alpha, int64_t rank, struct error *err) {
    float value = 0;
    if (alpha->count != 1)
        return fail(err, STATUS_INVALID, "%s: \"%.160s\" holds %lld numbers instead of one",
                    l->file, alpha->name, (long long)alpha->count);
    weight_floats(&value, alpha, 0, 1);
    if (!isfinite(value))
        return fail(err, STATUS_INVALID, "%s: \"%.160s\" is not a finite number", l->file,
                    alpha->name);
    *out = (struct lora_strength){(double)value / (double)rank, (double)value, alpha->name};
    return STATUS_OK;
}

/* Takes what another source says into *out, which an earlier one has filled in, or nobody.  Alphas
 * may be stored in 8 bits' precision. */
static enum status agree(struct lora_strength *out, const struct lora_strength *other,
                         const struct lora *l, struct error *err) {
    if (!out->where) *out = *other;
    if (fabs(out->factor - other->factor) <= 0.005 * fabs(out->factor)) return STATUS_OK;
    return fail(err, STATUS_INVALID,
                "%s: two sources disagree: \"%.150s\" says alpha %g (strength %g), but %.150s "
                "says alpha %g (strength %g); take the wrong one away",
                l->file, out->where, out->alpha, out->factor, other->where, other->alpha,
                other->factor);
}

/* What up @ down of the module is multiplied by, without the user's scale. */
static enum status find_strength(double *out, const struct lora *l, const struct part *part,
                                 const struct weight *const has[ADAPTER_ROLES], struct error *err) {
    const struct lora_config *configs[] = {l->config, l->beside};
    const struct lora_module m = {.name = part->key.module,
                                  .length = part->key.length,
                                  .flat = part->key.flat,
                                  .rank = has[ADAPTER_DOWN]->shape[0]};
    struct lora_strength strength = {.factor = 1}, other;
    enum status s = STATUS_OK;
    if (has[ADAPTER_ALPHA]) s = alpha_strength(&strength, l, has[ADAPTER_ALPHA], m.rank, err);
    for (int i = 0; i < 2 && s == STATUS_OK; i++) {
        if (!configs[i]) continue;
        s = lora_config_strength(configs[i], &other, &m, err);
        if (s == STATUS_OK) s = agree(&strength, &other, l, err);
    }
    *out = strength.factor;
    return s;
}

/* parts[0..n) are all those of one module, in the order of their roles. */
static enum status add_module(struct lora *l, const struct part *parts, size_t n, double scale,
                              struct error *err) {
    const struct weight *has[ADAPTER_ROLES] = {NULL};
    double strength = 1;
    enum status s = sort_parts(has, l, parts, n, err);
    if (s == STATUS_OK) s = find_strength(&strength, l, &parts[0], has, err);
    if (s != STATUS_OK) return s;
    scale *= strength;
    if (!(fabs(scale) <= (double)FLT_MAX))
        return fail(err, STATUS_INVALID, "%s: the scale of \"%.160s\" is too large", l->file,
                    has[ADAPTER_DOWN]->name);
    struct module *m = &l->modules[l->count++];
    m->name = parts[0].key.module;
    m->length = parts[0].key.length;
    m->down = has[ADAPTER_DOWN];
    m->up = has[ADAPTER_UP];
    m->scale = (float)scale;
    return STATUS_OK;
}

static enum status read_modules(struct lora *l, double scale, struct error *err) {
    size_t n = weights_count(l->weights);
    if (n == 0) return fail(err, STATUS_INVALID, "%s holds no tensors, so it is no LoRA", l->file);
    struct part *parts = calloc(n, sizeof *parts);
    l->modules = calloc(n, sizeof *l->modules);
    if (!parts || !l->modules) {
        free(parts);
        return fail(err, STATUS_NO_MEMORY, "no memory for the %zu keys of %s", n, l->file);
    }
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < n; i++) {
        parts[i].stored = weights_at(l->weights, i);
        if (!adapter_key_read(&parts[i].key, parts[i].stored->name))
            s = fail(
                err, STATUS_INVALID,
                "%s: \"%.160s\" is no key of a LoRA that is known here; expected "
                "....lora_A.weight, .lora_B.weight, .lora_down.weight, .lora_up.weight or .alpha",
                l->file, parts[i].stored->name);
    }
    if (s == STATUS_OK) qsort(parts, n, sizeof *parts, by_module);
    for (size_t i = 0, next; s == STATUS_OK && i < n; i = next) {
        for (next = i + 1; next < n; next++)
            if (compare_names(parts[i].key.module, parts[i].key.length, parts[next].key.module,
                              parts[next].key.length) != 0)
                break;
        s = add_module(l, parts + i, next - i, scale, err);
    }
    free(parts);
    return s;
}

enum status lora_open(struct lora **out, const char *path, double scale, struct error *err) {
    *out = NULL;
    if (!isfinite(scale))
        return fail(err, STATUS_INVALID, "the scale of the LoRA %s is not a finite number", path);
    struct lora *l = calloc(1, sizeof *l);
    if (!l) return fail(err, STATUS_NO_MEMORY, "no memory to open the LoRA %s", path);
    const char *slash = strrchr(path, '/');
    l->file = slash ? slash + 1 : path; /* replaced below by one that lives as long as we do */
    enum status s = weights_open_file(&l->weights, path, err);
    if (s == STATUS_OK && weights_count(l->weights)) l->file = weights_at(l->weights, 0)->file;
    const char *config = s == STATUS_OK ? weights_metadata(l->weights, LORA_CONFIG_KEY) : NULL;
    char where[160];
    snprintf(where, sizeof where, "%.100s: its \"" LORA_CONFIG_KEY "\"", l->file);
    if (config) s = lora_config_parse(&l->config, config, where, err);
    if (s == STATUS_OK) s = lora_config_beside(&l->beside, &l->passed_over, path, err);
    if (s == STATUS_OK) s = read_modules(l, scale, err);
    if (s == STATUS_OK)
        *out = l;
    else
        lora_close(l);
    return s;
}

void lora_close(struct lora *l) {
    if (!l) return;
    weights_close(l->weights);
    lora_config_close(l->config);
    lora_config_close(l->beside);
    free(l->modules);
    free(l);
}

enum status lora_check_file(const struct lora *l, struct error *err) {
    return weights_check(l->weights, err);
}

static const struct module *find(const struct lora *l, const char *name) {
    size_t length = strlen(name), from = 0, to = l->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct module *m = &l->modules[middle];
        int order = compare_names(name, length, m->name, m->length);
        if (order == 0) return m;
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return NULL;
}

bool lora_passed_config_over(const struct lora *l) {
    return l->passed_over;
}

bool lora_has(const struct lora *l, const char *name) {
    return find(l, name) != NULL;
}

enum { COLUMNS = 1024 }; /* of a block: rank 64 of it are 256 KiB, within a core's L2 */

/* sum[0..n) += the rank-1 updates of one row: up[j] * down[j][0..n); four at a time spare three
 * passes over the sum. */
static void add_products(float *restrict sum, const float *restrict up, const float *restrict down,
                         int64_t stride, int64_t rank, int64_t n) {
    int64_t j = 0;
    for (; j + 4 <= rank; j += 4) {
        const float a = up[j], b = up[j + 1], c = up[j + 2], d = up[j + 3];
        const float *restrict p = down + j * stride, *restrict q = p + stride;
        const float *restrict r = q + stride, *restrict t = r + stride;
        for (int64_t i = 0; i < n; i++) sum[i] += (a * p[i] + b * q[i]) + (c * r[i] + d * t[i]);
    }
    for (; j < rank; j++) {
        const float *restrict p = down + j * stride;
        for (int64_t i = 0; i < n; i++) sum[i] += up[j] * p[i];
    }
}

static void add_delta(float *restrict weight, const float *up, const float *down, float scale,
                      int64_t out_features, int64_t in_features, int64_t rank) {
    float sum[COLUMNS];
    for (int64_t column = 0; column < in_features; column += COLUMNS) {
        int64_t n = in_features - column < COLUMNS ? in_features - column : COLUMNS;
        for (int64_t o = 0; o < out_features; o++) {
            float *restrict row = weight + o * in_features + column;
            memset(sum, 0, (size_t)n * sizeof *sum);
            add_products(sum, up + o * rank, down + column, in_features, rank, n);
            for (int64_t i = 0; i < n; i++) row[i] += scale * sum[i];
        }
    }
}

static float *load(const struct weight *w) {
    float *floats = (uint64_t)w->count <= SIZE_MAX / sizeof(float)
                        ? malloc((size_t)w->count * sizeof(float))
                        : NULL;
    if (!floats) return NULL;
    weight_floats(floats, w, 0, (size_t)w->count);
    weights_release(w);
    return floats;
}

/* Whether module m is for a weight [out_features, in_features]. */
static enum status check_sizes(const struct lora *l, const struct module *m, int64_t out_features,
                               int64_t in_features, struct error *err) {
    int64_t rank = m->down->shape[0];
    if (m->down->shape[1] != in_features)
        return fail(err, STATUS_INVALID,
                    "%s: \"%.160s\" is [%lld, %lld]; [%lld, %lld] expected for this model", l->file,
                    m->down->name, (long long)rank, (long long)m->down->shape[1], (long long)rank,
                    (long long)in_features);
    if (m->up->shape[0] != out_features)
        return fail(err, STATUS_INVALID,
                    "%s: \"%.160s\" is [%lld, %lld]; [%lld, %lld] expected for this model", l->file,
                    m->up->name, (long long)m->up->shape[0], (long long)rank,
                    (long long)out_features, (long long)rank);
    return STATUS_OK;
}

enum status lora_merge(const struct lora *l, const char *name, float *weight, int64_t out_features,
                       int64_t in_features, struct error *err) {
    const struct module *m = find(l, name);
    enum status s = m ? check_sizes(l, m, out_features, in_features, err) : STATUS_OK;
    if (!m || s != STATUS_OK) return s;
    float *down = load(m->down), *up = load(m->up);
    if (down && up)
        add_delta(weight, up, down, m->scale, out_features, in_features, m->down->shape[0]);
    else
        s = fail(err, STATUS_NO_MEMORY, "no memory to merge \"%.160s\" of %s", m->down->name,
                 l->file);
    free(down);
    free(up);
    return s;
}

/* used[i]: module i belongs to a layer. */
static enum status check_all_used(const struct lora *l, const bool *used, struct error *err) {
    const struct module *first = NULL;
    size_t unused = 0;
    for (size_t i = l->count; i-- > 0;) {
        if (used[i]) continue;
        first = &l->modules[i];
        unused++;
    }
    if (!first) return STATUS_OK;
    return fail(
        err, STATUS_INVALID,
        "%s: \"%.160s\" (and %zu more of its %zu modules) matches nothing in this model; check "
        "that the adapter was made for its transformer",
        l->file, first->down->name, unused - 1, l->count);
}

enum status lora_check(const struct lora *l, const struct layer_list *layers, struct error *err) {
    bool *used = calloc(l->count, sizeof *used);
    if (!used) return fail(err, STATUS_NO_MEMORY, "no memory to check the LoRA %s", l->file);
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < layers->count; i++) {
        const struct named_layer *layer = &layers->layers[i];
        const struct module *m = find(l, layer->name);
        if (!m) continue;
        s = check_sizes(l, m, layer->out_features, layer->in_features, err);
        used[m - l->modules] = true;
    }
    if (s == STATUS_OK) s = check_all_used(l, used, err);
    free(used);
    return s;
}
