/*
 * Under a memory limit blocks stream from the files: the plan keeps to the limit, what comes out is
 * the same to the byte as with everything resident, and edits can meet, be cancelled and run out of
 * memory at any point without harm to the next one.  Files that change meanwhile make them fail.
 */
#include "support/unit_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/edit.h"
#include "pipeline/reference_case.h"
#include "support/failing_malloc.h"
#include "support/files.h"
#include "support/sanitized.h"

#if SANITIZED
enum { EVERY = 2, DENSITY = 3 }; /* of the limits; of the places where memory fails */
#else
enum { EVERY = 1, DENSITY = 16 };
#endif

static const struct firered_lora two_loras[] = {
    {TEST_DATA "/tiny-edit/lora_peft.safetensors", 0.3},
    {TEST_DATA "/tiny-edit/lora_kohya.safetensors", 0.4}};

#define TINY_MODEL TEST_DATA "/tiny-edit/model"
#define BF16_MODEL TEST_DATA "/tiny-edit-bf16-sharded/model"

static struct firered *open_engine(const struct firered_options *o) {
    struct firered *engine;
    struct error err = {{0}};
    if (firered_open(&engine, o, &err) != STATUS_OK) fail_msg("%s", err.text);
    return engine;
}

static struct firered *open_limited(const struct firered_options *like, uint64_t limit) {
    struct firered_options o = *like;
    o.memory_limit = limit;
    return open_engine(&o);
}

/* The least limit under which the model opens; then all that can stream does. */
static uint64_t min_limit(const struct firered_options *like) {
    struct firered_options o = *like;
    uint64_t refused = 0, enough = (uint64_t)1 << 30;
    while (enough - refused > 1) {
        char *report;
        o.memory_limit = refused + (enough - refused) / 2;
        enum status s = firered_inspect(&o, &report, NULL);
        free(report);
        if (s == STATUS_OK)
            enough = o.memory_limit;
        else
            refused = o.memory_limit;
    }
    return enough;
}

/* ---- the same results ---- */

struct digest {
    uint64_t value; /* FNV-1a */
    int tensors;
};

static void add_bytes(struct digest *d, const void *data, size_t n) {
    for (size_t i = 0; i < n; i++)
        d->value = (d->value ^ ((const uint8_t *)data)[i]) * 0x100000001b3;
}

static void add_floats(void *arg, const char *name, const float *data, int64_t rows, int64_t cols) {
    struct digest *d = arg;
    add_bytes(d, name, strlen(name));
    add_bytes(d, data, (size_t)(rows * cols) * sizeof *data);
    d->tensors++;
}

static void ignore_integers(void *arg, const char *name, const int32_t *data, int64_t rows,
                            int64_t cols) {
    (void)arg, (void)name, (void)data, (void)rows, (void)cols;
}

/* Of every traced tensor, of the picture that an edit without a trace gives, and of the layers'
 * numbers. */
static struct digest digest_of(struct firered *engine, const struct firered_edit *edit) {
    struct digest d = {.value = 0xcbf29ce484222325};
    struct trace trace = {.floats = add_floats, .integers = ignore_integers, .arg = &d};
    struct firered_result result;
    struct error err = {{0}};
    if (edit_run(engine, edit, &result, &trace, &err) != STATUS_OK) fail_msg("%s", err.text);
    picture_free(&result.picture);
    if (firered_edit_run(engine, edit, &result, &err) != STATUS_OK) fail_msg("%s", err.text);
    add_bytes(&d, result.picture.rgb,
              (size_t)result.picture.width * (size_t)result.picture.height * 3);
    picture_free(&result.picture);
    const struct layer_list *layers = &engine->model.transformer_layers;
    assert_true(layers->count > 0);
    for (size_t i = 0; i < layers->count; i++)
        add_bytes(&d, layers->layers[i].name, strlen(layers->layers[i].name) + 1);
    return d;
}

static void check_same_results(const struct firered_options *o, const char *name) {
    struct reference_case c;
    reference_case_open(&c, name);
    struct firered *engine = open_engine(o);
    struct digest expected = digest_of(engine, &c.edit);
    uint64_t all = memory_plan_peak(&engine->memory), min = min_limit(o);
    assert_true(expected.tensors > 20);
    assert_int_equal(memory_plan_streamed(&engine->memory), 0);
    firered_close(engine);

    uint64_t streamed_before = UINT64_MAX;
    for (int quarter = 0; quarter <= 4; quarter += EVERY) {
        uint64_t limit = min + (all - min) * (uint64_t)quarter / 4;
        engine = open_limited(o, limit);
        const struct memory_plan *p = &engine->memory;
        struct firered_info info;
        firered_describe(engine, &info);
        assert_true(memory_plan_peak(p) <= limit);
        assert_int_equal(info.weight_bytes, p->weights);
        assert_int_equal(info.streamed_bytes, memory_plan_streamed(p));
        assert_true(info.streamed_bytes <= streamed_before);
        streamed_before = info.streamed_bytes;
        for (int i = 0; i < MODEL_STACKS && quarter == 0; i++)
            assert_int_equal(p->stacks[i].streamed, p->stacks[i].count);
        struct digest d = digest_of(engine, &c.edit);
        assert_int_equal(d.tensors, expected.tensors);
        if (d.value != expected.value)
            fail_msg("other results with %llu bytes streamed",
                     (unsigned long long)info.streamed_bytes);
        firered_close(engine);
    }
    assert_int_equal(streamed_before, 0);
    reference_case_close(&c);
}

static void test_float32(void **state) {
    (void)state;
    check_same_results(
        &(struct firered_options){.model = TINY_MODEL, .dtype = FIRERED_DTYPE_FLOAT32},
        "tiny-edit/one-image-cfg");
}

static void test_bfloat16(void **state) {
    (void)state;
    check_same_results(&(struct firered_options){.model = BF16_MODEL},
                       "tiny-edit-bf16-sharded/bf16-zero-cond-t");
}

static void test_int8(void **state) {
    (void)state;
    check_same_results(&(struct firered_options){.model = BF16_MODEL, .dtype = FIRERED_DTYPE_INT8},
                       "tiny-edit-bf16-sharded/bf16-zero-cond-t");
}

/* Merged anew whenever a block's turn comes, into weights of 32 bits and of 16. */
static void test_adapters(void **state) {
    (void)state;
    struct firered_options o = {
        .model = TINY_MODEL, .dtype = FIRERED_DTYPE_FLOAT32, .loras = two_loras, .lora_count = 2};
    check_same_results(&o, "tiny-edit/lora-0.7");
    o.dtype = FIRERED_DTYPE_BFLOAT16;
    check_same_results(&o, "tiny-edit/lora-0.7");
    o.model = BF16_MODEL;
    check_same_results(&o, "tiny-edit-bf16-sharded/bf16-zero-cond-t");
}

/* An adapter of zeros for one module. */
static void write_adapter(const char *path, const char *module, int64_t in_features) {
    static const float zeros[256];
    char down[128], up[128];
    snprintf(down, sizeof down, "transformer.%s.lora_A.weight", module);
    snprintf(up, sizeof up, "transformer.%s.lora_B.weight", module);
    const struct tensor_spec tensors[] = {
        {down, "F32", 2, {1, in_features}, zeros, (size_t)in_features * sizeof *zeros},
        {up, "F32", 2, {128, 1}, zeros, 128 * sizeof *zeros}};
    write_tensors(path, tensors, 2);
}

/* What is wrong with an adapter is told at open, even if no layer that it changes is packed then. */
static void test_wrong_adapters(void **state) {
    (void)state;
    static const struct {
        int64_t in_features;
        const char *module, *says;
    } wrong[] = {
        {127, "transformer_blocks.1.attn.to_q", "[1, 127]; [1, 128] expected"},
        {128, "transformer_blocks.9.attn.to_q", "matches nothing in this model"},
    };
    char *folder = temporary_folder();
    struct firered_lora lora = {.path = in_folder(folder, "adapter.safetensors"), .scale = 1};
    struct firered_options o = {.model = TINY_MODEL};
    o.memory_limit = min_limit(&o) + (1 << 20);
    o.loras = &lora;
    o.lora_count = 1;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct firered *engine;
        struct error err = {{0}};
        write_adapter(lora.path, wrong[i].module, wrong[i].in_features);
        assert_int_equal(firered_open(&engine, &o, &err), STATUS_INVALID);
        if (!strstr(err.text, wrong[i].says)) fail_msg("%s", err.text);
        assert_null(engine);
    }
    remove_folder(folder);
}

/* ---- several edits ---- */

struct thread {
    pthread_t id;
    struct firered *engine;
    const struct firered_edit *edit;
    struct firered_result result;
    struct error err;
    enum status status;
};

static void *run_edit(void *arg) {
    struct thread *t = arg;
    t->status = firered_edit_run(t->engine, t->edit, &t->result, &t->err);
    return NULL;
}

static void test_two_at_once(void **state) {
    (void)state;
    struct reference_case c;
    reference_case_open(&c, "tiny-edit/one-image-cfg");
    struct firered_options o = {.model = TINY_MODEL, .edits = 2};
    struct firered *engine = open_limited(&o, min_limit(&o));
    struct thread threads[2];
    assert_true(memory_plan_streamed(&engine->memory) > 0);
    for (int round = 0; round < 3; round += EVERY) {
        for (int i = 0; i < 2; i++) {
            threads[i] = (struct thread){.engine = engine, .edit = &c.edit};
            assert_int_equal(pthread_create(&threads[i].id, NULL, run_edit, &threads[i]), 0);
        }
        for (int i = 0; i < 2; i++) {
            pthread_join(threads[i].id, NULL);
            if (threads[i].status != STATUS_OK) fail_msg("%s", threads[i].err.text);
            assert_true(picture_max_difference(&threads[i].result.picture, &c.output) <= 2);
        }
        assert_int_equal(
            picture_max_difference(&threads[0].result.picture, &threads[1].result.picture), 0);
        for (int i = 0; i < 2; i++) picture_free(&threads[i].result.picture);
    }
    firered_close(engine);
    reference_case_close(&c);
}

/* Runs another edit from inside one, when the limit has room for one only. */
static void run_second(void *arg, const struct firered_progress *now) {
    struct thread *t = arg;
    if (now->stage == FIRERED_STAGE_DENOISE && now->step == 1) run_edit(t);
}

/* Such an edit takes more than half of what the plan has for one. */
static void make_large(struct firered_edit *edit, const struct firered *engine) {
    uint64_t bytes = 0;
    int width, height;
    for (int side = 64; bytes <= workspace_size_sum(engine->memory.working) / 2; side += 16) {
        edit->width = edit->height = side;
        assert_int_equal(firered_edit_plan(engine, edit, &width, &height, &bytes, NULL), STATUS_OK);
    }
}

static void test_no_room_for_a_second(void **state) {
    (void)state;
    struct reference_case c;
    reference_case_open(&c, "tiny-edit/one-image-cfg");
    struct firered_options o = {.model = TINY_MODEL};
    struct firered *engine = open_limited(&o, min_limit(&o));
    make_large(&c.edit, engine);
    struct firered_edit inner = c.edit, outer = c.edit;
    struct thread second = {.engine = engine, .edit = &inner};
    outer.progress = run_second;
    outer.arg = &second;
    for (int round = 0; round < 2; round++) {
        struct firered_result result;
        struct error err = {{0}};
        if (firered_edit_run(engine, &outer, &result, &err) != STATUS_OK) fail_msg("%s", err.text);
        assert_int_equal(second.status, STATUS_NO_MEMORY);
        assert_non_null(strstr(second.err.text, "leave "));
        assert_non_null(strstr(second.err.text, "MEMORY_LIMIT"));
        picture_free(&result.picture);
    }
    inner.width = inner.height = 1024;
    run_edit(&second);
    assert_int_equal(second.status, STATUS_NO_MEMORY);
    firered_close(engine);
    reference_case_close(&c);
}

/* ---- things that go wrong ---- */

static void test_too_small_a_limit(void **state) {
    (void)state;
    struct firered_options o = {.model = TINY_MODEL};
    struct firered *engine;
    struct error err = {{0}};
    o.memory_limit = min_limit(&o) - 1;
    assert_int_equal(firered_open(&engine, &o, &err), STATUS_NO_MEMORY);
    assert_null(engine);
    double limit = 0, weights = 0, working = 0;
    int edits = 0;
    if (sscanf(
            err.text,
            "model cannot edit within a memory limit of %lf MB: with all blocks streamed, %lf MB "
            "of weights stay, and %d edit of 128x128 at a time takes %lf MB; raise MEMORY_LIMIT",
            &limit, &weights, &edits, &working) != 4)
        fail_msg("%s", err.text);
    assert_true(edits == 1 && weights + working >= limit - 0.2);
    char *report;
    assert_int_equal(firered_inspect(&o, &report, &err), STATUS_NO_MEMORY);
    assert_null(report);
}

static void test_automatic_limit(void **state) {
    (void)state;
    struct firered_options o = {.model = TINY_MODEL, .memory_limit = FIRERED_MEMORY_AUTO};
    struct firered *engine = open_engine(&o);
    uint64_t limit = engine->memory.limit;
    assert_true(limit > memory_plan_peak(&engine->memory) && limit < (uint64_t)1 << 50);
    assert_int_equal(memory_plan_streamed(&engine->memory), 0);
    firered_close(engine);
}

struct patience {
    int asked, enough;
};

static bool lose_patience(void *arg) {
    struct patience *p = arg;
    return ++p->asked >= p->enough;
}

static void test_cancelled_anywhere(void **state) {
    (void)state;
    struct reference_case c;
    reference_case_open(&c, "tiny-edit/one-image-cfg");
    struct firered_options o = {.model = TINY_MODEL};
    struct firered *engine = open_limited(&o, min_limit(&o));
    enum status s = STATUS_CANCELLED;
    int enough = 1;
    for (; s == STATUS_CANCELLED; enough += 1 + enough / DENSITY) {
        struct patience patience = {.enough = enough};
        struct firered_edit edit = c.edit;
        struct firered_result result;
        struct error err = {{0}};
        edit.cancelled = lose_patience;
        edit.arg = &patience;
        s = firered_edit_run(engine, &edit, &result, &err);
        if (s == STATUS_OK) assert_true(picture_max_difference(&result.picture, &c.output) <= 2);
        picture_free(&result.picture);
    }
    assert_int_equal(s, STATUS_OK);
    assert_true(enough > 20);
    firered_close(engine);
    reference_case_close(&c);
}

static void test_memory_fails_anywhere(void **state) {
    (void)state;
    struct reference_case c;
    reference_case_open(&c, "tiny-edit/lora-0.7");
    struct firered_options o = {.model = TINY_MODEL, .loras = two_loras, .lora_count = 2};
    struct firered *engine = open_limited(&o, min_limit(&o));
    struct firered_edit edit = c.edit;
    int failures = 0;
    bool failed = true;
    edit.steps = 1;
    for (long n = 1; failed; n += 1 + n / DENSITY) {
        struct firered_result result;
        struct error err = {{0}};
        malloc_fail_at(n);
        enum status s = firered_edit_run(engine, &edit, &result, &err);
        failed = malloc_has_failed();
        malloc_fail_no_more();
        if (failed && s != STATUS_NO_MEMORY) fail_msg("allocation %ld: %s", n, err.text);
        if (!failed && s != STATUS_OK) fail_msg("%s", err.text);
        failures += failed;
        picture_free(&result.picture);
    }
    assert_true(failures > DENSITY);
    firered_close(engine);
    reference_case_close(&c);
}

/* ---- files that change ---- */

#define TRANSFORMER_FILE  "transformer/diffusion_pytorch_model.safetensors"
#define TEXT_ENCODER_FILE "text_encoder/model.safetensors"

/* A model whose file `path` may be changed; the caller removes the folder. */
struct changing {
    char *folder;
    char model[600], path[700];
    struct firered_options options;
    struct reference_case c;
    void (*change)(const char *path);
    bool changed;
};

static void changing_open(struct changing *m, const char *file, void (*change)(const char *)) {
    *m = (struct changing){.folder = temporary_folder(), .change = change};
    snprintf(m->model, sizeof m->model, "%s/model", m->folder);
    snprintf(m->path, sizeof m->path, "%s/%s", m->model, file);
    link_model(m->model, TINY_MODEL);
    struct buffer bytes = read_bytes(m->path);
    write_bytes(m->path, bytes.data, bytes.size);
    buffer_free(&bytes);
    let_file_times_pass();
    m->options = (struct firered_options){.model = m->model, .dtype = FIRERED_DTYPE_FLOAT32};
    reference_case_open(&m->c, "tiny-edit/one-image-cfg");
}

static void changing_close(struct changing *m) {
    reference_case_close(&m->c);
    remove_folder(m->folder);
}

/* Down to a third: the tensors of the last blocks are gone. */
static void shorten(const char *path) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 3), 0);
}

/* Other numbers in place, the size as before. */
static void write_over(const char *path) {
    struct buffer bytes = read_bytes(path);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    for (size_t i = bytes.size / 2; i < bytes.size; i++) bytes.data[i] = 0;
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, f), bytes.size);
    assert_int_equal(fclose(f), 0);
    buffer_free(&bytes);
}

static void replace(const char *path) {
    char other[800];
    snprintf(other, sizeof other, "%s.new", path);
    write_text(other, "another model");
    assert_int_equal(rename(other, path), 0);
}

static void change_after_a_step(void *arg, const struct firered_progress *now) {
    struct changing *m = arg;
    if (now->stage != FIRERED_STAGE_DENOISE || now->step != 1 || m->changed) return;
    m->change(m->path);
    m->changed = true;
}

static void check_good(struct firered *engine, const struct changing *m) {
    struct thread t = {.engine = engine, .edit = &m->c.edit};
    run_edit(&t);
    if (t.status != STATUS_OK) fail_msg("%s", t.err.text);
    assert_true(picture_max_difference(&t.result.picture, &m->c.output) <= 2);
    picture_free(&t.result.picture);
}

static void check_io(enum status s, const struct error *err, const char *path) {
    if (s != STATUS_IO || !strstr(err->text, path)) fail_msg("status %d: %s", s, err->text);
}

static void check_fails(struct firered *engine, const struct changing *m) {
    struct thread t = {.engine = engine, .edit = &m->c.edit};
    run_edit(&t);
    check_io(t.status, &t.err, m->path);
    assert_null(t.result.picture.rgb);
    check_io(firered_check_files(engine, &t.err), &t.err, m->path);
}

static void (*const changes[])(const char *) = {shorten, write_over};

static void test_changed_between_edits(void **state) {
    (void)state;
    static const char *const files[] = {TRANSFORMER_FILE, TEXT_ENCODER_FILE};
    for (int i = 0; i < 4; i++) {
        struct changing m;
        changing_open(&m, files[i / 2], changes[i % 2]);
        struct firered *engine = open_limited(&m.options, min_limit(&m.options));
        assert_int_equal(firered_check_files(engine, NULL), STATUS_OK);
        if (i == 0) check_good(engine, &m);
        m.change(m.path);
        check_fails(engine, &m);
        firered_close(engine);
        changing_close(&m);
    }
}

static void test_changed_during_an_edit(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct changing m;
        changing_open(&m, TRANSFORMER_FILE, changes[i]);
        struct firered *engine = open_limited(&m.options, min_limit(&m.options));
        m.c.edit.progress = change_after_a_step;
        m.c.edit.arg = &m;
        check_fails(engine, &m);
        assert_true(m.changed);
        firered_close(engine);
        changing_close(&m);
    }
}

/* Each of two edits at once has the right picture or none. */
static void test_changed_during_two_edits(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct changing m;
        struct thread threads[2];
        changing_open(&m, TRANSFORMER_FILE, changes[i]);
        m.options.edits = 2;
        struct firered *engine = open_limited(&m.options, min_limit(&m.options));
        struct firered_edit first = m.c.edit, second = m.c.edit;
        first.progress = change_after_a_step;
        first.arg = &m;
        threads[0] = (struct thread){.engine = engine, .edit = &first};
        threads[1] = (struct thread){.engine = engine, .edit = &second};
        for (int t = 0; t < 2; t++)
            assert_int_equal(pthread_create(&threads[t].id, NULL, run_edit, &threads[t]), 0);
        for (int t = 0; t < 2; t++) pthread_join(threads[t].id, NULL);
        check_io(threads[0].status, &threads[0].err, m.path);
        if (threads[1].status == STATUS_OK)
            assert_true(picture_max_difference(&threads[1].result.picture, &m.c.output) <= 2);
        else
            check_io(threads[1].status, &threads[1].err, m.path);
        picture_free(&threads[1].result.picture);
        firered_close(engine);
        changing_close(&m);
    }
}

/* By rename, as good tools do: the engine goes on with the file that it knows. */
static void test_replaced_during_an_edit(void **state) {
    (void)state;
    struct changing m;
    changing_open(&m, TRANSFORMER_FILE, replace);
    struct firered *engine = open_limited(&m.options, min_limit(&m.options));
    m.c.edit.progress = change_after_a_step;
    m.c.edit.arg = &m;
    check_good(engine, &m);
    assert_true(m.changed);
    check_good(engine, &m);
    firered_close(engine);
    changing_close(&m);
}

/* What stays in memory needs its file no more; token embeddings never stay there. */
static void test_changed_when_nothing_streams(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct changing m;
        changing_open(&m, TRANSFORMER_FILE, changes[i]);
        struct firered *engine = open_engine(&m.options);
        m.change(m.path);
        check_good(engine, &m);
        assert_int_equal(firered_check_files(engine, NULL), STATUS_OK);
        firered_close(engine);
        changing_close(&m);

        changing_open(&m, TEXT_ENCODER_FILE, changes[i]);
        engine = open_engine(&m.options);
        m.change(m.path);
        check_fails(engine, &m);
        firered_close(engine);
        changing_close(&m);
    }
}

static void test_changed_adapter(void **state) {
    (void)state;
    struct changing m;
    changing_open(&m, "vae/config.json", shorten); /* which is not read again */
    struct firered_lora lora = {in_folder(m.folder, "lora"), 0.7};
    struct buffer bytes = read_bytes(two_loras[0].path);
    write_bytes(lora.path, bytes.data, bytes.size);
    buffer_free(&bytes);
    snprintf(m.path, sizeof m.path, "%s", lora.path);
    lora.path = m.path;
    m.options.loras = &lora;
    m.options.lora_count = 1;
    struct firered *engine = open_limited(&m.options, min_limit(&m.options));
    shorten(m.path);
    check_fails(engine, &m);
    firered_close(engine);
    changing_close(&m);
}

static void change_while_loading(void *arg, double share) {
    struct changing *m = arg;
    if (share > 0.1 && !m->changed) m->change(m->path);
    m->changed = m->changed || share > 0.1;
}

static void test_changed_while_loading(void **state) {
    (void)state;
    static const char *const files[] = {TRANSFORMER_FILE, TEXT_ENCODER_FILE,
                                        "vae/diffusion_pytorch_model.safetensors"};
    for (size_t i = 0; i < 6; i++) {
        struct changing m;
        struct firered *engine;
        struct error err = {{0}};
        changing_open(&m, files[i / 2], changes[i % 2]);
        m.options.loading = change_while_loading;
        m.options.loading_arg = &m;
        check_io(firered_open(&engine, &m.options, &err), &err, m.path);
        assert_null(engine);
        changing_close(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float32),
        cmocka_unit_test(test_bfloat16),
        cmocka_unit_test(test_int8),
        cmocka_unit_test(test_adapters),
        cmocka_unit_test(test_wrong_adapters),
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_no_room_for_a_second),
        cmocka_unit_test(test_too_small_a_limit),
        cmocka_unit_test(test_automatic_limit),
        cmocka_unit_test(test_cancelled_anywhere),
        cmocka_unit_test(test_memory_fails_anywhere),
        cmocka_unit_test(test_changed_between_edits),
        cmocka_unit_test(test_changed_during_an_edit),
        cmocka_unit_test(test_changed_during_two_edits),
        cmocka_unit_test(test_replaced_during_an_edit),
        cmocka_unit_test(test_changed_when_nothing_streams),
        cmocka_unit_test(test_changed_adapter),
        cmocka_unit_test(test_changed_while_loading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
