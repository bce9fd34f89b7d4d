/*
 * A phase's costs are what the device's own clock says: this one knows an operation's time, a second
 * each, only when it was waited for.
 */
#include "support/unit_test.h"

#include <math.h>
#include <string.h>

#include "compute/backend.h"
#include "pipeline/engine.h"

static int pending[OPERATION_KINDS];

static void start(struct workspace *w, enum operation kind) {
    (void)w;
    pending[kind]++;
}

static void stop(struct workspace *w) {
    (void)w;
}

static void wait_for_all(struct workspace *w) {
    for (int i = 0; i < OPERATION_KINDS; i++) w->costs[i].seconds += pending[i];
    memset(pending, 0, sizeof pending);
}

static void test_a_phase_waits_for_the_device(void **state) {
    (void)state;
    enum { SIDE = 64 };
    static uint8_t grey[SIDE * SIDE * 3];
    struct firered_options options = {.model = TEST_DATA "/tiny-edit/model", .threads = 1};
    struct firered *engine;
    assert_int_equal(firered_open(&engine, &options, NULL), STATUS_OK);
    const struct backend *real = engine->compute->backend;
    struct backend late = *real;
    late.clock_start = start;
    late.clock_stop = stop;
    late.wait = wait_for_all;
    engine->compute->backend = &late;

    const struct picture picture = {SIDE, SIDE, grey};
    struct firered_edit edit = {.pictures = &picture,
                                .picture_count = 1,
                                .prompt = "night",
                                .steps = 1,
                                .width = SIDE,
                                .height = SIDE};
    struct firered_result result;
    assert_int_equal(firered_edit_run(engine, &edit, &result, NULL), STATUS_OK);
    for (int phase = 0; phase < FIRERED_PHASES; phase++) {
        double seconds = 0;
        for (int i = 0; i < FIRERED_OPERATIONS; i++) {
            const struct firered_cost *c = &result.operations[phase][i];
            if (c->flops > 0) assert_true(c->seconds >= 1);
            assert_true(c->seconds == floor(c->seconds));
            seconds += c->seconds;
        }
        assert_true(seconds >= 1);
    }
    picture_free(&result.picture);
    engine->compute->backend = real;
    firered_close(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_phase_waits_for_the_device)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
