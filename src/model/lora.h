/*
 * lora.h - a low-rank adapter (LoRA), merged into the weights while they are loaded.
 *
 * An adapter holds for some linear modules two small matrices, down [rank, in_features] and up
 * [out_features, rank], and perhaps a number alpha; it stands for the change
 *
 *     delta = scale * strength * up @ down          [out_features, in_features]
 *
 * of the module's weight (Hu et al. 2021, "LoRA"; peft's merge).  Merged once, it costs nothing per
 * step.
 *
 * Three layouts of keys are in circulation, and may be mixed; X is the module's name in the
 * transformer:
 *
 *     peft, diffusers   [PREFIX]X.lora_A.weight      [PREFIX]X.lora_B.weight
 *                       (also [PREFIX]X.lora_A.default.weight)
 *     lightx2v          [PREFIX]X.lora_down.weight   [PREFIX]X.lora_up.weight
 *     kohya             lora_unet_X.lora_down.weight, ... with '_' for every '.' of X
 *
 * each with an optional X.alpha; PREFIX is "transformer.", "diffusion_model." or
 * "base_model.model.".  down and up are 2-D.  A key of any other form is refused: an adapter that
 * is merged in part is a different adapter.
 *
 * A module's strength is alpha / rank of its X.alpha, the lora_alpha / r of the configuration that
 * diffusers stores in the file's header, or that of peft's adapter_config.json beside the file
 * (lora_config.h); 1 where nobody says.  Sources that agree count once; two that disagree stop the load
 * with both numbers, and so does a configuration that is not understood: nothing is merged at another
 * strength than it was trained for.
 *
 *     for every adapter: lora_open
 *     for every module of the transformer, for every adapter: lora_merge
 *     for every adapter: lora_check against all of these modules, lora_close
 */
#ifndef MODEL_LORA_H
#define MODEL_LORA_H

#include <stdbool.h>
#include <stdint.h>

#include "firered/status.h"
#include "model/layer_list.h"

struct lora;

/* Opens and checks the adapter in the safetensors file `path`; `scale` is the user's factor,
 * finite. *out is NULL after a failure.  STATUS_INVALID: the file breaks a rule of safetensors.h or
 * of the above; the sentence names file and key.  STATUS_IO: it cannot be opened. STATUS_NO_MEMORY.
 */
enum status lora_open(struct lora **out, const char *path, double scale, struct error *err);

void lora_close(struct lora *l); /* NULL is fine */

/* Whether an adapter_config.json beside it was not taken, since several adapters share the folder. */
bool lora_passed_config_over(const struct lora *l);

/* Whether the adapter changes module `name`, e.g. "transformer_blocks.0.attn.to_q". */
bool lora_has(const struct lora *l, const char *name);

/* STATUS_IO: its file is no longer as it was when it was opened (mapped_file.h). */
enum status lora_check_file(const struct lora *l, struct error *err);

/* Whether the adapter is one for a network of these layers: its matrices have their sizes, and each
 * belongs to one of them.  At any time, before merging or after.  STATUS_INVALID: the sentence names
 * the file, the key, and what was expected.  STATUS_NO_MEMORY. */
enum status lora_check(const struct lora *l, const struct layer_list *layers, struct error *err);

/* Adds this adapter's delta for module `name` to weight [out_features, in_features], float32
 * row-major, if it has one.  Several threads may call it at the same time, each for a weight of its
 * own.  After a failure the weight is as it was.  STATUS_INVALID: the adapter's matrices have other
 * sizes.  STATUS_NO_MEMORY. */
enum status lora_merge(const struct lora *l, const char *name, float *weight, int64_t out_features,
                       int64_t in_features, struct error *err);

#endif
