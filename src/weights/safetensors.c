/*
 * The header is parsed by jansson, each entry is checked by itself, then the entries are sorted by
 * their place in the file: a run through them in that order finds overlaps, holes and a file that
 * ends too early.
 *
 * Names are copied into one block; the JSON tree, some ten times their size, is let go before the
 * file is used, but for the metadata.
 */
#include "weights/safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file_kind.h"

enum { LENGTH_BYTES = 8 };

static const struct {
    const char *name;
    size_t size;
} FORMATS[] = {
    {"F32", 4},  {"BF16", 2},    {"F16", 2},     {"F64", 8},     {"I64", 8}, {"U64", 8},
    {"I32", 4},  {"U32", 4},     {"I16", 2},     {"U16", 2},     {"I8", 1},  {"U8", 1},
    {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1}, {"C64", 8},
};

static enum status check_name(const char *name, const char *file, struct error *err) {
    if (!*name) return fail(err, STATUS_INVALID, "%s: a tensor's name is empty", file);
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return fail(err, STATUS_INVALID,
                        "%s: tensor \"%.160s\" has a control character in its name", file, name);
    return STATUS_OK;
}

static enum status read_dtype(struct safetensor *t, const json_t *entry, const char *file,
                              struct error *err) {
    const json_t *value = json_object_get(entry, "dtype");
    const char *dtype = json_string_value(value);
    if (!dtype || strlen(dtype) != json_string_length(value))
        return fail(err, STATUS_INVALID, "%s: tensor \"%.160s\" has no \"dtype\" string", file,
                    t->name);
    for (size_t i = 0; i < sizeof FORMATS / sizeof FORMATS[0]; i++) {
        if (strcmp(dtype, FORMATS[i].name) != 0) continue;
        t->dtype = FORMATS[i].name;
        t->item_size = FORMATS[i].size;
        return STATUS_OK;
    }
    return fail(err, STATUS_INVALID, "%s: tensor \"%.160s\" has the unknown dtype \"%.40s\"", file,
                t->name, dtype);
}

static enum status read_shape(struct safetensor *t, const json_t *entry, const char *file,
                              struct error *err) {
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return fail(err, STATUS_INVALID, "%s: tensor \"%.160s\" has no \"shape\" array", file,
                    t->name);
    if (json_array_size(shape) > SAFETENSORS_MAX_RANK)
        return fail(err, STATUS_INVALID,
                    "%s: tensor \"%.160s\" has %zu dimensions; at most %d are supported", file,
                    t->name, json_array_size(shape), SAFETENSORS_MAX_RANK);
    t->rank = (int)json_array_size(shape);
    t->count = 1;
    int64_t bytes = (int64_t)t->item_size;
    for (int i = 0; i < t->rank; i++) {
        const json_t *side = json_array_get(shape, (size_t)i);
        if (!json_is_integer(side) || json_integer_value(side) < 0)
            return fail(err, STATUS_INVALID,
                        "%s: tensor \"%.160s\": dimension %d is not a whole number from 0", file,
                        t->name, i);
        t->shape[i] = json_integer_value(side);
        /* A 0 must not hide a product that overflowed before it or would after it. */
        int64_t factor = t->shape[i] ? t->shape[i] : 1;
        if (__builtin_mul_overflow(bytes, factor, &bytes))
            return fail(err, STATUS_INVALID, "%s: tensor \"%.160s\" has a shape too large to count",
                        file, t->name);
        t->count *= t->shape[i];
    }
    return STATUS_OK;
}

static enum status read_offsets(struct safetensor *t, const json_t *entry, const char *file,
                                struct error *err) {
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < 0)
        return fail(err, STATUS_INVALID,
                    "%s: tensor \"%.160s\": \"data_offsets\" must be two whole numbers from 0",
                    file, t->name);
    t->begin = (uint64_t)json_integer_value(begin);
    t->end = (uint64_t)json_integer_value(end);
    if (t->begin > t->end)
        return fail(err, STATUS_INVALID,
                    "%s: tensor \"%.160s\" begins at %llu, after its end at %llu", file, t->name,
                    (unsigned long long)t->begin, (unsigned long long)t->end);
    uint64_t size = (uint64_t)t->count * t->item_size;
    if (t->end - t->begin != size)
        return fail(err, STATUS_INVALID,
                    "%s: tensor \"%.160s\" needs %llu bytes for its shape in %s but has %llu", file,
                    t->name, (unsigned long long)size, t->dtype,
                    (unsigned long long)(t->end - t->begin));
    return STATUS_OK;
}

static enum status read_entry(struct safetensor *t, const json_t *entry, const char *file,
                              struct error *err) {
    enum status s = check_name(t->name, file, err);
    if (s != STATUS_OK) return s;
    if (!json_is_object(entry))
        return fail(err, STATUS_INVALID, "%s: the entry of tensor \"%.160s\" is not an object",
                    file, t->name);
    if ((s = read_dtype(t, entry, file, err)) != STATUS_OK) return s;
    if ((s = read_shape(t, entry, file, err)) != STATUS_OK) return s;
    return read_offsets(t, entry, file, err);
}

static enum status check_metadata(json_t *metadata, const char *file, struct error *err) {
    if (json_is_null(metadata)) return STATUS_OK;
    if (!json_is_object(metadata))
        return fail(err, STATUS_INVALID, "%s: \"__metadata__\" is not an object", file);
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value))
            return fail(err, STATUS_INVALID,
                        "%s: \"__metadata__\": the value of \"%.160s\" is not a string", file, key);
    }
    return STATUS_OK;
}

static int by_place(const void *a, const void *b) {
    const struct safetensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* The tensors, sorted, must cover the data from its first byte to its last. */
static enum status check_cover(const struct safetensors *f, uint64_t data_start,
                               struct error *err) {
    uint64_t at = 0;
    const char *before = "the header";
    for (size_t i = 0; i < f->count; i++) {
        const struct safetensor *t = &f->tensors[i];
        unsigned long long there = data_start + f->data_size, needed = data_start + t->end;
        if (needed > there)
            return fail(
                err, STATUS_INVALID,
                "%s is truncated: %llu bytes, needs %llu for tensor \"%.160s\"; fetch it again",
                f->file, there, needed, t->name);
        if (t->begin < at)
            return fail(err, STATUS_INVALID, "%s: tensor \"%.120s\" overlaps \"%.120s\"", f->file,
                        t->name, before);
        if (t->begin > at)
            return fail(err, STATUS_INVALID,
                        "%s: %llu bytes before tensor \"%.160s\" belong to no tensor", f->file,
                        (unsigned long long)(t->begin - at), t->name);
        at = t->end;
        before = t->name;
    }
    if (at < f->data_size)
        return fail(err, STATUS_INVALID, "%s: its last %llu bytes belong to no tensor", f->file,
                    (unsigned long long)(f->data_size - at));
    return STATUS_OK;
}

static enum status read_header(struct safetensors *f, json_t *root, uint64_t data_start,
                               struct error *err) {
    size_t bytes = 0, entries = json_object_size(root);
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value) bytes += strlen(key) + 1;
    f->tensors = calloc(entries ? entries : 1, sizeof *f->tensors);
    f->names = malloc(bytes ? bytes : 1);
    if (!f->tensors || !f->names)
        return fail(err, STATUS_NO_MEMORY, "no memory for the %zu tensors of %s", entries, f->file);

    char *name = f->names;
    json_object_foreach(root, key, value) {
        enum status s;
        if (strcmp(key, "__metadata__") == 0) {
            s = check_metadata(value, f->file, err);
            f->metadata = json_incref(value);
        } else {
            struct safetensor *t = &f->tensors[f->count++];
            size_t bytes_of_key = strlen(key) + 1;
            t->name = memcpy(name, key, bytes_of_key);
            name += bytes_of_key;
            s = read_entry(t, value, f->file, err);
        }
        if (s != STATUS_OK) return s;
    }
    qsort(f->tensors, f->count, sizeof *f->tensors, by_place);
    return check_cover(f, data_start, err);
}

/* Writes the sentence about a file that is of another kind; false: nobody knows what it is. */
static bool name_kind(const uint8_t *head, size_t head_size, const char *file, struct error *err) {
    const char *kind = file_kind(head, head_size);
    if (kind)
        fail(err, STATUS_INVALID,
             "%s is %s: weights must be safetensors; fetch the file again, or convert it", file,
             kind);
    return kind != NULL;
}

/* Sets *length to the header's, once it is known to lie within the bytes that there are. */
static enum status read_length(uint64_t *length, const uint8_t *head, size_t head_size,
                               uint64_t file_size, const char *file, struct error *err) {
    if (file_size == 0) return fail(err, STATUS_INVALID, "%s is empty", file);
    if (head_size < LENGTH_BYTES)
        return name_kind(head, head_size, file, err)
                   ? STATUS_INVALID
                   : fail(err, STATUS_INVALID, "%s is no safetensors file: it has only %llu bytes",
                          file, (unsigned long long)file_size);
    uint64_t n = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--) n = n << 8 | head[i];
    if (n == 0) return fail(err, STATUS_INVALID, "%s: its header's length is 0", file);
    bool unlike =
        n > SAFETENSORS_MAX_HEADER || (head_size > LENGTH_BYTES && head[LENGTH_BYTES] != '{');
    if (unlike && name_kind(head, head_size, file, err)) return STATUS_INVALID;
    if (n > SAFETENSORS_MAX_HEADER)
        return fail(
            err, STATUS_INVALID,
            "%s is no safetensors file: its header would have %llu bytes; at most %d are allowed",
            file, (unsigned long long)n, SAFETENSORS_MAX_HEADER);
    if (n > file_size - LENGTH_BYTES || n > head_size - LENGTH_BYTES)
        return fail(err, STATUS_INVALID,
                    "%s is truncated: %llu bytes, needs %llu for its header alone", file,
                    (unsigned long long)file_size, (unsigned long long)n + LENGTH_BYTES);
    *length = n;
    return STATUS_OK;
}

static enum status parse(struct safetensors *out, const uint8_t *head, size_t head_size,
                         uint64_t file_size, struct error *err) {
    uint64_t length = 0;
    enum status s = read_length(&length, head, head_size, file_size, out->file, err);
    if (s != STATUS_OK) return s;
    const char *text = (const char *)head + LENGTH_BYTES;
    if (*text != '{')
        return fail(err, STATUS_INVALID, "%s: its header is not a JSON object", out->file);
    json_error_t where;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
    if (!root && !*where.text) /* how jansson says that it ran out of memory */
        return fail(err, STATUS_NO_MEMORY, "no memory to read the header of %s", out->file);
    if (!root)
        return fail(err, STATUS_INVALID, "%s: its header is not valid JSON at byte %d: %s",
                    out->file, where.position, where.text);
    uint64_t data_start = LENGTH_BYTES + length;
    out->data_size = file_size - data_start;
    s = read_header(out, root, data_start, err);
    json_decref(root);
    return s;
}

static enum status start(struct safetensors *out, const char *path, struct error *err) {
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t size = strlen(base) + 1;
    *out = (struct safetensors){.file = malloc(size)};
    if (!out->file) return fail(err, STATUS_NO_MEMORY, "no memory to open %s", path);
    memcpy(out->file, base, size);
    return STATUS_OK;
}

enum status safetensors_parse(struct safetensors *out, const void *head, size_t head_size,
                              uint64_t file_size, const char *file, struct error *err) {
    enum status s = start(out, file, err);
    if (s == STATUS_OK) s = parse(out, head, head_size, file_size, err);
    if (s != STATUS_OK) safetensors_close(out);
    return s;
}

enum status safetensors_open(struct safetensors *out, const char *path, struct error *err) {
    enum status s = start(out, path, err);
    if (s == STATUS_OK) s = mapped_file_open(&out->map, path, err);
    const struct mapped_file *map = out->map;
    if (s == STATUS_OK) s = parse(out, map->data, map->size, map->size, err);
    if (map && mapped_file_check(map, err) != STATUS_OK) s = STATUS_IO;
    if (s == STATUS_OK) out->data = map->data + (map->size - out->data_size);
    if (s != STATUS_OK) safetensors_close(out);
    return s;
}

const char *safetensors_metadata(const struct safetensors *f, const char *key) {
    return json_string_value(json_object_get(f->metadata, key));
}

void safetensors_close(struct safetensors *f) {
    if (!f) return;
    json_decref(f->metadata);
    mapped_file_close(f->map);
    free(f->file);
    free(f->tensors);
    free(f->names);
    *f = (struct safetensors){0};
}
