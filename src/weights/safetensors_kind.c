/*
 * Safetensors as a kind of tensor file: of the element types that its header may name, those that
 * weights can have.
 */
#include <stdlib.h>
#include <string.h>

#include "weights/safetensors.h"
#include "weights/tensor_file.h"

_Static_assert((int)TENSOR_MAX_RANK == (int)SAFETENSORS_MAX_RANK, "a stored shape fits");

static void close_file(void *file) {
    safetensors_close(file);
    free(file);
}

static enum status open_file(void **file, const char *path, struct error *err) {
    struct safetensors *f = malloc(sizeof *f);
    *file = NULL;
    if (!f) return fail(err, STATUS_NO_MEMORY, "no memory to open %s", path);
    enum status s = safetensors_open(f, path, err);
    if (s == STATUS_OK)
        *file = f;
    else
        free(f);
    return s;
}

static size_t count(const void *file) {
    return ((const struct safetensors *)file)->count;
}

static enum status tensor(const void *file, size_t i, struct weight *out, struct error *err) {
    static const struct {
        const char *name;
        enum dtype dtype;
    } KNOWN[] = {{"F32", DTYPE_F32}, {"BF16", DTYPE_BF16}, {"F16", DTYPE_F16}};
    const struct safetensors *f = file;
    const struct safetensor *t = &f->tensors[i];
    for (size_t k = 0; k < sizeof KNOWN / sizeof KNOWN[0]; k++) {
        if (strcmp(t->dtype, KNOWN[k].name) != 0) continue;
        *out = (struct weight){.name = t->name,
                               .file = f->file,
                               .dtype = KNOWN[k].dtype,
                               .rank = t->rank,
                               .count = t->count,
                               .data = f->data + t->begin,
                               .mapped = f->map};
        memcpy(out->shape, t->shape, sizeof out->shape);
        return STATUS_OK;
    }
    return fail(err, STATUS_INVALID,
                "%s: tensor \"%.160s\" is stored as %s; weights must be F32, BF16 or F16", f->file,
                t->name, t->dtype);
}

static const struct mapped_file *mapped(const void *file) {
    return ((const struct safetensors *)file)->map;
}

static const char *metadata(const void *file, const char *key) {
    return safetensors_metadata(file, key);
}

const struct tensor_file_kind safetensors_kind = {open_file, close_file, count,
                                                  tensor,    mapped,     metadata};
