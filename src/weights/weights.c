/*
 * All tensors of all shards stand in one array sorted by name: a name is found by bisection, and a
 * tensor that two shards hold shows up as two equal neighbours.
 */
#include "weights/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "weights/index.h"
#include "weights/mapped_file.h"
#include "weights/tensor_file.h"

struct open_file {
    const struct tensor_file_kind *kind;
    void *file;
};

struct weights {
    struct open_file *files;
    size_t file_count;
    struct weight *tensors; /* ascending by name */
    size_t count;
};

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct weight *)a)->name, ((const struct weight *)b)->name);
}

/* The next of the files.  This is the one place that chooses a file's kind. */
static enum status open_file(struct weights *w, const char *path, struct error *err) {
    struct open_file *f = &w->files[w->file_count];
    f->kind = &safetensors_kind;
    enum status s = f->kind->open(&f->file, path, err);
    if (s == STATUS_OK) w->file_count++;
    return s;
}

/* Fills w->tensors from the opened files. */
static enum status collect(struct weights *w, struct error *err) {
    size_t total = 0;
    for (size_t i = 0; i < w->file_count; i++) total += w->files[i].kind->count(w->files[i].file);
    w->tensors = calloc(total ? total : 1, sizeof *w->tensors);
    if (!w->tensors) return fail(err, STATUS_NO_MEMORY, "no memory for %zu tensors", total);
    for (size_t i = 0; i < w->file_count; i++) {
        const struct open_file *f = &w->files[i];
        for (size_t t = 0; t < f->kind->count(f->file); t++) {
            enum status s = f->kind->tensor(f->file, t, &w->tensors[w->count++], err);
            if (s != STATUS_OK) return s;
        }
    }
    qsort(w->tensors, w->count, sizeof *w->tensors, by_name);
    for (size_t i = 1; i < w->count; i++)
        if (strcmp(w->tensors[i].name, w->tensors[i - 1].name) == 0)
            return fail(err, STATUS_INVALID, "tensor \"%.160s\" is in both %s and %s",
                        w->tensors[i].name, w->tensors[i - 1].file, w->tensors[i].file);
    return STATUS_OK;
}

static struct weights *create(size_t files, struct error *err) {
    struct weights *w = calloc(1, sizeof *w);
    if (w) w->files = calloc(files, sizeof *w->files);
    if (w && w->files) return w;
    weights_close(w);
    fail(err, STATUS_NO_MEMORY, "no memory to open %zu files of weights", files);
    return NULL;
}

enum status weights_open_file(struct weights **out, const char *path, struct error *err) {
    *out = NULL;
    struct weights *w = create(1, err);
    if (!w) return STATUS_NO_MEMORY;
    enum status s = open_file(w, path, err);
    if (s == STATUS_OK) s = collect(w, err);
    if (s == STATUS_OK)
        *out = w;
    else
        weights_close(w);
    return s;
}

static enum status check_index(const struct weights *w, const struct weights_index *index,
                               const char *file, struct error *err) {
    const char *tensor;
    json_t *value;
    json_object_foreach(index->map, tensor, value) {
        const struct weight *t = weights_find(w, tensor);
        if (!t)
            return fail(err, STATUS_INVALID,
                        "%s: tensor \"%.160s\" is said to be in %s, which lacks it", file, tensor,
                        json_string_value(value));
        if (strcmp(t->file, json_string_value(value)) != 0)
            return fail(err, STATUS_INVALID,
                        "%s: tensor \"%.160s\" is said to be in %s but is in %s", file, tensor,
                        json_string_value(value), t->file);
    }
    return STATUS_OK;
}

static enum status open_shard(struct weights *w, const char *folder, const char *shard,
                              const char *index_file, struct error *err) {
    struct buffer path = {0};
    enum status s = buffer_printf(&path, "%s/%s", folder, shard);
    struct stat st;
    if (s != STATUS_OK)
        s = fail(err, s, "no memory to open %s", shard);
    else if (stat(path.data, &st) != 0)
        s = fail(err, STATUS_INVALID, "%s names %s, which is missing in %s; fetch the model again",
                 index_file, shard, folder);
    else
        s = open_file(w, path.data, err);
    buffer_free(&path);
    return s;
}

static enum status open_shards(struct weights **out, const char *folder, const char *index_path,
                               struct error *err) {
    struct weights_index index;
    enum status s = index_open(&index, index_path, err);
    if (s != STATUS_OK) return s;
    const char *file = strrchr(index_path, '/') + 1; /* the path was put together as FOLDER/FILE */
    struct weights *w = create(index.count, err);
    if (!w) s = STATUS_NO_MEMORY;
    for (size_t i = 0; s == STATUS_OK && i < index.count; i++)
        s = open_shard(w, folder, index.shards[i], file, err);
    if (s == STATUS_OK) s = collect(w, err);
    if (s == STATUS_OK) s = check_index(w, &index, file, err);
    index_close(&index);
    if (s == STATUS_OK)
        *out = w;
    else
        weights_close(w);
    return s;
}

enum status weights_open(struct weights **out, const char *folder, const char *stem,
                         struct error *err) {
    *out = NULL;
    struct buffer single = {0}, index = {0};
    enum status s = buffer_printf(&single, "%s/%s.safetensors", folder, stem);
    if (s == STATUS_OK) s = buffer_printf(&index, "%s/%s.safetensors.index.json", folder, stem);
    struct stat st;
    if (s != STATUS_OK)
        s = fail(err, s, "no memory to open the weights in %s", folder);
    else if (lstat(single.data, &st) == 0)
        s = weights_open_file(out, single.data, err);
    else if (lstat(index.data, &st) == 0)
        s = open_shards(out, folder, index.data, err);
    else
        s = fail(err, STATUS_INVALID,
                 "%s holds neither %s.safetensors nor %s.safetensors.index.json", folder, stem,
                 stem);
    buffer_free(&single);
    buffer_free(&index);
    return s;
}

void weights_close(struct weights *w) {
    if (!w) return;
    for (size_t i = 0; i < w->file_count; i++) w->files[i].kind->close(w->files[i].file);
    free(w->files);
    free(w->tensors);
    free(w);
}

size_t weights_count(const struct weights *w) {
    return w->count;
}

const struct weight *weights_at(const struct weights *w, size_t i) {
    return &w->tensors[i];
}

const struct weight *weights_find(const struct weights *w, const char *name) {
    struct weight key = {.name = name};
    return bsearch(&key, w->tensors, w->count, sizeof *w->tensors, by_name);
}

void weight_floats(float *out, const struct weight *t, size_t from, size_t n) {
    floats_from(out, (const char *)t->data + dtype_bytes(t->dtype, from), t->dtype, n);
    size_t rows = t->shape[0] > 0 ? (size_t)t->shape[0] : 1; /* a scalar has none */
    floats_scale(out, &t->scales, (size_t)t->count / rows, from, n);
}

const char *weights_metadata(const struct weights *w, const char *key) {
    const char *found = NULL;
    for (size_t i = 0; i < w->file_count && !found; i++)
        found = w->files[i].kind->metadata(w->files[i].file, key);
    return found;
}

enum status weights_check(const struct weights *w, struct error *err) {
    enum status s = STATUS_OK;
    for (size_t i = 0; i < w->file_count && s == STATUS_OK; i++)
        s = mapped_file_check(w->files[i].kind->mapped(w->files[i].file), err);
    return s;
}

enum status weight_check(const struct weight *t, struct error *err) {
    return mapped_file_check(t->mapped, err);
}

/* Advises on the bytes [data + from, data + to), `from` possibly before the tensor.  Advice is a
 * favour: when the system declines it, nothing is wrong. */
static void advise(const struct weight *t, ptrdiff_t from, ptrdiff_t to, int advice) {
    if (from < to) (void)madvise((char *)t->data + from, (size_t)(to - from), advice);
}

void weights_release(const struct weight *t) {
    ptrdiff_t page = sysconf(_SC_PAGESIZE),
              bytes = (ptrdiff_t)dtype_bytes(t->dtype, (size_t)t->count);
    ptrdiff_t into_page = (ptrdiff_t)((uintptr_t)t->data % (uintptr_t)page);
    ptrdiff_t first = into_page ? page - into_page : 0, after = (into_page + bytes) % page;
    advise(t, first, bytes - after, MADV_DONTNEED);
}

void weights_release_bytes(const void *data, size_t bytes) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), into_page = (uintptr_t)data % page;
    if (bytes) (void)madvise((char *)data - into_page, bytes + into_page, MADV_DONTNEED);
}

/* Of one call the system takes no more than its disk's largest request, silently. */
enum { PREFETCH_BYTES = 128 << 10 };

void weights_prefetch(const struct weight *t) {
    ptrdiff_t page = sysconf(_SC_PAGESIZE),
              bytes = (ptrdiff_t)dtype_bytes(t->dtype, (size_t)t->count);
    ptrdiff_t from = -(ptrdiff_t)((uintptr_t)t->data % (uintptr_t)page);
    for (; bytes && from < bytes; from += PREFETCH_BYTES) {
        ptrdiff_t left = bytes - from;
        advise(t, from, left < PREFETCH_BYTES ? bytes : from + PREFETCH_BYTES, MADV_WILLNEED);
    }
}
