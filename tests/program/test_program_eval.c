/*
 * firered eval on a recorded case: the reference's own picture is what the edit scores against.
 */
#include "support/unit_test.h"

#include <jansson.h>

#include "program/program.h"

static void test_recorded_case(void **state) {
    (void)state;
    static struct command_line line;
    static struct child child;
    struct reference_case c;
    char list[2000];
    double psnr, ssim;
    reference_case_open(&c, TINY "/one-image-cfg");
    snprintf(list, sizeof list,
             "%s/input0.png\t%s\t%s/output.png\thad\tsteps=%d\tguidance=%g\tseed=%llu\n", c.folder,
             c.prompt, c.folder, c.edit.steps, c.edit.guidance_scale,
             (unsigned long long)c.edit.seed);
    write_text("out/list.tsv", list);
    line_start(&line, "eval");
    line_add(&line, "--model", "%s", TINY_MODEL);
    line_add(&line, "--dtype", "float32");
    line_add(&line, "--negative-prompt", "%s", c.negative_prompt);
    line_add(&line, "--list", "out/list.tsv");
    line_add_switch(&line, "--json");
    line_run_well(&line, &child);
    json_t *root = json_loads(child.out, 0, NULL);
    assert_non_null(root);
    assert_int_equal(json_unpack(root, "{s:{s:{s:f}, s:{s:f}}}", "all", "psnr", "min", &psnr,
                                 "ssim", "min", &ssim),
                     0);
    json_decref(root);
    if (psnr < 60 || ssim < 0.9999) fail_msg("%.1f dB, SSIM %.5f", psnr, ssim);
    reference_case_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_recorded_case, scene_reset),
    };
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
