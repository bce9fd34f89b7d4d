/*
 * vae_internal.h - the VAE's parts, for vae.c, which loads them and leads through a pass, and
 * vae_bands.c, which runs the convolutions of a large map in bands.
 */
#ifndef MODEL_VAE_INTERNAL_H
#define MODEL_VAE_INTERNAL_H

#include "model/vae.h"

enum { VAE_MAX_RES_BLOCKS = 65 };

struct res_block {
    int64_t in, out;
    struct vector *norm1, *norm2;
    struct conv *conv1, *conv2;
    struct linear *shortcut; /* NULL where in == out */
};

struct attention_block {
    struct vector *norm;
    struct linear *qkv, *proj;
};

struct level {
    struct res_block blocks[VAE_MAX_RES_BLOCKS];
    int64_t count;
    struct conv *resample; /* NULL in the last level */
};

/* One direction: encoder or decoder. */
struct half {
    struct conv *conv_in, *conv_out;
    struct level levels[VAE_MAX_LEVELS];
    struct res_block middle[2];
    struct attention_block attention;
    struct vector *norm_out;
    int64_t middle_channels, out_channels; /* of the middle, and before conv_out */
};

struct vae {
    struct vae_config c;
    struct half encoder, decoder;
    struct linear *quant, *post_quant;
    int64_t band_rows; /* see vae_set_band */
};

/* ---- a map on its way through three buffers ---- */

/* x lies in buffers[at]; an operation's results go to the next ones. */
struct pass {
    struct workspace *w;
    struct tensor buffers[3]; /* of one row */
    int at;
    struct feature_map x;
};

/* Three buffers of so many numbers. */
void pass_start(struct pass *p, struct workspace *w, int64_t numbers);
int pass_other(const struct pass *p, int steps);
/* A map that starts `skip` numbers into a buffer. */
struct feature_map pass_map(const struct pass *p, int buffer, int64_t skip, int64_t height,
                            int64_t width, int64_t channels);

/* ---- layers in bands ---- */

/*
 * A chain of 3x3 convolutions, with what stands around them, over a map that comes from above in
 * bands of rows.  A layer computes those rows of its output for which its input is there, and keeps
 * the last rows of its input for the next band; so nothing is computed twice, and no map is ever
 * there as a whole.  Results are the same bytes for any bands: a layer's rows come in multiples of
 * op_conv_tile.
 */
struct chain;

enum status chain_create(struct chain **out, struct error *err);
void chain_destroy(struct chain *c);

/* Add layers behind those that are there.  The first one's input is given by `chain_input`.
 * STATUS_NO_MEMORY is told by chain_run. */
void chain_input(struct chain *c, int64_t height, int64_t width, int64_t channels);
void chain_add_block(struct chain *c, const struct res_block *b);
/* norm, with SiLU, before the convolution; or NULL. */
void chain_add_conv(struct chain *c, const struct vector *norm, const struct conv *v,
                    int64_t channels);
void chain_add_downsample(struct chain *c, const struct conv *v, int64_t channels);
void chain_add_upsample(struct chain *c, const struct conv *v, int64_t channels);

/* Where rows come from, and where they go: rows [from, from + map.height). */
struct chain_ends {
    void (*read)(void *arg, struct workspace *w, struct feature_map to, int64_t from);
    void (*write)(void *arg, struct workspace *w, struct feature_map rows, int64_t from);
    void *arg;
};

/* Runs all rows through.  With `pull` a band is `rows` rows of the last layer's output, and else of
 * the first one's input: the side of the larger maps is the one to count on. */
enum status chain_run(struct chain *c, struct workspace *w, int64_t rows, bool pull,
                      const struct chain_ends *ends, struct error *err);

#endif
