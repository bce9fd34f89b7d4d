/*
 * The hub's lists: any bytes as a page, twice; what is taken over must hold to its promises.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hub/id.h"
#include "hub/select.h"
#include "hub/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *bytes;
static size_t bytes_size;

static bool has(void *tree, const char *path) {
    return hub_tree_find(tree, path) != NULL;
}

/* Every index is the input itself. */
static enum status read_index(void *tree, const char *path, struct buffer *out, struct error *err) {
    (void)tree, (void)path;
    return buffer_append(out, bytes, bytes_size, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct hub_tree tree = {0};
    struct error err;
    const char *next;
    size_t next_size;
    char *text = malloc(size + 1);
    bytes = data;
    bytes_size = size;
    memcpy(text, data, size);
    text[size] = '\0';
    if (hub_link_next(text, &next, &next_size) && next + next_size > text + size) abort();
    enum status s = hub_tree_add(&tree, (const char *)data, size, &err);
    if (s == STATUS_OK) hub_tree_add(&tree, (const char *)data, size, &err);
    if (hub_tree_finish(&tree, &err) == STATUS_OK) {
        bool *chosen = calloc(tree.count + 1, sizeof *chosen);
        const struct hub_look look = {has, read_index, &tree, size % 2 == 0};
        for (size_t i = 0; i < tree.count; i++) {
            const struct hub_file *file = &tree.files[i];
            if (!hub_path_is_safe(file->path, strlen(file->path)) || file->path[0] == '/' ||
                strlen(file->hash) != (file->lfs ? 64 : 40) ||
                hub_tree_find(&tree, file->path) != file)
                abort();
        }
        hub_select(&tree, &look, chosen, &err);
        free(chosen);
    }
    hub_tree_free(&tree);
    free(text);
    return 0;
}
