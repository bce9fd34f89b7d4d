/*
 * Edits on the card against the same edits on the CPU: how far the pictures may differ.  Both devices
 * live in one process, beside each other.
 */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "image/quality.h"
#include "pipeline/engine.h"
#include "pipeline/reference_case.h"

#define MODEL "tiny-edit-bf16-sharded"

static struct picture edit_on(const char *device, enum firered_dtype dtype, uint64_t device_memory,
                              const struct reference_case *c) {
    struct firered_options options = {.model = TEST_DATA "/" MODEL "/model",
                                      .device = device,
                                      .dtype = dtype,
                                      .device_memory = device_memory};
    struct firered *engine;
    struct firered_result result;
    struct firered_info info;
    struct error err = {{0}};
    if (firered_open(&engine, &options, &err) != STATUS_OK) fail_msg("%s", err.text);
    firered_describe(engine, &info);
    assert_string_equal(info.device, device);
    assert_int_equal(info.streamed_bytes > 0, device_memory > 0);
    if (firered_edit_run(engine, &c->edit, &result, &err) != STATUS_OK) fail_msg("%s", err.text);
    firered_close(engine);
    return result.picture;
}

static const struct {
    enum firered_dtype dtype;
    double psnr; /* dB, at least */
    int most;    /* of a byte */
} limits[] = {
    {FIRERED_DTYPE_FLOAT32, 60, 1},
    {FIRERED_DTYPE_BFLOAT16, 44, 12},
    {FIRERED_DTYPE_INT8, 42, 255}, /* the CPU takes attention's scores in 8 bits, too */
};

static void test_as_on_the_cpu(void **state) {
    struct reference_case c;
    (void)state;
    reference_case_open(&c, MODEL "/bf16-zero-cond-t");
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct picture cpu = edit_on("cpu", limits[i].dtype, 0, &c),
                       card = edit_on("cuda", limits[i].dtype, 0, &c);
        double psnr = picture_psnr(&card, &cpu);
        int most = picture_max_difference(&card, &cpu);
        print_message("%s: %.1f dB of the CPU's, at most %d off\n",
                      firered_dtype_name(limits[i].dtype), psnr, most);
        assert_true(psnr >= limits[i].psnr);
        assert_true(most <= limits[i].most);
        picture_free(&cpu);
        picture_free(&card);
    }
    reference_case_close(&c);
}

/* Of what the card needs for all of it, a little less than all of the weights that can stream. */
static uint64_t less_than_all(enum firered_dtype dtype) {
    struct firered_options options = {
        .model = TEST_DATA "/" MODEL "/model", .device = "cuda", .dtype = dtype};
    struct firered *engine;
    struct error err = {{0}};
    if (firered_open(&engine, &options, &err) != STATUS_OK) fail_msg("%s", err.text);
    const struct memory_plan *p = &engine->memory;
    assert_int_equal(memory_plan_streamed(p), 0);
    uint64_t bytes = memory_plan_on_device(p) - p->weights / 8;
    firered_close(engine);
    return bytes;
}

/* Each wait between the slots' lanes and the network's is here: the simulated driver runs lanes in
 * any order that they allow. */
static void test_streamed_as_resident(void **state) {
    static const enum firered_dtype dtypes[] = {FIRERED_DTYPE_BFLOAT16, FIRERED_DTYPE_INT8};
    struct reference_case c;
    (void)state;
    reference_case_open(&c, MODEL "/bf16-zero-cond-t");
    c.edit.steps = 1;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        struct picture all = edit_on("cuda", dtypes[i], 0, &c),
                       some = edit_on("cuda", dtypes[i], less_than_all(dtypes[i]), &c);
        assert_int_equal(picture_max_difference(&all, &some), 0);
        picture_free(&all);
        picture_free(&some);
    }
    reference_case_close(&c);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_on_the_cpu),
                                       cmocka_unit_test(test_streamed_as_resident)};
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
