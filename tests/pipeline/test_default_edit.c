/*
 * The edit for which nobody asked for anything: whether there is room for it, and how long it will
 * take.
 */
#include "support/unit_test.h"

#include <math.h>
#include <string.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "pipeline/default_edit.h"
#include "pipeline/edit.h"
#include "pipeline/engine.h"
#include "support/sanitized.h"

static struct firered *open_engine(uint64_t memory_limit) {
    struct firered *engine;
    struct error err = {{0}};
    struct firered_options options = {
        .model = TEST_DATA "/tiny-edit/model", .threads = 2, .memory_limit = memory_limit};
    if (firered_open(&engine, &options, &err) != STATUS_OK) fail_msg("%s", err.text);
    return engine;
}

/* ---- time ---- */

/* In every phase products have 10 of something, at 5 a second; convolutions 6 at 3; the rest 8 at 4;
 * and a second is waited. */
static void made_up(struct edit_costs *costs, struct engine_speed *speed) {
    *costs = (struct edit_costs){0};
    for (int i = 0; i < FIRERED_PHASES; i++) {
        costs->once[i][FIRERED_OPERATION_LINEAR].flops = 7;
        costs->once[i][FIRERED_OPERATION_ATTENTION].flops = 3;
        costs->once[i][FIRERED_OPERATION_CONV].flops = 6;
        costs->once[i][FIRERED_OPERATION_NORM].bytes = 8;
        speed->phases[i] = (struct phase_speed){.products = 5, .convs = 3, .bytes = 4, .wait = 1};
    }
    costs->step[FIRERED_OPERATION_LINEAR].flops = 20;
}

static void test_seconds_add_up(void **state) {
    (void)state;
    struct edit_costs costs;
    struct engine_speed speed;
    made_up(&costs, &speed);
    assert_true(fabs(edit_costs_seconds(&costs, &speed, 1, false) - 5 * (2 + 2 + 2 + 1)) < 1e-9);
    assert_true(fabs(edit_costs_seconds(&costs, &speed, 4, false) - (35 + 3 * (4 + 1))) < 1e-9);
    /* with guidance, two prompts are read and each step has two passes */
    assert_true(fabs(edit_costs_seconds(&costs, &speed, 4, true) - (35 + 2 + 3 * (4 + 2))) < 1e-9);
    assert_true(fabs(edit_costs_flops(&costs, 4) - (5 * 16 + 3 * 20)) < 1e-9);
    speed.phases[FIRERED_PHASE_DENOISE].products = 0;
    assert_true(edit_costs_seconds(&costs, &speed, 4, false) == 0);
}

/* Of a phase that had hardly anything to multiply, denoising's speed is taken. */
static void test_speed_of_little(void **state) {
    (void)state;
    struct firered_result small = {0};
    struct firered_cost *denoise = small.operations[FIRERED_PHASE_DENOISE],
                        *decode = small.operations[FIRERED_PHASE_VAE_DECODE];
    struct engine_speed speed;
    denoise[FIRERED_OPERATION_LINEAR] = (struct firered_cost){.seconds = 2, .flops = 9e9};
    denoise[FIRERED_OPERATION_ATTENTION] = (struct firered_cost){.seconds = 1, .flops = 3e9};
    decode[FIRERED_OPERATION_ATTENTION] = (struct firered_cost){.seconds = 1, .flops = 1e7};
    decode[FIRERED_OPERATION_CONV] = (struct firered_cost){.seconds = 0.5, .flops = 1e7};
    decode[FIRERED_OPERATION_NORM] = (struct firered_cost){.seconds = 0.5, .bytes = 1e6};
    small.phases[FIRERED_PHASE_VAE_DECODE].seconds = 2.25;
    engine_speed_measure(&speed, &small);
    assert_true(fabs(speed.phases[FIRERED_PHASE_DENOISE].products - 4e9) < 1);
    assert_true(fabs(speed.phases[FIRERED_PHASE_VAE_DECODE].products - 4e9) < 1);
    assert_true(fabs(speed.phases[FIRERED_PHASE_VAE_DECODE].convs - 2e7) < 1);
    assert_true(fabs(speed.phases[FIRERED_PHASE_VAE_DECODE].bytes - 2e6) < 1);
    assert_true(fabs(speed.phases[FIRERED_PHASE_VAE_DECODE].wait - 0.25) < 1e-9);
}

/* Nothing is known before the warm-up; after it, what has twice the steps or guidance takes longer, and
 * what is counted is what an edit then does. */
static void check_estimate(struct firered *e) {
    struct error err = {{0}};
    struct firered_estimate one, four, guided;
    assert_int_equal(firered_estimate(e, 1, 1, &one, &err), STATUS_OK);
    assert_true(one.seconds == 0 && one.flops > 0);
    if (firered_warm_up(e, &err) != STATUS_OK) fail_msg("%s", err.text);
    assert_int_equal(firered_estimate(e, 1, 1, &one, &err), STATUS_OK);
    assert_int_equal(firered_estimate(e, 4, 1, &four, &err), STATUS_OK);
    assert_int_equal(firered_estimate(e, 4, 5, &guided, &err), STATUS_OK);
    assert_int_equal(one.width, 128);
    assert_int_equal(one.height, 128);
    assert_true(one.seconds > 0 && four.seconds > one.seconds && guided.seconds > four.seconds);
    assert_true(guided.flops > 1.5 * four.flops && guided.flops < 2.5 * four.flops);

    static uint8_t rgb[128 * 128 * 3];
    struct picture picture = {128, 128, rgb};
    struct firered_edit edit = {.pictures = &picture,
                                .picture_count = 1,
                                .prompt = "a sentence of a usual length, more or less",
                                .guidance_scale = 1,
                                .steps = 4};
    struct firered_result result;
    assert_int_equal(firered_edit_run(e, &edit, &result, &err), STATUS_OK);
    double flops = 0;
    for (int i = 0; i < FIRERED_PHASES; i++) flops += result.phases[i].flops;
    picture_free(&result.picture);
    if (four.flops < 0.8 * flops || four.flops > 1.5 * flops)
        fail_msg("%g counted, %g done", four.flops, flops);
}

static void test_estimate(void **state) {
    (void)state;
    struct firered *e = open_engine(0);
    check_estimate(e);
    firered_close(e);
}

static void test_estimate_of_a_streamed_model(void **state) {
    (void)state;
    struct firered *e = open_engine(17 << 20);
    struct firered_info info;
    firered_describe(e, &info);
    assert_true(info.streamed_bytes > 0);
    check_estimate(e);
    firered_close(e);
}

/* ---- memory ---- */

static int64_t peak_bytes(void) {
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (int64_t)usage.ru_maxrss * 1024;
}

/* However large the model likes its pictures, warming up takes next to nothing. */
static void test_warm_up_is_small(void **state) {
    (void)state;
    if (SANITIZED) skip();
    struct error err = {{0}};
    struct workspace_size size;
    struct firered *e = open_engine(0);
    int width, height;
    struct edit_config *c = &e->model.config.edit;
    c->output_area = c->vae_area = c->condition_area = 2048 * 2048;
    assert_int_equal(default_edit_memory(e, &size, &width, &height, &err), STATUS_OK);
    assert_true(workspace_size_sum(size) > 64 << 20);
    int64_t before = peak_bytes();
    if (firered_warm_up(e, &err) != STATUS_OK) fail_msg("%s", err.text);
    assert_true(peak_bytes() - before < 16 << 20);
    assert_int_equal(c->output_area, 2048 * 2048); /* its own are as they were */
    firered_close(e);
}

/* Leaves the process so many bytes of addresses; 0: as many as it likes. */
static void leave_addresses(int resource, uint64_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(resource, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(resource, &limit), 0);
    if (!bytes) return;
    uint64_t low = 0, high = UINT64_C(1)
                             << 46; /* found by asking, as /proc tells nothing of a limit */
    while (high - low > 1 << 20) {
        limit.rlim_cur = low + (high - low) / 2;
        assert_int_equal(setrlimit(resource, &limit), 0);
        if (memory_addresses_left() >= bytes)
            high = limit.rlim_cur;
        else
            low = limit.rlim_cur;
    }
    limit.rlim_cur = high;
    assert_int_equal(setrlimit(resource, &limit), 0);
}

static void check_room(struct firered *e, int resource, const char *why) {
    struct error err = {{0}};
    leave_addresses(resource, 48 << 20);
    enum status few = firered_check_room(e, 4, 1, &err);
    leave_addresses(resource, 400 << 20);
    enum status many = firered_check_room(e, 4, 1, NULL);
    leave_addresses(resource, 0);
    assert_int_equal(few, STATUS_NO_MEMORY);
    assert_int_equal(many, STATUS_OK);
    assert_non_null(strstr(err.text, why));
    assert_non_null(strstr(err.text, "an edit of 2048x2048 with the default settings takes "));
}

static void test_room(void **state) {
    (void)state;
    if (SANITIZED) skip();
    struct error err = {{0}};
    struct firered *e = open_engine(0);
    assert_int_equal(firered_check_room(e, 4, 1, &err), STATUS_OK);
    e->model.config.edit.output_area = 2048 * 2048;
    assert_int_equal(firered_check_room(e, 4, 1, &err), STATUS_OK);
    check_room(e, RLIMIT_AS, "(ulimit -v, -d) leave it");
    check_room(e, RLIMIT_DATA, "(ulimit -v, -d) leave it");
    e->memory.limit = e->memory.weights + (64 << 20);
    assert_int_equal(firered_check_room(e, 4, 1, &err), STATUS_NO_MEMORY);
    assert_non_null(strstr(err.text, "MEMORY_LIMIT leave it 67.1 MB more"));
    firered_close(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seconds_add_up),
        cmocka_unit_test(test_speed_of_little),
        cmocka_unit_test(test_estimate),
        cmocka_unit_test(test_estimate_of_a_streamed_model),
        cmocka_unit_test(test_warm_up_is_small),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
