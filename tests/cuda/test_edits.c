/*
 * Edits beside each other on one card, one that is cancelled, and what an edit brings back to the
 * host: lanes share the weights and nothing else, and no step waits for more than one number.
 */
#include "support/unit_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "compute/backend.h"
#include "pipeline/engine.h"
#include "pipeline/reference_case.h"

enum { SIDE = 64 };

static struct firered *open_engine(void) {
    struct firered_options options = {
        .model = TEST_DATA "/tiny-edit-bf16-sharded/model", .device = "cuda", .threads = 2};
    struct firered *engine;
    struct error err = {{0}};
    if (firered_open(&engine, &options, &err) != STATUS_OK) fail_msg("%s", err.text);
    return engine;
}

struct asked {
    struct firered *engine;
    uint64_t seed;
    int steps, cancel_after; /* steps; 0: never */
    atomic_int done;
    enum status status;
    struct firered_result result;
};

static struct asked ask(struct firered *engine, uint64_t seed, int steps) {
    return (struct asked){.engine = engine, .seed = seed, .steps = steps};
}

static void count_step(void *arg, const struct firered_progress *now) {
    struct asked *a = arg;
    atomic_store(&a->done, now->step);
}

static bool is_cancelled(void *arg) {
    struct asked *a = arg;
    return a->cancel_after && atomic_load(&a->done) >= a->cancel_after;
}

static void *run(void *arg) {
    static uint8_t grey[SIDE * SIDE * 3];
    struct asked *a = arg;
    const struct picture picture = {SIDE, SIDE, grey};
    const struct firered_edit edit = {.pictures = &picture,
                                      .picture_count = 1,
                                      .prompt = "night",
                                      .guidance_scale = 1,
                                      .steps = a->steps,
                                      .seed = a->seed,
                                      .width = SIDE,
                                      .height = SIDE,
                                      .progress = count_step,
                                      .cancelled = is_cancelled,
                                      .arg = a};
    a->status = firered_edit_run(a->engine, &edit, &a->result, NULL);
    return NULL;
}

static void assert_same(const struct asked *a, const struct asked *b) {
    assert_int_equal(picture_max_difference(&a->result.picture, &b->result.picture), 0);
}

static void test_two_at_once(void **state) {
    (void)state;
    struct firered *engine = open_engine();
    struct asked alone[2] = {ask(engine, 1, 2), ask(engine, 2, 2)};
    struct asked beside[2] = {ask(engine, 1, 2), ask(engine, 2, 2)};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) run(&alone[i]);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &beside[i]), 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(alone[i].status, STATUS_OK);
        assert_int_equal(beside[i].status, STATUS_OK);
        assert_same(&alone[i], &beside[i]);
        picture_free(&alone[i].result.picture);
        picture_free(&beside[i].result.picture);
    }
    firered_close(engine);
}

static void test_a_cancelled_edit_leaves_nothing(void **state) {
    (void)state;
    struct firered *engine = open_engine();
    struct asked before = ask(engine, 1, 1), cancelled = ask(engine, 1, 3), after = before;
    cancelled.cancel_after = 1;
    run(&before);
    run(&cancelled);
    run(&after);
    assert_int_equal(cancelled.status, STATUS_CANCELLED);
    assert_int_equal(after.status, STATUS_OK);
    assert_same(&before, &after);
    picture_free(&before.result.picture);
    picture_free(&after.result.picture);
    firered_close(engine);
}

static struct {
    const struct backend *real;
    struct backend table;
    int downloads;
    int64_t elements;
} counted;

static void download(struct workspace *w, float *out, struct tensor in) {
    counted.downloads++;
    counted.elements += in.rows * in.cols;
    counted.real->download(w, out, in);
}

/* Downloads are the only way from the card to the host. */
static void test_a_step_brings_one_number_back(void **state) {
    (void)state;
    struct firered *engine = open_engine();
    int downloads[2];
    int64_t elements[2];
    counted.real = engine->compute->backend;
    counted.table = *counted.real;
    counted.table.download = download;
    engine->compute->backend = &counted.table;
    for (int i = 0; i < 2; i++) {
        struct asked a = ask(engine, 1, 1 + 2 * i);
        counted.downloads = 0;
        counted.elements = 0;
        run(&a);
        assert_int_equal(a.status, STATUS_OK);
        downloads[i] = counted.downloads;
        elements[i] = counted.elements;
        picture_free(&a.result.picture);
    }
    assert_int_equal(downloads[1] - downloads[0], 2);
    assert_int_equal(elements[1] - elements[0], 2);
    /* The picture, four bytes to an element, and a flag for the step and for each band. */
    assert_in_range(elements[0] - SIDE * SIDE * 3 / 4, 2, 20);
    engine->compute->backend = counted.real;
    firered_close(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_a_cancelled_edit_leaves_nothing),
        cmocka_unit_test(test_a_step_brings_one_number_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
