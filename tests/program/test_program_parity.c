/*
 * The tool that writes what an edit computes: its file holds the tensors of the recorded trace, with
 * their values.  tools/parity/parity.py compares such files.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/files.h"
#include "support/safetensors_reader.h"

#define CASE TEST_DATA "/tiny-edit/one-image-cfg"

static void trace(const char *folder, const char *flags) {
    char command[4096];
    snprintf(command, sizeof command, "'%s' %s --threads 1 '%s' '%s/case.json' '%s'", PARITY_TRACE,
             flags, TEST_DATA "/tiny-edit/model", CASE, folder);
    assert_int_equal(system(command), 0);
}

static void the_recorded_values_come_out(void **state) {
    (void)state;
    static const char *const names[] = {"pixel_values",  "prompt_embeds",    "cond.hidden.1",
                                        "vae_mean0",     "packed_input",     "step0.block1.img",
                                        "step3.latents", "vae_decode_output"};
    char *folder = temporary_folder();
    trace(folder, "--blocks");
    struct safetensors_reader *ours =
        safetensors_reader_open(in_folder(folder, "trace.safetensors"));
    struct safetensors_reader *right = safetensors_reader_open(CASE "/trace.safetensors");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct reader_tensor t = safetensors_reader_get(ours, names[i]);
        assert_int_equal(t.count, safetensors_reader_get(right, names[i]).count);
        float *a = safetensors_reader_floats(ours, names[i]);
        float *b = safetensors_reader_floats(right, names[i]);
        double error = 0, size = 0;
        for (size_t k = 0; k < t.count; k++) {
            error += ((double)a[k] - b[k]) * ((double)a[k] - b[k]);
            size += (double)b[k] * b[k];
        }
        if (!(sqrt(error / size) < 2e-3)) fail_msg("%s is off", names[i]);
        free(a);
        free(b);
    }
    safetensors_reader_close(ours);
    safetensors_reader_close(right);
    remove_folder(folder);
}

static void what_is_between_blocks_is_kept_on_demand(void **state) {
    (void)state;
    char *folder = temporary_folder();
    trace(folder, "");
    struct safetensors_reader *ours =
        safetensors_reader_open(in_folder(folder, "trace.safetensors"));
    assert_true(safetensors_reader_has(ours, "step0.latents"));
    assert_true(safetensors_reader_has(ours, "cond.input_ids"));
    assert_false(safetensors_reader_has(ours, "step0.block0.img"));
    safetensors_reader_close(ours);
    remove_folder(folder);
}

static void wrong_words_are_refused(void **state) {
    (void)state;
    assert_int_equal(WEXITSTATUS(system("'" PARITY_TRACE "' --dtype float8 a b c 2>/dev/null")), 2);
    assert_int_equal(
        WEXITSTATUS(system("'" PARITY_TRACE "' /nowhere " CASE "/case.json /tmp 2>/dev/null")), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_recorded_values_come_out),
        cmocka_unit_test(what_is_between_blocks_is_kept_on_demand),
        cmocka_unit_test(wrong_words_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
