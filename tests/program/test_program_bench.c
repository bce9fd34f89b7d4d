/* firered bench: the tables are there, and their numbers fit each other.  How large they are is the
 * machine's affair. */
#include "support/unit_test.h"

#include <math.h>

#include "program/program.h"

static struct command_line line;
static struct child child;

static void bench(const char *model, const char *mode) {
    line_start(&line, "bench");
    line_add(&line, "--model", "%s", model);
    line_add(&line, "--size", "64");
    line_add(&line, "--steps", "2");
    line_add_switch(&line, mode);
    line_run_well(&line, &child);
}

/* A line that begins with `name`, after the place `from`. */
static const char *row(const char *from, const char *name) {
    size_t n = strlen(name);
    for (const char *at = from; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, name, n) == 0 && (at[n] == ' ' || at[n] == '\n')) return at;
        if (!strchr(at, '\n')) break;
    }
    fail_msg("no line \"%s\" in\n%s", name, child.out);
    return NULL;
}

struct cost {
    double seconds, gflop, rate, gigabytes;
};

static struct cost cost_of(const char *from, const char *name) {
    struct cost c = {0};
    const char *at = row(from, name);
    assert_true(sscanf(at + strlen(name), "%lf %lf %lf %lf", &c.seconds, &c.gflop, &c.rate,
                       &c.gigabytes) == 4);
    return c;
}

/* The operations of a phase are the phase, but for a rest of time and for rounding. */
static void test_profile(void **state) {
    (void)state;
    bench(TINY_MODEL, "--profile");
    const char *at = row(child.out, "denoise");
    struct cost phase = cost_of(at, "denoise"), linear = cost_of(at, "  linear"),
                attention = cost_of(at, "  attention"), edit = cost_of(at, "edit");
    assert_true(linear.gflop + attention.gflop > 0);
    assert_true(fabs(linear.gflop + attention.gflop - phase.gflop) < 0.11);
    assert_true(linear.seconds + attention.seconds <= phase.seconds + 0.002);
    assert_true(phase.gflop <= edit.gflop && phase.seconds <= edit.seconds);
    row(row(child.out, "VAE decode"), "  convolution");
}

static void test_growth(void **state) {
    (void)state;
    bench(TINY_MODEL, "--growth");
    double small[3], large[3];
    assert_int_equal(sscanf(row(child.out, "64"), "64 %lf %lf %lf", small, small + 1, small + 2),
                     3);
    assert_int_equal(sscanf(row(child.out, "128"), "128 %lf %lf %lf", large, large + 1, large + 2),
                     3);
    assert_true(large[1] >= small[1]);
    row(child.out, "time grows");
}

static void test_dtypes(void **state) {
    (void)state;
    bench(BF16_MODEL, "--dtypes");
    double last = INFINITY;
    static const char *const names[] = {"float32", "bfloat16", "int8"};
    for (int i = 0; i < 3; i++) {
        char kernels[32];
        double seconds, weights, psnr = INFINITY;
        int there = sscanf(row(child.out, names[i]) + strlen(names[i]), "%31s %lf %lf %lf", kernels,
                           &seconds, &weights, &psnr);
        assert_int_equal(there, i == 0 ? 3 : 4);
        assert_true(psnr > 30); /* infinite without bfloat16 products */
        assert_true(weights <= last);
        last = weights;
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, scene_reset)
    const struct CMUnitTest tests[] = {TEST(test_profile), TEST(test_growth), TEST(test_dtypes)};
#undef TEST
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
