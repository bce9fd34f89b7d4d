/*
 * Layout: eight bytes with the header's length, little-endian; the header, a JSON object; the
 * tensors' data. Source: the format's description in huggingface/safetensors.
 */
#include "support/safetensors_reader.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct safetensors_reader {
    char *path;
    uint8_t *data; /* of the tensors, from a fresh allocation: aligned where the file's offsets are */
    size_t size;
    json_t *header;
    const char **names;
    size_t count;
};

static _Noreturn void give_up(const char *path, const char *name, const char *why) {
    fprintf(stderr, "%s: %s%s%s\n", path, name, *name ? ": " : "", why);
    exit(EXIT_FAILURE);
}

static void read_file(struct safetensors_reader *r, const char *path) {
    FILE *f = fopen(path, "rb");
    uint8_t head[8];
    if (!f || fread(head, 1, 8, f) != 8) give_up(path, "", "cannot be read");
    size_t length = 0;
    for (int i = 7; i >= 0; i--) length = length << 8 | head[i];
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f);
    if (length > size - 8) give_up(path, "", "its header is longer than the file");

    char *text = malloc(length + 1);
    r->size = size - 8 - length;
    r->data = malloc(r->size + 1);
    fseek(f, 8, SEEK_SET);
    if (!text || !r->data || fread(text, 1, length, f) != length ||
        fread(r->data, 1, r->size, f) != r->size)
        give_up(path, "", "cannot be read");
    fclose(f);
    r->header = json_loadb(text, length, 0, NULL);
    free(text);
    if (!json_is_object(r->header)) give_up(path, "", "its header is no JSON object");
}

struct safetensors_reader *safetensors_reader_open(const char *path) {
    struct safetensors_reader *r = calloc(1, sizeof *r);
    if (!r) give_up(path, "", "no memory");
    r->path = strdup(path);
    read_file(r, path);
    json_object_del(r->header, "__metadata__");
    r->names = calloc(json_object_size(r->header) + 1, sizeof *r->names);
    if (!r->path || !r->names) give_up(path, "", "no memory");
    const char *name;
    json_t *entry;
    json_object_foreach(r->header, name, entry) r->names[r->count++] = name;
    return r;
}

void safetensors_reader_close(struct safetensors_reader *r) {
    if (!r) return;
    json_decref(r->header);
    free(r->names);
    free(r->data);
    free(r->path);
    free(r);
}

bool safetensors_reader_has(const struct safetensors_reader *r, const char *name) {
    return json_object_get(r->header, name) != NULL;
}

struct reader_tensor safetensors_reader_get(const struct safetensors_reader *r, const char *name) {
    const json_t *entry = json_object_get(r->header, name);
    if (!entry) give_up(r->path, name, "no such tensor");
    const json_t *shape = json_object_get(entry, "shape");
    const json_t *span = json_object_get(entry, "data_offsets");
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    size_t from = (size_t)json_integer_value(json_array_get(span, 0));
    size_t to = (size_t)json_integer_value(json_array_get(span, 1));
    if (!dtype || !json_is_array(shape) || json_array_size(shape) > READER_MAX_RANK || from > to ||
        to > r->size)
        give_up(r->path, name, "bad dtype, shape or data_offsets");

    struct reader_tensor t = {.rank = (int)json_array_size(shape), .count = 1};
    snprintf(t.dtype, sizeof t.dtype, "%s", dtype);
    for (int i = 0; i < t.rank; i++) {
        t.shape[i] = json_integer_value(json_array_get(shape, (size_t)i));
        t.count *= (size_t)t.shape[i];
    }
    t.bytes = to - from;
    t.data = r->data + from;
    return t;
}

size_t safetensors_reader_count(const struct safetensors_reader *r) {
    return r->count;
}

const char *safetensors_reader_name(const struct safetensors_reader *r, size_t i) {
    return r->names[i];
}

float *safetensors_reader_floats(const struct safetensors_reader *r, const char *name) {
    struct reader_tensor t = safetensors_reader_get(r, name);
    float *out = malloc(t.count * sizeof *out + 1);
    if (!out) give_up(r->path, name, "no memory");
    const uint8_t *bytes = t.data;
    for (size_t i = 0; i < t.count; i++) {
        if (strcmp(t.dtype, "F32") == 0) {
            memcpy(&out[i], bytes + i * 4, 4);
        } else if (strcmp(t.dtype, "BF16") == 0) {
            uint32_t bits = (uint32_t)bytes[i * 2] << 16 | (uint32_t)bytes[i * 2 + 1] << 24;
            memcpy(&out[i], &bits, 4);
        } else if (strcmp(t.dtype, "I64") == 0) {
            int64_t n;
            memcpy(&n, bytes + i * 8, 8);
            out[i] = (float)n;
        } else if (strcmp(t.dtype, "U8") == 0) {
            out[i] = bytes[i];
        } else {
            give_up(r->path, name, "its dtype has no conversion to float");
        }
    }
    return out;
}
