/*
 * Streamed blocks on a device that does later what it is asked for: every use of memory is ordered by
 * fences, and one left out is noticed.
 *
 * The CPU computes at once, so no fence is missed there.  Here each workspace keeps a clock of what it
 * was asked for and what it knows of the others by the fences that it waited for; two uses of the
 * same memory, one of them a write, of which the later does not know the earlier, are a fault.  That
 * is so or not whatever the threads' timing was.
 */
#include "support/unit_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "compute/backend.h"
#include "model/blocks.h"
#include "weights/weights.h"

/* ---- a device that keeps track ---- */

enum { QUEUES = 4, USES = 1000, FENCES = 100, LINEARS = 100 };

struct moment { /* how much of each workspace's work has been done */
    uint64_t done[QUEUES];
};

struct use {
    uint64_t from, to; /* addresses */
    bool write;
    int queue;
    uint64_t at;
};

struct packed {
    const struct linear *l;
    uint64_t from, to;
};

static struct {
    const struct backend *cpu;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    const struct workspace *queues[QUEUES];
    struct moment now[QUEUES];
    struct use uses[USES];
    struct moment fences[FENCES];
    struct packed packed[LINEARS];
    int queue_count, use_count, fence_count, packed_count, faults;
    int waits[2],
        left_out[2]; /* by the network, by the slots: so far, and the one that is ignored */
} device = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* An assertion's jump would leave the reader's thread for another's stack. */
static void must(bool right) {
    if (!right) abort();
}

static int queue_of(const struct workspace *w) {
    for (int i = 0; i < device.queue_count; i++)
        if (device.queues[i] == w) return i;
    must(device.queue_count < QUEUES);
    device.queues[device.queue_count] = w;
    return device.queue_count++;
}

/* One more thing that w was asked for; its uses follow. */
static void begin(const struct workspace *w) {
    pthread_mutex_lock(&device.mutex);
    int q = queue_of(w);
    device.now[q].done[q]++;
}

static void end(void) {
    pthread_cond_broadcast(&device.changed);
    pthread_mutex_unlock(&device.mutex);
}

static void use(const struct workspace *w, uint64_t from, uint64_t to, bool write) {
    int q = queue_of(w);
    for (int i = 0; i < device.use_count; i++) {
        const struct use *u = &device.uses[i];
        bool meet = from < u->to && u->from < to && (write || u->write);
        if (meet && device.now[q].done[u->queue] < u->at) device.faults++;
    }
    must(device.use_count < USES);
    device.uses[device.use_count++] = (struct use){from, to, write, q, device.now[q].done[q]};
}

static void use_tensor(const struct workspace *w, struct tensor t, bool write) {
    use(w, t.address, t.address + (uint64_t)(t.rows * t.stride) * sizeof(float), write);
}

static uint64_t take_fence(struct workspace *w) {
    pthread_mutex_lock(&device.mutex);
    must(device.fence_count < FENCES);
    device.fences[device.fence_count++] = device.now[queue_of(w)];
    uint64_t number = (uint64_t)device.fence_count;
    pthread_mutex_unlock(&device.mutex);
    return number;
}

static void wait_for(struct workspace *w, uint64_t number) {
    pthread_mutex_lock(&device.mutex);
    struct moment *now = &device.now[queue_of(w)];
    int part = w->of != NULL;
    bool ignored = device.waits[part]++ == device.left_out[part];
    for (int i = 0; i < QUEUES && !ignored; i++)
        if (now->done[i] < device.fences[number - 1].done[i])
            now->done[i] = device.fences[number - 1].done[i];
    pthread_mutex_unlock(&device.mutex);
}

static enum status pack_linear(struct compute *c, struct workspace *into, struct linear **out,
                               const struct matrix *parts, size_t count, const float *bias,
                               unsigned bears, struct error *err) {
    uint64_t from = into ? into->device_memory + into->device.used : 0;
    enum status s = device.cpu->pack_linear(c, into, out, parts, count, bias, bears, err);
    if (!into || into->dry) return s;
    uint64_t to = into->device_memory + into->device.used;
    begin(into);
    use(into, from, to, true);
    must(device.packed_count < LINEARS);
    device.packed[device.packed_count++] = (struct packed){*out, from, to};
    end();
    return s;
}

static void upload(struct workspace *w, struct tensor out, const float *in) {
    begin(w);
    use_tensor(w, out, true);
    end();
    device.cpu->upload(w, out, in);
}

static void linear(struct workspace *w, struct tensor scratch, struct tensor out, struct tensor in,
                   const struct linear *l, const struct epilogue *e) {
    const struct packed *p = NULL;
    begin(w);
    for (int i = 0; i < device.packed_count; i++)
        if (device.packed[i].l == l) p = &device.packed[i]; /* the last one of that name */
    if (p) use(w, p->from, p->to, false);
    use_tensor(w, in, false);
    use_tensor(w, out, true);
    end();
    device.cpu->linear(w, scratch, out, in, l, e);
}

static void rms_norm(struct workspace *w, struct tensor out, struct tensor in, struct tensor weight,
                     float eps) {
    begin(w);
    use_tensor(w, weight, false);
    use_tensor(w, in, false);
    use_tensor(w, out, true);
    end();
    device.cpu->rms_norm(w, out, in, weight, eps);
}

static struct backend tracking;

static void reset(struct compute *c, int network_wait, int slot_wait) {
    if (!device.cpu) device.cpu = c->backend;
    tracking = *device.cpu;
    tracking.fence = take_fence;
    tracking.after = wait_for;
    tracking.pack_linear = pack_linear;
    tracking.upload = upload;
    tracking.linear = linear;
    tracking.rms_norm = rms_norm;
    c->backend = &tracking;
    device.queue_count = device.use_count = device.fence_count = 0;
    device.packed_count = device.faults = 0;
    memset(device.now, 0, sizeof device.now);
    memset(device.waits, 0, sizeof device.waits);
    device.left_out[0] = network_wait;
    device.left_out[1] = slot_wait;
}

/* ---- a network ---- */

enum { BLOCKS = 4, WIDTH = 64, ROWS = 5, NONE = -1 };

struct block {
    struct linear *l;
    struct vector *v;
};

static void load_block(struct loader *l, void *to, const void *config, int i) {
    struct block *b = to;
    (void)config;
    load_linear(l, &b->l, WIDTH, WIDTH, LOAD_BIAS, "visual.blocks.%d.attn.proj", i);
    load_vector(l, &b->v, WIDTH, "visual.blocks.%d.norm1.weight", i);
}

static void destroy_block(void *block) {
    struct block *b = block;
    linear_destroy(b->l);
    vector_destroy(b->v);
}

static const struct block_kind kind = {"blocks", sizeof(struct block), load_block, destroy_block};

/* The memory that the slots have during the walk, before and after it. */
static void use_the_rest(struct workspace *w) {
    static const float zeros[40 * 4 * WIDTH];
    size_t mark = workspace_mark(w);
    tensor_upload(w, tensor_take(w, 40, 4 * WIDTH), zeros);
    workspace_release(w, mark);
}

static void wait_until_packed(int count) {
    pthread_mutex_lock(&device.mutex);
    while (device.packed_count < count) pthread_cond_wait(&device.changed, &device.mutex);
    pthread_mutex_unlock(&device.mutex);
}

/* Walks over the first `count` blocks; when that is not all, ends as soon as one more was packed. */
static void run(const struct blocks *b, struct workspace *w, int count, float *out) {
    struct block_walk *walk;
    const void *at;
    struct error err;
    float in[ROWS * WIDTH];
    struct tensor x = tensor_take(w, ROWS, WIDTH), y = tensor_take(w, ROWS, WIDTH);
    for (int i = 0; i < ROWS * WIDTH; i++) in[i] = (float)(i % 13) - 6;
    tensor_upload(w, x, in);
    use_the_rest(w);
    assert_int_equal(block_walk_start(&walk, b, w, &err), STATUS_OK);
    for (int i = 0; i < count; i++) {
        assert_int_equal(block_walk_next(walk, &at, &err), STATUS_OK);
        const struct block *block = at;
        op_linear(w, y, x, block->l, NULL);
        op_rms_norm(w, x, y, block->v, 1e-6f);
    }
    if (count < BLOCKS && !workspace_is_dry(w)) wait_until_packed(count + 1);
    block_walk_end(walk);
    use_the_rest(w);
    tensor_download(w, out, x);
    assert_int_equal(workspace_check(w, NULL), STATUS_OK);
}

struct model {
    struct compute *c;
    struct weights *weights;
    struct blocks *blocks;
};

static void open_model(struct model *m, int64_t keep) {
    struct error err = {{0}};
    assert_int_equal(compute_create(&m->c, &(struct compute_options){.threads = 1}, &err),
                     STATUS_OK);
    assert_int_equal(
        weights_open(&m->weights, TEST_DATA "/tiny-edit/model/text_encoder", "model", &err),
        STATUS_OK);
    struct loader l = {.component = "test", .weights = m->weights, .compute = m->c};
    loader_start(&l, &err);
    blocks_load(&m->blocks, &kind, NULL, BLOCKS, keep, &l);
    if (loader_finish(&l) != STATUS_OK) fail_msg("%s", err.text);
}

static void close_model(struct model *m) {
    blocks_destroy(m->blocks);
    weights_close(m->weights);
    compute_destroy(m->c);
}

/* How often memory was used without a fence, when these waits are ignored. */
static int faults(struct model *m, int count, int network_wait, int slot_wait, float *out) {
    struct workspace *dry, *w;
    assert_int_equal(workspace_create_dry(&dry, m->c, NULL), STATUS_OK);
    run(m->blocks, dry, count, out);
    assert_int_equal(workspace_create(&w, m->c, workspace_peak(dry), NULL, NULL, NULL), STATUS_OK);
    reset(m->c, network_wait, slot_wait);
    run(m->blocks, w, count, out);
    m->c->backend = device.cpu;
    workspace_destroy(w);
    workspace_destroy(dry);
    return device.faults;
}

/* ---- the tests ---- */

static void test_walk(void **state) {
    (void)state;
    struct model resident, streamed;
    float want[ROWS * WIDTH], got[ROWS * WIDTH];
    open_model(&resident, BLOCKS);
    open_model(&streamed, 0);
    assert_int_equal(blocks_size(streamed.blocks).streamed, BLOCKS);
    assert_int_equal(faults(&resident, BLOCKS, NONE, NONE, want), 0);
    assert_int_equal(faults(&streamed, BLOCKS, NONE, NONE, got), 0);
    assert_memory_equal(got, want, sizeof got);
    int network = device.waits[0], slots = device.waits[1];
    assert_true(network >= BLOCKS && slots == BLOCKS);
    for (int i = 0; i < BLOCKS; i++) { /* the rest is at the end, when all has arrived */
        assert_true(faults(&streamed, BLOCKS, i, NONE, got) > 0);
        assert_true(faults(&streamed, BLOCKS, NONE, i, got) > 0);
    }
    close_model(&resident);
    close_model(&streamed);
}

/* A block that was packed and never asked for is in the memory that the network goes on with. */
static void test_early_end(void **state) {
    (void)state;
    struct model m;
    float out[ROWS * WIDTH];
    open_model(&m, 0);
    assert_int_equal(faults(&m, 1, NONE, NONE, out), 0);
    assert_int_equal(device.waits[0], 3); /* for block 0, and for both slots at the end */
    assert_true(faults(&m, 1, 2, NONE, out) > 0);
    close_model(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_walk),
                                       cmocka_unit_test(test_early_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
