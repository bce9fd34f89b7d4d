/*
 * lora_config.h - the configuration that newer diffusers stores beside an adapter's matrices, in
 * the header of their file.
 *
 * It is peft's LoraConfig as JSON text, under LORA_CONFIG_KEY in the safetensors metadata.  Its
 * keys carry the prefix "transformer."; where none does, they stand without one.  Of them
 *
 *     r, lora_alpha                 a module's rank and alpha; 8 where they are missing
 *     rank_pattern, alpha_pattern   the same for some modules: {"to_q": 4, "blocks.0.to_k": 16}
 *     use_rslora                    alpha is divided by the root of the rank, not by the rank
 *
 * decide a module's strength.  A pattern matches the module of its name and every one whose name
 * ends in a '.' and it ("to_q": "blocks.0.to_q"); after a '^' only the former.  The first that
 * matches counts, in the order of the file.  peft reads patterns as regular expressions; here only
 * names are understood.
 *
 * Whatever would make another sum than alpha / rank * up @ down is refused: use_dora, lora_bias and
 * other such variants, and initialisations that change the model's own weight.
 */
#ifndef MODEL_LORA_CONFIG_H
#define MODEL_LORA_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/status.h"

#define LORA_CONFIG_KEY "lora_adapter_metadata"

enum { LORA_CONFIG_MAX = 1 << 20 }; /* bytes of the text */

struct lora_config;

/* `text` is untrusted; neither it nor `file`, the name for messages, is needed afterwards.  *out is
 * NULL after a failure, and for the texts "" and "null", which are no configuration.
 * STATUS_INVALID: it breaks a rule of the above.  STATUS_NO_MEMORY. */
enum status lora_config_parse(struct lora_config **out, const char *text, const char *file,
                              struct error *err);

void lora_config_close(struct lora_config *c); /* NULL is fine */

/* A module as the adapter's keys have it. */
struct lora_module {
    const char *name; /* not terminated */
    size_t length;
    bool flat;    /* kohya's layout: the name has '_' for every '.' */
    int64_t rank; /* of its matrices */
};

/* What up @ down of the module is multiplied by.  STATUS_INVALID: the configuration gives it
 * another rank, or has patterns although the name is flat. */
enum status lora_config_factor(const struct lora_config *c, double *factor,
                               const struct lora_module *m, struct error *err);

#endif
