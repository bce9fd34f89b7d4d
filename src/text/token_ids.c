/*
 * An array that more than doubles when it grows.
 */
#include "text/token_ids.h"

#include <stdlib.h>

enum status token_ids_push(struct token_ids *list, int32_t id, size_t times, struct error *err) {
    if (times > list->capacity - list->count) {
        if (times > SIZE_MAX / sizeof *list->ids / 4 - list->count)
            return fail(err, STATUS_NO_MEMORY, "no memory for %zu more tokens", times);
        size_t capacity = (list->count + times) * 2 + 30;
        int32_t *ids = realloc(list->ids, capacity * sizeof *ids);
        if (!ids) return fail(err, STATUS_NO_MEMORY, "no memory for %zu tokens", capacity);
        list->ids = ids;
        list->capacity = capacity;
    }
    for (size_t i = 0; i < times; i++) list->ids[list->count++] = id;
    return STATUS_OK;
}

void token_ids_free(struct token_ids *list) {
    if (!list) return;
    free(list->ids);
    *list = (struct token_ids){0};
}
