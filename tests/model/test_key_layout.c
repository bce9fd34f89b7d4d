/*
 * What checkpoints call the tensors that the networks ask for.
 */
#include "support/unit_test.h"

#include <string.h>

#include "model/key_layout.h"
#include "support/files.h"

/* What a file of `component` that has the tensor `there` calls `name`. */
static void assert_called(const char *folder, const char *component, const char *there,
                          const char *name, const char *stored) {
    static const float one = 1;
    const char *path = in_folder(folder, "weights");
    struct weights *w;
    char out[64];
    write_tensors(path, &(struct tensor_spec){there, "F32", 1, {1}, &one, sizeof one}, 1);
    assert_int_equal(weights_open_file(&w, path, NULL), STATUS_OK);
    key_layout_apply(key_layout_find(component, w), out, sizeof out, name);
    assert_string_equal(out, stored);
    weights_close(w);
}

static void the_text_encoder_has_two_layouts(void **state) {
    static const struct {
        const char *there, *language, *visual;
    } LAYOUTS[] = {
        {"model.language_model.embed_tokens.weight", "model.language_model.norm.weight",
         "model.visual.merger.ln_q.weight"},
        {"model.embed_tokens.weight", "model.norm.weight", "visual.merger.ln_q.weight"},
        {"something.else", "model.norm.weight", "visual.merger.ln_q.weight"},
    };
    for (size_t i = 0; i < sizeof LAYOUTS / sizeof LAYOUTS[0]; i++) {
        const char *there = LAYOUTS[i].there;
        assert_called(*state, "text_encoder", there, "language.norm.weight", LAYOUTS[i].language);
        assert_called(*state, "text_encoder", there, "visual.merger.ln_q.weight",
                      LAYOUTS[i].visual);
        assert_called(*state, "text_encoder", there, "lm_head.weight", "lm_head.weight");
    }
}

static void other_components_are_as_the_networks_have_them(void **state) {
    assert_called(*state, "transformer", "model.language_model.embed_tokens.weight",
                  "language.norm.weight", "language.norm.weight");
    assert_called(*state, "vae", "x", "encoder.conv_in.weight", "encoder.conv_in.weight");
}

static void a_name_that_is_too_long_is_no_name(void **state) {
    char name[70];
    memset(name, 'x', sizeof name);
    name[64] = '\0';
    assert_called(*state, "vae", "x", name, "");
    memset(name, 'x', 69);
    memcpy(name, "language.", strlen("language.")); /* which becomes shorter, to 66 */
    name[69] = '\0';
    assert_called(*state, "text_encoder", "x", name, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_text_encoder_has_two_layouts, folder_set_up,
                                        folder_tear_down),
        cmocka_unit_test_setup_teardown(other_components_are_as_the_networks_have_them,
                                        folder_set_up, folder_tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_too_long_is_no_name, folder_set_up,
                                        folder_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
