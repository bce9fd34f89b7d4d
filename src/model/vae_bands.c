/*
 * First the rows are counted: for every band, how far each layer gets.  That gives how many rows a
 * layer has to keep between bands, and the largest map that a buffer has to hold.  Then the same
 * count leads the computation.
 *
 * A band's rows lie `headroom` elements into their buffer, so that the rows kept from before can be
 * put in front of them; both together are the window that a convolution reads.
 */
#include <stdlib.h>

#include "model/vae_bands.h"

struct layer {
    const struct conv *conv;
    const struct vector *norm;
    /* Of a residual block the first layer and the second.  The first keeps the block's input,
     * before its norm, for as long as the second wants to add it. */
    const struct res_block *block;
    bool second;
    int64_t in_height, in_width, in_channels, out_height, out_width, out_channels;
    struct conv_options o;

    int64_t in, out;           /* rows that have come, and that were made, before this band */
    int64_t next_in, next_out; /* and after it */
    int64_t max_kept;          /* rows, between any two bands */
    struct tensor kept;        /* [max_kept * in_width, in_channels]; the rows end at `in` */
};

struct chain {
    struct layer *layers;
    size_t count, capacity;
    bool no_memory;
    struct layer next; /* its input is what the last one yields */
    int64_t headroom, largest;
    int64_t tile; /* rows: op_conv_tile */
};

/* ---- building ---- */

enum status chain_create(struct chain **out, struct error *err) {
    *out = calloc(1, sizeof **out);
    return *out ? STATUS_OK : fail(err, STATUS_NO_MEMORY, "no memory to run the VAE");
}

void chain_destroy(struct chain *c) {
    if (c) free(c->layers);
    free(c);
}

void chain_input(struct chain *c, int64_t height, int64_t width, int64_t channels) {
    c->next = (struct layer){.in_height = height, .in_width = width, .in_channels = channels};
}

static void add(struct chain *c, struct layer l) {
    if (c->count == c->capacity) {
        size_t capacity = c->capacity * 2 + 16;
        struct layer *more = realloc(c->layers, capacity * sizeof *more);
        c->no_memory = c->no_memory || !more;
        if (!more) return;
        c->layers = more;
        c->capacity = capacity;
    }
    l.in_height = c->next.in_height;
    l.in_width = c->next.in_width;
    l.in_channels = c->next.in_channels;
    l.out_height = l.o.upsample ? l.in_height * 2 : l.in_height / l.o.stride;
    l.out_width = l.o.upsample ? l.in_width * 2 : l.in_width / l.o.stride;
    c->layers[c->count++] = l;
    chain_input(c, l.out_height, l.out_width, l.out_channels);
}

static const struct conv_options same_size = {.stride = 1, .pad_left = 1},
                                 halved = {.stride = 2}, /* zeros at the far edges only */
    doubled = {.stride = 1, .pad_left = 1, .upsample = true};

void chain_add_conv(struct chain *c, const struct vector *norm, const struct conv *v,
                    int64_t channels) {
    add(c, (struct layer){.norm = norm, .conv = v, .out_channels = channels, .o = same_size});
}

void chain_add_block(struct chain *c, const struct res_block *b) {
    add(c,
        (struct layer){
            .norm = b->norm1, .conv = b->conv1, .block = b, .out_channels = b->out, .o = same_size});
    add(c, (struct layer){.norm = b->norm2,
                          .conv = b->conv2,
                          .block = b,
                          .second = true,
                          .out_channels = b->out,
                          .o = same_size});
}

void chain_add_downsample(struct chain *c, const struct conv *v, int64_t channels) {
    add(c, (struct layer){.conv = v, .out_channels = channels, .o = halved});
}

void chain_add_upsample(struct chain *c, const struct conv *v, int64_t channels) {
    add(c, (struct layer){.conv = v, .out_channels = channels, .o = doubled});
}

/* ---- counting rows ---- */

static int64_t min_of(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t max_of(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static int64_t whole_tiles_from(const struct chain *c, int64_t rows) {
    return rows / c->tile * c->tile;
}

/* The first row of input that output from row `out` on reads. */
static int64_t first_read(const struct layer *l, int64_t out) {
    if (out >= l->out_height) return l->in_height;
    if (l->o.stride == 2) return out * 2;
    if (out == 0) return 0;
    return l->o.upsample ? (out - 1) / 2 : out - 1;
}

/* Rows of input that output up to row `out` needs. */
static int64_t rows_needed(const struct layer *l, int64_t out) {
    if (out >= l->out_height) return l->in_height;
    int64_t in = l->o.stride == 2 ? out * 2 + 1 : l->o.upsample ? out / 2 + 1 : out + 1;
    return min_of(in, l->in_height);
}

/* Rows of output that can be made of so many rows of input. */
static int64_t rows_ready(const struct chain *c, const struct layer *l, int64_t in) {
    if (in >= l->in_height) return l->out_height;
    if (in < 1) return 0;
    if (l->o.stride == 2) return (in - 1) / 2;
    return whole_tiles_from(c, l->o.upsample ? in * 2 - 2 : in - 1);
}

static void pull(struct chain *c, int64_t out) {
    for (size_t i = c->count; i-- > 0;) {
        struct layer *l = &c->layers[i];
        l->next_out = min_of(whole_tiles_from(c, out + c->tile - 1), l->out_height);
        l->next_in = out = rows_needed(l, l->next_out);
        if (i > 0) l->next_in = min_of(whole_tiles_from(c, out + c->tile - 1), l->in_height);
    }
}

static void push(struct chain *c, int64_t in) {
    for (size_t i = 0; i < c->count; i++) {
        struct layer *l = &c->layers[i];
        l->next_in = in;
        l->next_out = in = rows_ready(c, l, in);
    }
}

/* How far each layer gets with the n-th band, and whether that is all. */
static bool plan_band(struct chain *c, int64_t n, int64_t rows, bool pulled) {
    const struct layer *last = &c->layers[c->count - 1];
    if (pulled)
        pull(c, min_of(n * rows, last->out_height));
    else
        push(c, min_of(n * rows, c->layers[0].in_height));
    return last->next_out == last->out_height;
}

static void advance(struct chain *c) {
    for (size_t i = 0; i < c->count; i++) {
        c->layers[i].in = c->layers[i].next_in;
        c->layers[i].out = c->layers[i].next_out;
    }
}

/* The first row of the window that a layer's band starts with. */
static int64_t first_kept(const struct layer *l) {
    int64_t row = l->block && !l->second ? l[1].out : first_read(l, l->out);
    return min_of(row, l->in);
}

static void measure_band(struct chain *c, const struct workspace *w) {
    for (size_t i = 0; i < c->count; i++) {
        struct layer *l = &c->layers[i];
        int64_t in_row = l->in_width * tensor_stride(w, l->in_channels);
        int64_t out_row = l->out_width * tensor_stride(w, l->out_channels);
        int64_t kept = l->in - first_kept(l);
        l->max_kept = max_of(l->max_kept, kept);
        c->headroom = max_of(c->headroom, kept * in_row);
        c->largest = max_of(c->largest, (l->next_in - l->in) * in_row);
        c->largest = max_of(c->largest, (l->next_out - l->out) * out_row);
    }
}

static void count_rows(struct chain *c, const struct workspace *w, int64_t rows, bool pulled) {
    bool all = false;
    for (int64_t n = 1; !all; n++) {
        all = plan_band(c, n, rows, pulled);
        measure_band(c, w);
        advance(c);
    }
    for (size_t i = 0; i < c->count; i++) c->layers[i].in = c->layers[i].out = 0;
}

/* ---- running ---- */

/* A map on its way through three buffers: x lies in buffers[at], and an operation's results go to the
 * next ones. */
struct band_pass {
    const struct chain *chain;
    struct workspace *w;
    struct tensor buffers[3]; /* of one row */
    int at;
    struct feature_map x;
};

static int next_buffer(const struct band_pass *p, int steps) {
    return (p->at + steps) % 3;
}

/* A map in the buffer that is `steps` from x's, `skip` elements into it. */
static struct feature_map map_in(const struct band_pass *p, int steps, int64_t skip, int64_t height,
                                 int64_t width, int64_t channels) {
    struct tensor buffer = p->buffers[next_buffer(p, steps)];
    return (struct feature_map){tensor_of_buffer(p->w, buffer, skip, height * width, channels),
                                height, width};
}

static struct feature_map rows_of(struct feature_map m, int64_t from, int64_t count) {
    return (struct feature_map){tensor_rows(m.t, from * m.width, count * m.width), count, m.width};
}

/* Where a band's rows lie in the buffer that is `steps` from x's. */
static struct feature_map band_in(const struct band_pass *p, int steps, int64_t height,
                                  int64_t width, int64_t channels) {
    return map_in(p, steps, p->chain->headroom, height, width, channels);
}

/* The rows kept from before and the band `rows`, which lies in the buffer `steps` from x's. */
static struct feature_map window(const struct band_pass *p, int steps, const struct layer *l,
                                 struct feature_map rows) {
    int64_t kept = l->in - first_kept(l);
    int64_t row = l->in_width * tensor_stride(p->w, l->in_channels);
    struct feature_map all = map_in(p, steps, p->chain->headroom - kept * row, kept + rows.height,
                                    l->in_width, l->in_channels);
    op_copy(p->w, rows_of(all, 0, kept).t, tensor_rows(l->kept, 0, kept * l->in_width));
    return all;
}

/* Keeps the window's rows from `row` of the map on; the window ends where the band does. */
static void keep(struct band_pass *p, struct layer *l, struct feature_map all, int64_t row) {
    int64_t kept = l->next_in - min_of(row, l->next_in);
    op_copy(p->w, tensor_rows(l->kept, 0, kept * l->in_width),
            rows_of(all, all.height - kept, kept).t);
}

static void convolve(struct band_pass *p, const struct layer *l, struct feature_map out,
                     struct feature_map all, const struct tensor *residual) {
    struct conv_options o = l->o;
    int64_t first = l->next_in - all.height;
    o.pad_top = (int)(l->o.pad_left + first * (o.upsample ? 2 : 1) - l->out * o.stride);
    o.residual = residual;
    if (out.height > 0) op_conv(p->w, out, all, l->conv, &o);
}

static void run_layer(struct band_pass *p, struct layer *l) {
    if (l->norm) op_channel_norm(p->w, p->x.t, p->x.t, l->norm, true);
    struct feature_map all = window(p, 0, l, p->x);
    struct feature_map out = band_in(p, 1, l->next_out - l->out, l->out_width, l->out_channels);
    convolve(p, l, out, all, NULL);
    keep(p, l, all, first_read(l, l->next_out));
    p->at = next_buffer(p, 1);
    p->x = out;
}

/* x + conv(silu(norm(conv(silu(norm(x)))))), where a change of channels goes through the
 * shortcut. */
static void run_block(struct band_pass *p, struct layer *first) {
    struct layer *second = first + 1;
    const struct res_block *b = first->block;
    struct feature_map x = window(p, 0, first, p->x);
    struct feature_map normed = map_in(p, 1, 0, x.height, x.width, b->in);
    struct feature_map inner = band_in(p, 2, first->next_out - first->out, x.width, b->out);
    op_channel_norm(p->w, normed.t, x.t, b->norm1, true);
    convolve(p, first, inner, normed, NULL);
    op_channel_norm(p->w, inner.t, inner.t, b->norm2, true);

    struct feature_map all = window(p, 2, second, inner);
    struct feature_map out = band_in(p, 1, second->next_out - second->out, x.width, b->out);
    struct tensor residual = rows_of(x, 0, out.height).t;
    if (b->shortcut) {
        op_linear(p->w, out.t, residual, b->shortcut, NULL);
        residual = out.t;
    }
    convolve(p, second, out, all, &residual);
    keep(p, first, x, second->next_out);
    keep(p, second, all, first_read(second, second->next_out));
    p->at = next_buffer(p, 1);
    p->x = out;
}

static enum status run_band(struct band_pass *p, struct chain *c, const struct chain_io *io,
                            struct error *err) {
    struct layer *l = c->layers, *end = c->layers + c->count;
    enum status s = workspace_check(p->w, err);
    p->x = band_in(p, 0, l->next_in - l->in, l->in_width, l->in_channels);
    io->read(io->arg, p->w, p->x, l->in);
    while (l < end && s == STATUS_OK) {
        if (l->block)
            run_block(p, l);
        else
            run_layer(p, l);
        l += l->block ? 2 : 1;
        s = workspace_check(p->w, err);
    }
    if (s == STATUS_OK) io->write(io->arg, p->w, p->x, end[-1].out);
    advance(c);
    return s;
}

enum status chain_run(struct chain *c, struct workspace *w, int64_t rows, bool pulled,
                      const struct chain_io *io, struct error *err) {
    if (c->no_memory) return fail(err, STATUS_NO_MEMORY, "no memory to run the VAE");
    c->tile = op_conv_tile(w);
    count_rows(c, w, rows, pulled);
    size_t mark = workspace_mark(w);
    struct band_pass p = {.chain = c, .w = w};
    for (int i = 0; i < 3; i++) p.buffers[i] = tensor_take(w, 1, c->headroom + c->largest);
    for (size_t i = 0; i < c->count; i++) {
        struct layer *l = &c->layers[i];
        l->kept = tensor_take(w, l->max_kept * l->in_width, l->in_channels);
    }
    enum status s = STATUS_OK;
    bool all = false;
    for (int64_t n = 1; !all && s == STATUS_OK; n++) {
        all = plan_band(c, n, rows, pulled);
        s = run_band(&p, c, io, err);
    }
    workspace_release(w, mark);
    return s;
}
