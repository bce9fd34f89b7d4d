/*
 * An array that doubles when it is full.
 */
#include "model/layer_list.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64 };

enum status layer_list_add(struct layer_list *list, const char *name, int64_t out_features,
                           int64_t in_features, struct error *err) {
    if (list->count == list->slots) {
        size_t slots = list->slots ? list->slots * 2 : FIRST_SLOTS;
        struct named_layer *layers = realloc(list->layers, slots * sizeof *layers);
        if (!layers) return fail(err, STATUS_NO_MEMORY, "no memory for the list of layers");
        list->layers = layers;
        list->slots = slots;
    }
    char *copy = strdup(name);
    if (!copy) return fail(err, STATUS_NO_MEMORY, "no memory for the list of layers");
    list->layers[list->count++] = (struct named_layer){copy, out_features, in_features};
    return STATUS_OK;
}

void layer_list_free(struct layer_list *list) {
    for (size_t i = 0; i < list->count; i++) free(list->layers[i].name);
    free(list->layers);
    *list = (struct layer_list){0};
}
