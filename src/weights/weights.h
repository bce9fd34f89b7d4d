/*
 * weights.h - the stored tensors of one component of a model (transformer, text_encoder, vae), or
 * of one adapter.
 *
 * A component's folder holds STEM.safetensors, or several shards with STEM.safetensors.index.json.
 * The files are mapped, so that opening costs their headers only (2856 tensors in 8 files of 58 GB:
 * some milliseconds) and a tensor costs memory from its first touch until weights_release.  Here
 * nobody knows what a tensor means; names and shapes are the caller's to check.
 *
 *     struct weights *w;
 *     enum status s = weights_open(&w, "/models/m/transformer", "diffusion_pytorch_model", &err);
 *     if (s != STATUS_OK) return s;
 *     const struct weight *t = weights_find(w, "img_in.weight");
 *     ...
 *     weights_close(w);
 *
 * After the open everything is constant: all functions but weights_close may be called by several
 * threads at once. The rules that the files must obey stand in safetensors.h and index.h.  Whoever
 * has read elements asks weights_check or weight_check before he uses them: a file may have been
 * written to or shortened meanwhile (mapped_file.h).  Replacing one by rename is safe.
 */
#ifndef WEIGHTS_WEIGHTS_H
#define WEIGHTS_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "firered/status.h"

enum { TENSOR_MAX_RANK = 8 };

struct weights;
struct mapped_file;

/* One stored tensor; everything lives as long as the `struct weights`. */
struct weight {
    const char *name;
    const char *file; /* base name of the file it is in, for error messages */
    enum dtype dtype;
    int rank;                       /* 0 is a scalar */
    int64_t shape[TENSOR_MAX_RANK]; /* zeros after `rank` */
    int64_t count;                  /* elements, may be 0; their bytes fit int64_t */
    const void *data;     /* in the mapped file: row-major, read only, perhaps not aligned */
    struct scales scales; /* of the elements as a matrix of shape[0] rows */
    const struct mapped_file *mapped; /* that file */
};

/* Opens FOLDER/STEM.safetensors or, where there is none, the shards that
 * FOLDER/STEM.safetensors.index.json names. `stem` is "diffusion_pytorch_model" for diffusers'
 * components and "model" for transformers'.
 *
 * Every tensor must be float32, bfloat16 or float16; the index and the shards must agree on where a
 * tensor is; a tensor that is in a shard but not in the index is there all the same, as the
 * reference loaders have it.
 *
 * *out is NULL after a failure.  STATUS_INVALID: neither file is there, or one of them breaks a
 * rule; the sentence names file and tensor.  STATUS_IO: a file is there but cannot be opened or
 * mapped.  STATUS_NO_MEMORY. */
enum status weights_open(struct weights **out, const char *folder, const char *stem,
                         struct error *err);

/* The same for one safetensors file, a LoRA for instance.  STATUS_IO also when it is not there. */
enum status weights_open_file(struct weights **out, const char *path, struct error *err);

void weights_close(struct weights *w); /* NULL is fine */

size_t weights_count(const struct weights *w);

/* i < weights_count; ascending by name (strcmp). */
const struct weight *weights_at(const struct weights *w, size_t i);

/* Elements [from, from + n) of a tensor as float32, scaled; both multiples of its type's blocks. */
void weight_floats(float *out, const struct weight *t, size_t from, size_t n);

/* NULL when there is no such tensor. */
const struct weight *weights_find(const struct weights *w, const char *name);

/* The string under `key` in the "__metadata__" of the first file that has one there, or NULL;
 * untrusted, as safetensors_metadata says, and as long-lived as the weights. */
const char *weights_metadata(const struct weights *w, const char *key);

/* Whether all files, or the tensor's, are as they were when they were opened.  STATUS_IO names the
 * one that is not. */
enum status weights_check(const struct weights *w, struct error *err);
enum status weight_check(const struct weight *t, struct error *err);

/* Lets the mapped pages that lie wholly inside the tensor go, after it was packed or copied.  The
 * data stay valid: whoever touches them again reads them from the file again. */
void weights_release(const struct weight *t);

/* The same for some bytes of a mapped file that are no longer needed, wherever pages begin: what
 * else is on the first and last page is read again, too, by whoever touches it. */
void weights_release_bytes(const void *data, size_t bytes);

/* Asks the system to read the tensor ahead: returns when the disk has been asked, which may take as
 * long as its queue is full (read_ahead.h does it in a thread). */
void weights_prefetch(const struct weight *t);

#endif
