/*
 * The arithmetic of a plan's two columns: one memory, as on the CPU, and a device with memory of
 * its own.
 */
#include "support/unit_test.h"

#include <string.h>

#include "pipeline/memory_plan.h"

enum { MB = 1000000, BLOCKS = 20 };

/* 20 blocks of 100 MB, 50 MB of other weights; an edit takes 200 MB of the device's memory and 30 of
 * the host's, and 200 MB more for two slots where something streams. */
struct made_up {
    struct device_memory device;
    uint64_t limit, device_limit;
    int measured;
};

static enum status measure(void *arg, struct memory_plan *p, struct error *err) {
    (void)err;
    struct made_up *m = arg;
    int64_t keep = p->keep[0] < BLOCKS ? p->keep[0] : BLOCKS;
    m->measured++;
    p->device = m->device;
    p->limit = m->limit;
    p->device_limit = m->device_limit;
    p->weights = (uint64_t)(50 + keep * 100) * MB;
    p->working.device = (size_t)(keep < BLOCKS ? 400 : 200) * MB;
    p->working.host = (size_t)30 * MB;
    p->width = p->height = 128;
    p->stacks[0] = (struct blocks_size){.name = "blocks",
                                        .count = BLOCKS,
                                        .streamed = BLOCKS - keep,
                                        .largest = 100 * MB,
                                        .streamed_bytes = (uint64_t)(BLOCKS - keep) * 100 * MB};
    return STATUS_OK;
}

static enum status plan(struct memory_plan *p, struct made_up *m, int edits, struct error *err) {
    return memory_plan_make(p, edits, "a model", &(struct memory_measure){measure, m}, err);
}

static const struct device_memory host = {
    .free = 4000ULL * MB, .total = 8000ULL * MB, .spare = 64 * MB, .is_host = true};

static void test_one_memory(void **state) {
    (void)state;
    struct memory_plan p;
    struct error err;
    struct made_up m = {.device = host, .limit = UINT64_MAX};
    assert_int_equal(plan(&p, &m, 1, &err), STATUS_OK);
    assert_int_equal(m.measured, 1);
    assert_int_equal(memory_plan_streamed(&p), 0);
    assert_int_equal(memory_plan_peak(&p), 2280ULL * MB);

    m.limit = 2280ULL * MB; /* both columns together, to the byte */
    assert_int_equal(plan(&p, &m, 1, &err), STATUS_OK);
    assert_int_equal(memory_plan_streamed(&p), 0);
    m.limit--;
    assert_int_equal(plan(&p, &m, 1, &err), STATUS_OK);
    assert_int_equal(p.keep[0], 17); /* 50 + 1700 + 400 + 30 */
    m.limit = 480 * MB;
    assert_int_equal(plan(&p, &m, 1, &err), STATUS_OK);
    assert_int_equal(p.keep[0], 0);
    m.limit--;
    assert_int_equal(plan(&p, &m, 1, &err), STATUS_NO_MEMORY);
    assert_non_null(strstr(err.text, "a memory limit of 480.0 MB"));
    assert_non_null(strstr(err.text, "50.0 MB of weights stay"));
    assert_non_null(strstr(err.text, "takes 430.0 MB"));
}

static void test_a_device_with_memory_of_its_own(void **state) {
    (void)state;
    struct memory_plan p;
    struct error err;
    struct made_up m = {.device = {.free = 1000ULL * MB, .total = 2000ULL * MB},
                        .limit = UINT64_MAX};
    assert_int_equal(plan(&p, &m, 1, &err), STATUS_OK); /* bounded though nobody asked */
    assert_int_equal(p.keep[0], 5);                     /* 50 + 500 + 400 of 970 */
    m.limit = 30 * MB;                                  /* the host's, which has only the 30 */
    assert_int_equal(plan(&p, &m, 1, &err), STATUS_OK);
    assert_int_equal(p.keep[0], 5);
    assert_int_equal(plan(&p, &m, 2, &err), STATUS_NO_MEMORY);
    assert_non_null(strstr(err.text, "a memory limit of 30.0 MB"));
    m.limit = 60 * MB;
    assert_int_equal(plan(&p, &m, 2, &err), STATUS_OK);
    assert_int_equal(p.keep[0], 1); /* 50 + 100 + 2 * 400 */

    m.device.free = 400ULL * MB;
    assert_int_equal(plan(&p, &m, 1, &err), STATUS_NO_MEMORY);
    assert_non_null(strstr(err.text, "needs 450.0 MB of its memory, and 400.0 MB are free"));
    m.device.free = 1000ULL * MB;
    m.device_limit = 700ULL * MB; /* asked for: nothing of it is kept free */
    assert_int_equal(plan(&p, &m, 1, &err), STATUS_OK);
    assert_int_equal(p.keep[0], 2); /* 50 + 200 + 400 */
    m.device_limit = 449ULL * MB;
    assert_int_equal(plan(&p, &m, 1, &err), STATUS_NO_MEMORY);
    assert_non_null(
        strstr(err.text, "needs 450.0 MB of its memory, and DEVICE_MEMORY allows 449.0"));
    m.device_limit = 0;
    m.device.free = 80000ULL * MB; /* of so much 1 GB is kept free, less than 3 % */
    assert_int_equal(plan(&p, &m, 1, &err), STATUS_OK);
    assert_int_equal(memory_plan_streamed(&p), 0);
}

static void test_an_automatic_limit_keeps_something_free(void **state) {
    (void)state;
    assert_int_equal(memory_plan_automatic_limit(&host), 4000ULL * MB - (64ULL << 20) - 64ULL * MB);
    struct device_memory none = host;
    none.free = 1;
    assert_int_equal(memory_plan_automatic_limit(&none), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_memory),
        cmocka_unit_test(test_a_device_with_memory_of_its_own),
        cmocka_unit_test(test_an_automatic_limit_keeps_something_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
