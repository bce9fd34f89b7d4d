/*
 * layer_list.h - the linear layers of a network, numbered in its own order.
 *
 * The loader writes them down as it comes to them.  A layer's number does not depend on where its
 * weights are, on the device or in a file, nor on how they are stored: what belongs to layers
 * beside their weights, as an adapter's matrices do, is found by it.
 */
#ifndef MODEL_LAYER_LIST_H
#define MODEL_LAYER_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"

struct named_layer {
    char *name; /* as the network asks for it: "transformer_blocks.0.attn.to_q" */
    int64_t out_features, in_features;
};

struct layer_list {
    struct named_layer *layers; /* by number */
    size_t count, slots;
};

/* Gives the layer the next number.  The name is copied.  STATUS_NO_MEMORY. */
enum status layer_list_add(struct layer_list *list, const char *name, int64_t out_features,
                           int64_t in_features, struct error *err);

void layer_list_free(struct layer_list *list); /* leaves it empty */

#endif
