/*
 * The index is read whole as JSON and kept as jansson has it, for weights.c looks through its entries
 * once.  The names of the shards are sorted and made unique, so that files open in one order.
 */
#include "weights/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int is_plain_name(const char *name) {
    size_t n = strlen(name), tail = strlen(".safetensors");
    if (n <= tail || n > 255 || name[0] == '.' || strchr(name, '/') || strstr(name, "..")) return 0;
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) return 0;
    return strcmp(name + n - tail, ".safetensors") == 0;
}

static enum status collect_shards(struct weights_index *out, const char *file, struct error *err) {
    size_t entries = json_object_size(out->map), n = 0;
    if (entries == 0) return fail(err, STATUS_INVALID, "%s: its \"weight_map\" is empty", file);
    out->shards = calloc(entries, sizeof *out->shards);
    if (!out->shards)
        return fail(err, STATUS_NO_MEMORY, "no memory for the %zu entries of %s", entries, file);
    const char *tensor;
    json_t *value;
    json_object_foreach(out->map, tensor, value) {
        const char *shard = json_string_value(value);
        if (!shard)
            return fail(err, STATUS_INVALID, "%s: the shard of tensor \"%.160s\" is not a string",
                        file, tensor);
        if (!is_plain_name(shard))
            return fail(err, STATUS_INVALID,
                        "%s: tensor \"%.120s\" is said to be in \"%.120s\", which is no file name "
                        "that ends in .safetensors",
                        file, tensor, shard);
        out->shards[n++] = shard;
    }
    qsort(out->shards, n, sizeof *out->shards, by_text);
    out->count = 1;
    for (size_t i = 1; i < n; i++)
        if (strcmp(out->shards[i], out->shards[out->count - 1]) != 0)
            out->shards[out->count++] = out->shards[i];
    if (out->count > INDEX_MAX_SHARDS)
        return fail(err, STATUS_INVALID, "%s names %zu shards; at most %d are allowed", file,
                    out->count, INDEX_MAX_SHARDS);
    return STATUS_OK;
}

static enum status parse(struct weights_index *out, const char *text, size_t size, const char *file,
                         struct error *err) {
    json_error_t where;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    if (!root && !*where.text) /* how jansson says that it ran out of memory */
        return fail(err, STATUS_NO_MEMORY, "no memory to read %s", file);
    if (!root) return json_refuse(file, text, size, &where, err);
    json_t *map = json_object_get(root, "weight_map");
    enum status s = STATUS_OK;
    if (!json_is_object(map)) {
        s = fail(err, STATUS_INVALID, "%s has no \"weight_map\" object", file);
    } else {
        out->map = json_incref(map);
        s = collect_shards(out, file, err);
    }
    json_decref(root);
    return s;
}

enum status index_parse(struct weights_index *out, const char *text, size_t size, const char *file,
                        struct error *err) {
    *out = (struct weights_index){0};
    enum status s = parse(out, text, size, file, err);
    if (s == STATUS_OK) return s;
    index_close(out);
    for (char *c = err ? err->text : NULL; c && *c;
         c++) /* what the file holds must not break the line */
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    return s;
}

enum status index_open(struct weights_index *out, const char *path, struct error *err) {
    *out = (struct weights_index){0};
    struct buffer text = {0};
    enum status s = buffer_read_file(&text, path, INDEX_MAX_BYTES, err);
    if (s != STATUS_OK) return s;
    const char *slash = strrchr(path, '/');
    s = index_parse(out, text.data ? text.data : "", text.size, slash ? slash + 1 : path, err);
    buffer_free(&text);
    return s;
}

void index_close(struct weights_index *index) {
    free(index->shards);
    json_decref(index->map);
    *index = (struct weights_index){0};
}
