/*
 * The header of a safetensors file, from bytes: first as a whole file, then as the JSON text alone
 * under a length that is right, since a fuzzer seldom gets both right at once.  What passes must
 * keep the promises of the header file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "weights/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds) {
    if (!holds) abort();
}

static void check(const void *head, size_t head_size, uint64_t file_size) {
    struct safetensors f;
    struct error err = {""};
    enum status s = safetensors_parse(&f, head, head_size, file_size, "fuzz", &err);
    if (s != STATUS_OK) {
        require(s == STATUS_INVALID && *err.text && !strchr(err.text, '\n') && !f.tensors);
        return;
    }
    uint64_t at = 0;
    for (size_t i = 0; i < f.count; i++) {
        const struct safetensor *t = &f.tensors[i];
        int64_t count = 1;
        for (int d = 0; d < t->rank; d++) count *= t->shape[d];
        require(t->rank >= 0 && t->rank <= SAFETENSORS_MAX_RANK && t->count == count && count >= 0);
        require(t->begin == at && t->end - t->begin == (uint64_t)count * t->item_size);
        require(*t->name != '\0' && *t->dtype != '\0');
        at = t->end;
    }
    const char *about = safetensors_metadata(&f, "format");
    require(!about || strlen(about) < head_size);
    require(at == f.data_size && f.data_size <= file_size);
    safetensors_close(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check(data, size, size);
    if (size >= 8) check(data, size, (uint64_t)size + 24);

    uint8_t *file = malloc(size + 8);
    if (!file) return 0;
    for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)size >> 8 * i);
    if (size) memcpy(file + 8, data, size);
    check(file, size + 8, (uint64_t)size + 8 + 24);
    free(file);
    return 0;
}
