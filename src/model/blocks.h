/*
 * blocks.h - the weights of a network's blocks: resident, or packed from the file when their turn
 * comes.
 *
 * A network is a stack of equal blocks that run one after another.  When memory does not suffice
 * for all of them, some are kept and the others are streamed: a walk over the blocks packs them,
 * ahead of the network and in a thread of its own, into two slots that take turns.  The network
 * sees neither:
 *
 *     struct block_walk *walk;
 *     const void *block;
 *     enum status s = block_walk_start(&walk, blocks, w, err);
 *     for (int64_t i = 0; i < count && s == STATUS_OK; i++) {
 *         s = block_walk_next(walk, &block, err);
 *         if (s == STATUS_OK) ... compute with block i, until the next call ...
 *     }
 *     block_walk_end(walk);
 *
 * The slots are a part of the workspace, so that a dry run counts them, two edits at once have
 * slots of their own, and nothing can run out of memory between two blocks.  A block is packed by
 * the same function in both cases, adapters included: results are the same to the byte.
 */
#ifndef MODEL_BLOCKS_H
#define MODEL_BLOCKS_H

#include "model/loader.h"

/* What a network says of its blocks. */
struct block_kind {
    const char *name; /* "transformer blocks" */
    size_t size;      /* of the network's own struct for one block; all zeros is an empty one */
    /* Fills a zeroed block in by load_linear and the like. */
    void (*load)(struct loader *l, void *block, const void *config, int index);
    void (*destroy)(void *block); /* what load has put there; partly loaded and empty ones too */
};

struct blocks;

/* Loads `count` blocks, of which `keep` (or all, where that is less) stay resident, spread evenly
 * so that there is time to pack between them.  Of the others names, shapes and sizes are checked;
 * they are read from the loader's weights and adapters, which must outlive *out, as must `kind` and
 * `config`.  Like the load functions, it does nothing after the loader's first failure, and sets
 * *out to NULL when it fails. */
void blocks_load(struct blocks **out, const struct block_kind *kind, const void *config,
                 int64_t count, int64_t keep, struct loader *l);
void blocks_destroy(struct blocks *b); /* NULL is fine */

/* Of the plan: how many there are, how many of them stream, and their packed bytes. */
struct blocks_size {
    const char *name;
    int64_t count, streamed;
    uint64_t largest;        /* one block's, of those that stream */
    uint64_t streamed_bytes; /* of all that stream */
};
struct blocks_size blocks_size(const struct blocks *b);

struct block_walk;

/* Takes the slots from `w` and begins to pack.  STATUS_NO_MEMORY when a thread cannot be had; else
 * what workspace_check says.  *out is NULL after a failure. */
enum status block_walk_start(struct block_walk **out, const struct blocks *b, struct workspace *w,
                             struct error *err);

/* The next block, from the first to the last, for reading until the next call.  In a dry workspace
 * a streamed block has sizes and no elements.  Errors as the loader's. */
enum status block_walk_next(struct block_walk *walk, const void **block, struct error *err);

/* At any time; what was being packed is left unfinished.  Gives the slots back.  NULL is fine. */
void block_walk_end(struct block_walk *walk);

#endif
