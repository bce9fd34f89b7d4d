/*
 * key_layout.h - what files call the tensors that the networks ask for.
 *
 * A network names its tensors once, in its own words; checkpoints of the same network have other
 * prefixes, depending on who wrote them.  All rules of that kind are in key_layout.c, those for the
 * keys of adapters, too: a further layout is rows there.
 */
#ifndef MODEL_KEY_LAYOUT_H
#define MODEL_KEY_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "weights/weights.h"

/* ---- checkpoints ---- */

struct key_layout;

/* The layout that the component's weights have, by the tensors that are there; never NULL. */
const struct key_layout *key_layout_find(const char *component, const struct weights *w);

/* Writes what the layout calls the network's tensor `name`.  A result that does not fit becomes "",
 * which no tensor is called.
 *
 * Names of the text encoder begin with "language." or "visual."; lm_head.weight has no prefix. */
void key_layout_apply(const struct key_layout *l, char *out, size_t size, const char *name);

/* ---- adapters ---- */

enum adapter_role { ADAPTER_DOWN, ADAPTER_UP, ADAPTER_ALPHA, ADAPTER_ROLES };

struct adapter_key {
    const char *module; /* in the key; not terminated */
    size_t length;
    bool flat; /* it has '_' for every '.' */
    enum adapter_role role;
};

/* Takes a LoRA's key apart; lora.h has the layouts.  False: it is none. */
bool adapter_key_read(struct adapter_key *out, const char *key);

#endif
