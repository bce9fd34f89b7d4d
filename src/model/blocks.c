/*
 * A streamed block has an outline that lives as long as the model: its layers with their sizes,
 * but without elements, made by loading it into a dry workspace.  Two dry workspaces, for what is
 * packed and for what the host needs on the way, are used for all outlines one after another; so
 * their peaks are the sizes of a slot and of the scratch that every walk needs.
 *
 * The reader and the network share two counters under one mutex: how many streamed blocks were
 * packed so far, and how many the network is through with.  Block k of the streamed ones goes to
 * slot k % SLOTS.
 *
 * The counters say what each of the two has asked the device for; fences tell the device what waits
 * for what.  A block is packed when the network is through with the slot's last one, and computed
 * with when it is there.  The memory of the slots goes from the edit's workspace to theirs, and back
 * at the end, in the same way.
 */
#include "model/blocks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 2 };

struct blocks {
    const struct block_kind *kind;
    const void *config;
    int64_t count;
    char *block;       /* [count], kind->size bytes each: resident blocks and outlines */
    int64_t *streamed; /* [streamed_count], ascending: the indices of those without elements */
    int64_t streamed_count;
    struct loader loader; /* how they are read again */
    struct workspace_size slot, scratch;
    uint64_t largest, sum; /* of the streamed blocks' packed weights */
};

struct slot {
    struct workspace *memory;
    void *block;       /* kind->size bytes */
    struct fence free; /* of the network: nothing that it was asked for reads the slot any more */
    struct fence arrived; /* of the slot's own workspace: the block has been packed */
};

struct block_walk {
    const struct blocks *b;
    struct workspace *w;
    size_t mark, host_mark;
    int64_t next;  /* the block to hand out */
    int64_t taken; /* streamed blocks handed out, the current one among them */
    bool holds;    /* the current one is streamed */
    bool reads;    /* there is a reader: something streams, and this is no dry run */
    struct slot slots[SLOTS];
    struct workspace *scratch;

    pthread_t reader;
    struct read_ahead ahead; /* for the reader */
    pthread_mutex_t mutex;   /* for all that follows */
    pthread_cond_t changed;
    int64_t packed, done; /* streamed blocks */
    atomic_bool ending;
    enum status status; /* the reader's first error */
    struct error error;
};

static void *block_at(const struct blocks *b, int64_t i) {
    return b->block + (size_t)i * b->kind->size;
}

/* Whether block i is one of `keep` spread over `count`, from the first on: while it computes, the
 * reader packs the next. */
static bool is_kept(int64_t i, int64_t keep, int64_t count) {
    return i * keep % count < keep;
}

/* ---- loading ---- */

static struct blocks *create(const struct block_kind *kind, int64_t count) {
    struct blocks *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    b->kind = kind;
    b->block = calloc((size_t)count, kind->size);
    b->streamed = calloc((size_t)count, sizeof *b->streamed);
    if (b->block && b->streamed) {
        b->count = count;
        return b;
    }
    blocks_destroy(b);
    return NULL;
}

/* The outline of block i: the loader packs into the dry workspaces. */
static void load_outline(struct blocks *b, int64_t i, struct loader *l, struct workspace *into,
                         struct workspace *scratch) {
    l->into = into;
    l->scratch = scratch;
    b->kind->load(l, block_at(b, i), b->config, (int)i);
    l->into = l->scratch = NULL;
    b->streamed[b->streamed_count++] = i;
    uint64_t bytes = workspace_mark(into);
    b->sum += bytes;
    if (bytes > b->largest) b->largest = bytes;
    workspace_release(into, 0);
}

/* Names the tensors of block i to l.reader, by loading the block into dry workspaces. */
static enum status ask_ahead(const struct blocks *b, int64_t i, struct loader l) {
    void *outline = calloc(1, b->kind->size);
    if (!outline) return fail(l.err, STATUS_NO_MEMORY, "no memory to read the %s", l.component);
    enum status s = workspace_create_dry(&l.into, l.compute, l.err);
    if (s == STATUS_OK) s = workspace_create_dry(&l.scratch, l.compute, l.err);
    if (s == STATUS_OK) {
        l.ahead = true;
        l.layers = NULL;
        l.used = NULL;
        l.progress = NULL;
        b->kind->load(&l, outline, b->config, (int)i);
        s = l.status;
    }
    b->kind->destroy(outline);
    workspace_destroy(l.into);
    workspace_destroy(l.scratch);
    free(outline);
    return s;
}

/* A kept block, while the disk is asked for the next one. */
static void load_kept(struct blocks *b, int64_t i, int64_t keep, struct loader *l) {
    int64_t next = i + 1;
    while (next < b->count && !is_kept(next, keep, b->count)) next++;
    if (l->reader && i == 0) l->status = ask_ahead(b, i, *l);
    if (l->reader && next < b->count && l->status == STATUS_OK) l->status = ask_ahead(b, next, *l);
    if (l->status == STATUS_OK) b->kind->load(l, block_at(b, i), b->config, (int)i);
}

/* In the network's order, wherever their weights stay: layers are numbered as they come. */
static void load_all(struct blocks *b, int64_t keep, struct loader *l) {
    struct workspace *into = NULL, *scratch = NULL;
    l->status = workspace_create_dry(&into, l->compute, l->err);
    if (l->status == STATUS_OK) l->status = workspace_create_dry(&scratch, l->compute, l->err);
    for (int64_t i = 0; i < b->count && l->status == STATUS_OK; i++) {
        if (is_kept(i, keep, b->count))
            load_kept(b, i, keep, l);
        else
            load_outline(b, i, l, into, scratch);
    }
    if (l->status == STATUS_OK) {
        b->slot = workspace_peak(into);
        b->scratch = workspace_peak(scratch);
    }
    workspace_destroy(into);
    workspace_destroy(scratch);
}

void blocks_load(struct blocks **out, const struct block_kind *kind, const void *config,
                 int64_t count, int64_t keep, struct loader *l) {
    *out = NULL;
    if (l->status != STATUS_OK) return;
    struct blocks *b = create(kind, count);
    if (!b) {
        l->status = fail(l->err, STATUS_NO_MEMORY, "no memory to load the %s", l->component);
        return;
    }
    b->config = config;
    load_all(b, keep < count ? keep : count, l);
    if (l->status != STATUS_OK) {
        blocks_destroy(b);
        return;
    }
    b->loader = (struct loader){.component = l->component,
                                .weights = l->weights,
                                .compute = l->compute,
                                .bears = l->bears,
                                .loras = l->loras,
                                .lora_count = l->lora_count,
                                .layout = l->layout,
                                .prefix = l->prefix};
    *out = b;
}

void blocks_destroy(struct blocks *b) {
    if (!b) return;
    for (int64_t i = 0; i < b->count; i++) b->kind->destroy(block_at(b, i));
    free(b->block);
    free(b->streamed);
    free(b);
}

struct blocks_size blocks_size(const struct blocks *b) {
    return (struct blocks_size){b->kind->name, b->count, b->streamed_count, b->largest, b->sum};
}

/* ---- the reader ---- */

static enum status pack(struct block_walk *walk, int64_t k, struct error *err) {
    const struct blocks *b = walk->b;
    struct slot *slot = &walk->slots[k % SLOTS];
    struct loader l = b->loader;
    l.err = err;
    l.stop = &walk->ending;
    l.reader = &walk->ahead;
    enum status s = k == 0 ? ask_ahead(b, b->streamed[0], l) : STATUS_OK;
    if (s == STATUS_OK && k + 1 < b->streamed_count) s = ask_ahead(b, b->streamed[k + 1], l);
    if (s != STATUS_OK) return s;
    l.into = slot->memory;
    l.scratch = walk->scratch;
    workspace_after(slot->memory, slot->free);
    b->kind->load(&l, slot->block, b->config, (int)b->streamed[k]);
    slot->arrived = workspace_fence(slot->memory);
    loader_check_files(&l); /* two edits must not see two versions of a block, nor one a mixture */
    return l.status;
}

static void *read_blocks(void *arg) {
    struct block_walk *walk = arg;
    for (int64_t k = 0; k < walk->b->streamed_count; k++) {
        struct error err = {{0}};
        pthread_mutex_lock(&walk->mutex);
        while (!walk->ending && walk->packed - walk->done >= SLOTS)
            pthread_cond_wait(&walk->changed, &walk->mutex);
        bool ending = walk->ending;
        pthread_mutex_unlock(&walk->mutex);
        if (ending) break;

        enum status s = pack(walk, k, &err);
        pthread_mutex_lock(&walk->mutex);
        walk->status = s;
        walk->error = err;
        if (s == STATUS_OK) walk->packed++;
        pthread_cond_broadcast(&walk->changed);
        pthread_mutex_unlock(&walk->mutex);
        if (s != STATUS_OK) break;
    }
    return NULL;
}

/* ---- walking ---- */

static enum status take_slots(struct block_walk *walk, struct error *err) {
    const struct blocks *b = walk->b;
    enum status s = STATUS_OK;
    for (int i = 0; i < SLOTS && s == STATUS_OK; i++) {
        s = workspace_create_part(&walk->slots[i].memory, walk->w, b->slot, err);
        walk->slots[i].block = calloc(1, b->kind->size);
        if (s == STATUS_OK && !walk->slots[i].block)
            s = fail(err, STATUS_NO_MEMORY, "no memory to read the %s", b->kind->name);
        walk->slots[i].free = workspace_fence(walk->w);
    }
    return s == STATUS_OK ? workspace_create_part(&walk->scratch, walk->w, b->scratch, err) : s;
}

enum status block_walk_start(struct block_walk **out, const struct blocks *b, struct workspace *w,
                             struct error *err) {
    *out = NULL;
    struct block_walk *walk = calloc(1, sizeof *walk);
    if (!walk) return fail(err, STATUS_NO_MEMORY, "no memory to read the %s", b->kind->name);
    walk->b = b;
    walk->w = w;
    walk->mark = workspace_mark(w);
    walk->host_mark = workspace_host_mark(w);
    pthread_mutex_init(&walk->mutex, NULL);
    pthread_cond_init(&walk->changed, NULL);
    enum status s = b->streamed_count ? take_slots(walk, err) : STATUS_OK;
    if (s == STATUS_OK && b->streamed_count && !workspace_is_dry(w)) {
        read_ahead_start(&walk->ahead);
        walk->reads = pthread_create(&walk->reader, NULL, read_blocks, walk) == 0;
        if (!walk->reads) read_ahead_stop(&walk->ahead);
        if (!walk->reads)
            s = fail(err, STATUS_NO_MEMORY, "no thread can be had to read the %s", b->kind->name);
    }
    if (s != STATUS_OK) {
        block_walk_end(walk);
        return s;
    }
    *out = walk;
    return STATUS_OK;
}

/* The network is through with the block that it holds, if that is in a slot. */
static void give_back(struct block_walk *walk) {
    if (!walk->holds) return;
    struct slot *slot = &walk->slots[(walk->taken - 1) % SLOTS];
    walk->b->kind->destroy(slot->block);
    memset(slot->block, 0, walk->b->kind->size);
    workspace_release(slot->memory, 0);
    slot->free = workspace_fence(walk->w);
    walk->holds = false;
    pthread_mutex_lock(&walk->mutex);
    walk->done++;
    pthread_cond_broadcast(&walk->changed);
    pthread_mutex_unlock(&walk->mutex);
}

enum status block_walk_next(struct block_walk *walk, const void **block, struct error *err) {
    const struct blocks *b = walk->b;
    int64_t i = walk->next++;
    give_back(walk);
    *block = block_at(b, i);
    if (!walk->reads || walk->taken == b->streamed_count || b->streamed[walk->taken] != i)
        return STATUS_OK;

    pthread_mutex_lock(&walk->mutex);
    while (walk->packed <= walk->taken && walk->status == STATUS_OK)
        pthread_cond_wait(&walk->changed, &walk->mutex);
    bool there = walk->packed > walk->taken;
    enum status s = there ? STATUS_OK : walk->status;
    if (!there && err) *err = walk->error;
    pthread_mutex_unlock(&walk->mutex);
    if (s != STATUS_OK) return s;
    struct slot *slot = &walk->slots[walk->taken++ % SLOTS];
    workspace_after(walk->w, slot->arrived);
    *block = slot->block;
    walk->holds = true;
    return STATUS_OK;
}

void block_walk_end(struct block_walk *walk) {
    if (!walk) return;
    if (walk->reads) {
        pthread_mutex_lock(&walk->mutex);
        atomic_store(&walk->ending, true);
        pthread_cond_broadcast(&walk->changed);
        pthread_mutex_unlock(&walk->mutex);
        pthread_join(walk->reader, NULL);
        read_ahead_stop(&walk->ahead);
    }
    for (int i = 0; i < SLOTS; i++) {
        if (walk->slots[i].block) walk->b->kind->destroy(walk->slots[i].block);
        free(walk->slots[i].block);
        if (walk->slots[i].memory) workspace_after(walk->w, workspace_fence(walk->slots[i].memory));
        workspace_destroy(walk->slots[i].memory);
    }
    workspace_destroy(walk->scratch);
    workspace_release(walk->w, walk->mark);
    workspace_host_release(walk->w, walk->host_mark);
    pthread_cond_destroy(&walk->changed);
    pthread_mutex_destroy(&walk->mutex);
    free(walk);
}
