/*
 * vae_bands.h - a chain of 3x3 convolutions, with what stands around them, over a map that comes from
 * above in bands of rows.
 *
 * A layer computes those rows of its output for which its input is there, and keeps the last rows of
 * its input for the next band; so nothing is computed twice, and no map is ever there as a whole.
 * Results are the same bytes for any bands: a layer's rows come in multiples of op_conv_tile.
 */
#ifndef MODEL_VAE_BANDS_H
#define MODEL_VAE_BANDS_H

#include "compute/operations.h"

struct res_block {
    int64_t in, out;
    struct vector *norm1, *norm2;
    struct conv *conv1, *conv2;
    struct linear *shortcut; /* NULL where in == out */
};

struct chain;

enum status chain_create(struct chain **out, struct error *err);
void chain_destroy(struct chain *c);

/* Add layers behind those that are there.  The first one's input is given by `chain_input`.
 * STATUS_NO_MEMORY is reported by chain_run. */
void chain_input(struct chain *c, int64_t height, int64_t width, int64_t channels);
void chain_add_block(struct chain *c, const struct res_block *b);
/* norm, with SiLU, before the convolution; or NULL. */
void chain_add_conv(struct chain *c, const struct vector *norm, const struct conv *v,
                    int64_t channels);
void chain_add_downsample(struct chain *c, const struct conv *v, int64_t channels);
void chain_add_upsample(struct chain *c, const struct conv *v, int64_t channels);

/* Where rows come from, and where they go: rows [from, from + map.height). */
struct chain_io {
    void (*read)(void *arg, struct workspace *w, struct feature_map to, int64_t from);
    void (*write)(void *arg, struct workspace *w, struct feature_map rows, int64_t from);
    void *arg;
};

/* Runs all rows through.  With `pull` a band is `rows` rows of the last layer's output, and else of
 * the first one's input: the side of the larger maps is the one to count on. */
enum status chain_run(struct chain *c, struct workspace *w, int64_t rows, bool pull,
                      const struct chain_io *io, struct error *err);

#endif
