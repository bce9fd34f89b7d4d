/*
 * What an edit leaves out, does only once, or does beside another edit must not show in its result:
 * the prompts' shared beginning, all steps' modulation together, two edits at the same time.  (The
 * last block's pruning is in test_reference.c: each picture there is made with and without; so is
 * the one vision pass for two prompts: the reference makes two.)
 */
#include "support/unit_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/engine.h"
#include "pipeline/reference_case.h"

static struct firered *open_engine(enum firered_dtype dtype, int threads) {
    struct firered *engine;
    struct error err = {{0}};
    struct firered_options options = {
        .model = TEST_DATA "/tiny-edit/model", .dtype = dtype, .threads = threads};
    if (firered_open(&engine, &options, &err) != STATUS_OK) fail_msg("%s", err.text);
    return engine;
}

static const enum firered_dtype dtypes[] = {FIRERED_DTYPE_FLOAT32, FIRERED_DTYPE_BFLOAT16,
                                            FIRERED_DTYPE_INT8};

/* Runs `work` on a dry workspace, and on one of the size that this told. */
static void run_planned(struct firered *e,
                        void (*work)(struct firered *, struct workspace *, void *), void *arg) {
    struct error err = {{0}};
    struct workspace *dry, *w;
    assert_int_equal(workspace_create_dry(&dry, e->compute, &err), STATUS_OK);
    work(e, dry, arg);
    assert_int_equal(workspace_check(dry, &err), STATUS_OK);
    assert_int_equal(workspace_create(&w, e->compute, workspace_peak(dry), NULL, NULL, &err),
                     STATUS_OK);
    work(e, w, arg);
    if (workspace_check(w, &err) != STATUS_OK) fail_msg("%s", err.text);
    workspace_destroy(dry);
    workspace_destroy(w);
}

/* ---- the prompts' shared beginning ---- */

enum { TOKENS = 90 };

struct reading {
    int64_t shared; /* tokens that are read first, by themselves; 0: all at once */
    int32_t ids[TOKENS], positions[3 * TOKENS];
    float *hidden; /* [TOKENS, hidden]: the result */
};

static void read_part(struct firered *e, struct workspace *w, const struct reading *r,
                      struct tensor hidden, int64_t first, int64_t end,
                      struct language_cache *cache) {
    int64_t n = end - first;
    struct tensor x = tensor_rows(hidden, first, n);
    int32_t positions[3 * TOKENS];
    for (int axis = 0; axis < 3; axis++)
        memcpy(positions + axis * n, r->positions + axis * TOKENS + first,
               (size_t)n * sizeof *positions);
    assert_int_equal(language_embed(e->model.language, w, x, r->ids + first, NULL), STATUS_OK);
    assert_int_equal(
        language_forward(e->model.language, w, x, positions, first, cache, NULL, "", NULL),
        STATUS_OK);
}

static void read_tokens(struct firered *e, struct workspace *w, void *arg) {
    struct reading *r = arg;
    struct tensor hidden = tensor_take(w, TOKENS, e->model.config.language.hidden);
    struct language_cache cache;
    assert_int_equal(language_cache_create(&cache, e->model.language, w, TOKENS, NULL), STATUS_OK);
    if (r->shared > 0) read_part(e, w, r, hidden, 0, r->shared, &cache);
    read_part(e, w, r, hidden, r->shared, TOKENS, &cache);
    language_cache_destroy(&cache);
    tensor_download(w, r->hidden, hidden);
}

/* A prompt read whole, and in two parts that meet anywhere: the same bytes. */
static void test_shared_beginning(void **state) {
    (void)state;
    for (int d = 0; d < 3; d++) {
        struct firered *e = open_engine(dtypes[d], 2);
        int64_t width = e->model.config.language.hidden;
        size_t bytes = (size_t)(TOKENS * width) * sizeof(float);
        struct reading r = {.hidden = malloc(bytes)};
        float *whole = malloc(bytes);
        assert_true(r.hidden && whole);
        for (int i = 0; i < TOKENS; i++) r.ids[i] = 5 + i * 7 % 200;
        for (int i = 0; i < 3 * TOKENS; i++) r.positions[i] = i % TOKENS;
        run_planned(e, read_tokens, &r);
        memcpy(whole, r.hidden, bytes);
        for (r.shared = 1; r.shared < TOKENS; r.shared += 11) {
            memset(r.hidden, 0xff, bytes);
            run_planned(e, read_tokens, &r);
            assert_memory_equal(whole, r.hidden, bytes);
        }
        free(r.hidden);
        free(whole);
        firered_close(e);
    }
}

/* ---- all steps' modulation ---- */

enum { STEPS = 11 };

struct modulating {
    const float *timesteps;
    int64_t steps;
    float *out; /* [layers][image, text][steps + 1, 6 * width], then [steps + 1, 2 * width] */
};

static void modulate(struct firered *e, struct workspace *w, void *arg) {
    struct modulating *m = arg;
    struct modulation all;
    const struct transformer_config *c = &e->model.config.transformer;
    assert_int_equal(modulation_create(&all, e->model.transformer, w, m->timesteps, m->steps, NULL),
                     STATUS_OK);
    int64_t block = (m->steps + 1) * 6 * c->width;
    for (int64_t i = 0; i < c->layers; i++) {
        tensor_download(w, m->out + 2 * i * block, all.image[i]);
        tensor_download(w, m->out + (2 * i + 1) * block, all.text[i]);
    }
    tensor_download(w, m->out + 2 * c->layers * block, all.out);
    modulation_destroy(&all);
}

/* Each step's rows, computed with all the others and alone: the same bytes. */
static void test_modulation_of_all_steps(void **state) {
    (void)state;
    float timesteps[STEPS];
    for (int i = 0; i < STEPS; i++) timesteps[i] = 1.0f - (float)i / STEPS;
    for (int d = 0; d < 3; d++) {
        struct firered *e = open_engine(dtypes[d], 2);
        const struct transformer_config *c = &e->model.config.transformer;
        int64_t per_row = (2 * c->layers * 6 + 2) * c->width;
        float *all = malloc((size_t)(per_row * (STEPS + 1)) * sizeof *all),
              *one = malloc((size_t)(per_row * 2) * sizeof *one);
        assert_true(all && one);
        run_planned(e, modulate, &(struct modulating){timesteps, STEPS, all});
        for (int step = 0; step < STEPS; step++) {
            run_planned(e, modulate, &(struct modulating){timesteps + step, 1, one});
            for (int64_t i = 0; i <= 2 * c->layers; i++) {
                int64_t n = (i < 2 * c->layers ? 6 : 2) * c->width, before = i * 6 * c->width;
                assert_memory_equal(all + before * (STEPS + 1) + step * n, one + before * 2,
                                    (size_t)n * sizeof *all);
            }
        }
        free(all);
        free(one);
        firered_close(e);
    }
}

/* ---- threads, and another edit ---- */

struct editing {
    struct firered *engine;
    const struct firered_edit *edit;
    const struct picture *expected; /* NULL: the first one becomes it */
    struct picture first;
    int times;
    bool same;
};

static void *edit_many_times(void *arg) {
    struct editing *t = arg;
    t->same = true;
    for (int i = 0; i < t->times; i++) {
        struct firered_result result;
        if (firered_edit_run(t->engine, t->edit, &result, NULL) != STATUS_OK) {
            t->same = false;
            return NULL;
        }
        if (t->expected) {
            t->same = t->same && picture_max_difference(t->expected, &result.picture) == 0;
            picture_free(&result.picture);
        } else {
            t->first = result.picture;
        }
    }
    return NULL;
}

/* The same request gives the same bytes alone, beside a different one, and at any number of
 * threads. */
static void test_alone_and_beside_another(void **state) {
    (void)state;
    struct reference_case c, other_case;
    reference_case_open(&c, "tiny-edit/one-image-cfg");
    reference_case_open(&other_case, "tiny-edit/two-images-no-cfg");
    for (int d = 0; d < 3; d++) {
        struct picture alone = {0}, other_alone = {0};
        for (int threads = 1; threads <= 5; threads += 2) {
            struct firered *e = open_engine(dtypes[d], threads);
            struct editing a = {e, &c.edit, NULL, .times = 1},
                           b = {e, &other_case.edit, NULL, .times = 1};
            if (threads == 1) {
                edit_many_times(&a);
                edit_many_times(&b);
                assert_true(a.same && b.same);
                alone = a.first;
                other_alone = b.first;
            }
            a.expected = &alone;
            b.expected = &other_alone;
            a.times = b.times = 3;
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, edit_many_times, &b), 0);
            edit_many_times(&a);
            pthread_join(thread, NULL);
            assert_true(a.same);
            assert_true(b.same);
            firered_close(e);
        }
        picture_free(&alone);
        picture_free(&other_alone);
    }
    reference_case_close(&c);
    reference_case_close(&other_case);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_beginning),
        cmocka_unit_test(test_modulation_of_all_steps),
        cmocka_unit_test(test_alone_and_beside_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
