/*
 * lora_config.h - the configuration of an adapter: in the header of its file, where newer diffusers
 * stores it, or in adapter_config.json beside it, where peft does.
 *
 * It is peft's LoraConfig as JSON text; in a header it stands in the safetensors metadata, under
 * LORA_CONFIG_KEY.  Its keys carry the prefix "transformer."; where none does, they stand without
 * one.  Of them
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

/* `text` is untrusted; neither it nor `where`, which begins messages, is needed afterwards.  *out is
 * NULL after a failure, and for the texts "" and "null", which are no configuration.
 * STATUS_INVALID: it breaks a rule of the above.  STATUS_NO_MEMORY. */
enum status lora_config_parse(struct lora_config **out, const char *text, const char *where,
                              struct error *err);

/* The adapter_config.json in the folder of the adapter `path`.  It is the adapter's where that has
 * peft's own name, adapter_model.safetensors, or is the only safetensors file there; beside several
 * it is nobody's, and *passed_over is set.  *out is NULL where there is none, too.  Errors as
 * lora_config_parse; STATUS_IO: it cannot be read. */
enum status lora_config_beside(struct lora_config **out, bool *passed_over, const char *path,
                               struct error *err);

void lora_config_close(struct lora_config *c); /* NULL is fine */

/* A module as the adapter's keys have it. */
struct lora_module {
    const char *name; /* not terminated */
    size_t length;
    bool flat;    /* kohya's layout: the name has '_' for every '.' */
    int64_t rank; /* of its matrices */
};

/* What up @ down of a module is multiplied by, and who says so. */
struct lora_strength {
    double factor, alpha;
    const char *where; /* NULL: nobody */
};

/* What the configuration says of the module.  `where` is the configuration's.  STATUS_INVALID: the configuration gives it
 * another rank, or has patterns although the name is flat. */
enum status lora_config_strength(const struct lora_config *c, struct lora_strength *out,
                                 const struct lora_module *m, struct error *err);

#endif
