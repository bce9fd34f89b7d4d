/*
 * What the program says of a driver and cards that it cannot use, and that it never computes on
 * something else in silence.  The driver is the simulated one, or none.
 */
#include "support/unit_test.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compute/cuda/driver.h"
#include "support/child.h"

static void run(struct child *c, const char *device, const char *variable, const char *value) {
    const char *words[] = {"info",     "--model", TEST_DATA "/tiny-edit/model",
                           "--device", device,    NULL};
    if (variable) setenv(variable, value, 1);
    child_start(c, FIRERED_PROGRAM, words);
    child_wait(c);
    if (variable) unsetenv(variable);
}

static void assert_holds(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static const struct {
    const char *variable, *value, *sentence;
} refusals[] = {
    {"SIM_NO_DEVICE", "1",
     "no NVIDIA card is visible; CUDA_VISIBLE_DEVICES or the container may hide it"},
    {"SIM_DRIVER_VERSION", "12020",
     "the NVIDIA driver is for CUDA 12.2; this program needs R580 (CUDA 13.0) or newer"},
    {"LD_LIBRARY_PATH", "/nowhere", "no NVIDIA driver here (libcuda.so.1: "},
};

static void test_a_driver_that_cannot_be_used(void **state) {
    (void)state;
    char sim[1024];
    snprintf(sim, sizeof sim, "%s", getenv("LD_LIBRARY_PATH"));
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct child c;
        run(&c, "cuda", refusals[i].variable, refusals[i].value);
        setenv("LD_LIBRARY_PATH", sim, 1);
        assert_int_equal(c.status, 1);
        assert_holds(c.err, refusals[i].sentence);
        assert_null(strstr(c.out, "runs on:"));
        run(&c, "auto", refusals[i].variable, refusals[i].value);
        setenv("LD_LIBRARY_PATH", sim, 1);
        assert_int_equal(c.status, 0);
        assert_holds(c.out, "runs on:      cpu");
    }
}

static void test_a_card_that_is_not_there_can_be_planned_for(void **state) {
    const char *words[] = {"info", "--model", TEST_DATA "/tiny-edit/model", "--device-memory",
                           "16M",  NULL};
    char sim[1024];
    struct child c;
    (void)state;
    snprintf(sim, sizeof sim, "%s", getenv("LD_LIBRARY_PATH"));
    setenv("LD_LIBRARY_PATH", "/nowhere", 1);
    child_start(&c, FIRERED_PROGRAM, words);
    child_wait(&c);
    setenv("LD_LIBRARY_PATH", sim, 1);
    assert_int_equal(c.status, 0);
    assert_holds(c.out, "runs on:      cuda (planned kernels)");
    assert_holds(c.out, "of it on the card, which has  16.78 MB free");
    assert_holds(c.out, "streams:");
}

static void test_auto_takes_the_card(void **state) {
    struct child c;
    (void)state;
    run(&c, "auto", "SIM_CHIP", "sm_90");
    assert_int_equal(c.status, 0);
    assert_holds(c.out, "runs on:      cuda (sm_90 kernels)");
}

/* The toolkit's stub exports what a driver does: a name that is missing there is a slip of the pen. */
static void test_names_are_the_drivers(void **state) {
    static const char *const names[] = {
#define DRIVER_NAME(FIELD, NAME, ARGUMENTS) #NAME,
        DRIVER_CALLS(DRIVER_NAME)
#undef DRIVER_NAME
    };
    (void)state;
    void *stub = dlopen(CUDA_STUB, RTLD_LAZY | RTLD_LOCAL);
    if (!stub) {
        print_message("skipped: %s\n", dlerror());
        skip();
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!dlsym(stub, names[i])) fail_msg("the toolkit's stub has no %s", names[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_driver_that_cannot_be_used),
        cmocka_unit_test(test_a_card_that_is_not_there_can_be_planned_for),
        cmocka_unit_test(test_auto_takes_the_card),
        cmocka_unit_test(test_names_are_the_drivers),
    };
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
