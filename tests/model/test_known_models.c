/*
 * Known models: which row is taken, by id, by configs and by adapters, and who wins over it.
 */
#include "support/unit_test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "model/known_models.h"
#include "support/files.h"

static const struct known_model *find(const char *folder) {
    return known_model_find(&(struct known_facts){
        .folder = folder, .base_shift = 0.5, .max_shift = 0.9, .shift_terminal = 0.02});
}

static void test_ids(void **state) {
    (void)state;
    static const struct {
        const char *folder;
        int steps; /* 0: not known */
        double guidance;
        bool distilled;
    } cases[] = {
        {"/c/hub/models--FireRedTeam--FireRed-Image-Edit-1.0/snapshots/ab12", 28, 7, false},
        {"/c/hub/models--FireRedTeam--FireRed-Image-Edit-1.1/snapshots/ab12/", 40, 4, false},
        {"/c/hub/models--somebody--FireRed-Image-Edit-1.0-Distilled/snapshots/a", 8, 1, true},
        {"/models/firered-image-edit-1.1-lightning", 8, 1, true},
        {"/c/models--Qwen--Qwen-Image-Edit/snapshots/ab12", 50, 4, false},
        {"/c/models--Qwen--Qwen-Image-Edit-2509/snapshots/ab12", 40, 4, false},
        {"Qwen-Image-Edit-2511", 40, 4, false},
        {"/m/Qwen-Image-Edit-2511-Lightning-4steps/", 4, 1, true},
        {"/m/Qwen-Image-Edit-Lightning", 8, 1, true},
        {"/m/Qwen-Image-Edit-2511-by-somebody", 0, 0, false},
        {"/c/models--a--b/snapshots/FireRed-Image-Edit-1.1", 0, 0, false},
        {"/m/demo", 0, 0, false},
        {"/", 0, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct known_model *row = find(cases[i].folder);
        if (!row != !cases[i].steps) fail_msg("%s: %s", cases[i].folder, row ? row->name : "none");
        if (!row) continue;
        assert_int_equal(row->steps, cases[i].steps);
        assert_true(row->guidance == cases[i].guidance);
        assert_int_equal(row->distilled, cases[i].distilled);
        assert_true(row->source[0] != '\0');
    }
}

/* Every row, in the table's order: what finds it, and how a model without an edit_config.json is run
 * then. */
static void test_every_row(void **state) {
    (void)state;
    static const struct {
        const char *row, *id, *lora, *class;
        bool zero_cond_t, shift_3;
        int steps;
        double guidance;
        bool distilled;
    } rows[] = {
        {"FireRed Lightning LoRA, 8 steps", .id = "FireRed-Image-Edit-1.1",
         .lora = "FireRed-Image-Edit-1.1-Lightning-8steps.safetensors", .steps = 8, .guidance = 1,
         .distilled = true},
        {"Qwen-Image-Edit Lightning LoRA, 4 steps", .id = "Qwen-Image-Edit-2511",
         .lora = "Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16.safetensors", .steps = 4,
         .guidance = 1, .distilled = true},
        {"Qwen-Image-Edit Lightning LoRA, 8 steps", .id = "Qwen-Image-Edit",
         .lora = "Qwen-Image-Edit-Lightning-8steps-V1.1.safetensors", .steps = 8, .guidance = 1,
         .distilled = true},
        {"FireRed-Image-Edit distilled", .id = "FireRed-Image-Edit-1.0-Distilled", .steps = 8,
         .guidance = 1, .distilled = true},
        {"FireRed-Image-Edit Lightning", .id = "FireRed-Image-Edit-1.1-Lightning-8steps",
         .steps = 8, .guidance = 1, .distilled = true},
        {"FireRed-Image-Edit-1.0", .id = "FireRed-Image-Edit-1.0", .steps = 28, .guidance = 7},
        {"FireRed-Image-Edit-1.1", .id = "FireRed-Image-Edit-1.1", .steps = 40, .guidance = 4},
        {"Qwen-Image-Edit Lightning, 4 steps", .id = "Qwen-Image-Edit-2509-Lightning-4steps",
         .steps = 4, .guidance = 1, .distilled = true},
        {"Qwen-Image-Edit Lightning", .id = "Qwen-Image-Edit-2509-Lightning", .steps = 8,
         .guidance = 1, .distilled = true},
        {"Qwen-Image-Edit-2511", .id = "Qwen-Image-Edit-2511", .steps = 40, .guidance = 4},
        {"Qwen-Image-Edit-2509", .id = "Qwen-Image-Edit-2509", .steps = 40, .guidance = 4},
        {"Qwen-Image-Edit", .id = "Qwen-Image-Edit", .steps = 50, .guidance = 4},
        {"a Lightning schedule", .id = "mine", .class = "QwenImageEditPlusPipeline",
         .shift_3 = true, .steps = 8, .guidance = 1},
        {"like Qwen-Image-Edit-2511", .id = "mine", .class = "QwenImageEditPlusPipeline",
         .zero_cond_t = true, .steps = 40, .guidance = 4},
        {"like Qwen-Image-Edit", .id = "mine", .class = "QwenImageEditPipeline", .steps = 50,
         .guidance = 4},
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    char *root = temporary_folder(), folder[4200], index[200];
    for (size_t i = 0; i < ROWS; i++) {
        const struct firered_lora lora = {.path = rows[i].lora ? rows[i].lora : "", .scale = 1};
        double shift = rows[i].shift_3 ? log(3) : 0.5;
        snprintf(folder, sizeof folder, "%s/%s", root, rows[i].id);
        mkdir(folder, 0700);
        snprintf(index, sizeof index, "{\"_class_name\": \"%s\"}",
                 rows[i].class ? rows[i].class : "");
        write_text(in_folder(folder, "model_index.json"), index);
        const struct known_model *row =
            known_model_find(&(struct known_facts){.folder = folder,
                                                   .zero_cond_t = rows[i].zero_cond_t,
                                                   .base_shift = shift,
                                                   .max_shift = shift,
                                                   .shift_terminal = rows[i].shift_3 ? 0 : 0.02,
                                                   .loras = &lora,
                                                   .lora_count = rows[i].lora ? 1 : 0});
        if (!row || strcmp(row->name, rows[i].row) != 0 || row != known_model_at(i))
            fail_msg("row %zu, \"%s\": found is \"%s\"", i, rows[i].row, row ? row->name : "");
        struct edit_config c;
        assert_int_equal(edit_config_load(&c, folder, NULL), STATUS_OK);
        known_model_apply(row, &c);
        if (c.default_steps != rows[i].steps || c.default_guidance != rows[i].guidance ||
            c.distilled != rows[i].distilled)
            fail_msg("%s: %d steps, guidance %g%s", row->name, (int)c.default_steps,
                     c.default_guidance, c.distilled ? ", distilled" : "");
        assert_true(strlen(row->source) > 10);
    }
    assert_null(known_model_at(ROWS)); /* who adds one adds it here */
    remove_folder(root);
}

static void test_configs(void **state) {
    (void)state;
    char *folder = temporary_folder();
    struct known_facts facts = {
        .folder = folder, .base_shift = 0.5, .max_shift = 0.9, .shift_terminal = 0.02};
    assert_null(known_model_find(&facts)); /* no model_index.json */
    write_text(in_folder(folder, "model_index.json"),
               "{\"_class_name\": \"QwenImageEditPlusPipeline\"}");
    assert_null(known_model_find(&facts)); /* FireRed, or Qwen-Image-Edit-2509 */
    facts.zero_cond_t = true;
    assert_int_equal(known_model_find(&facts)->steps, 40);
    facts.base_shift = facts.max_shift = log(3);
    assert_int_equal(known_model_find(&facts)->steps, 40); /* Lightning has no terminal shift */
    facts.shift_terminal = 0;
    assert_int_equal(known_model_find(&facts)->steps, 8);
    assert_true(known_model_find(&facts)->guidance == 1);
    assert_false(known_model_find(&facts)->distilled);
    facts.zero_cond_t = false;
    facts.base_shift = 0.5;
    write_text(in_folder(folder, "model_index.json"),
               "{\"_class_name\": \"QwenImageEditPipeline\"}");
    assert_int_equal(known_model_find(&facts)->steps, 50);
    write_text(in_folder(folder, "model_index.json"), "{\"_class_name\": 3");
    assert_null(known_model_find(&facts));
    remove_folder(folder);
}

static void test_adapters(void **state) {
    (void)state;
    static const struct {
        const char *file;
        int steps;
    } cases[] = {
        {"/l/Qwen-Image-Edit-Lightning-4steps-V1.0-bf16.safetensors", 4},
        {"Qwen-Image-Edit-2509-Lightning-8steps-V1.0-fp32.safetensors", 8},
        {"/l/Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16.safetensors", 4},
        {"/l/FireRed-Image-Edit-1.0-Lightning-8steps-v1.0.safetensors", 8},
        {"/l/Lightning-4steps/style.safetensors", 50},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct firered_lora loras[] = {{.path = "/l/other.safetensors", .scale = 1},
                                             {.path = cases[i].file, .scale = 1}};
        const struct known_model *row = known_model_find(&(struct known_facts){
            .folder = "/m/Qwen-Image-Edit", .loras = loras, .lora_count = 2, .shift_terminal = 1});
        assert_int_equal(row->steps, cases[i].steps);
        assert_int_equal(row->distilled, cases[i].steps != 50);
    }
}

static struct edit_config applied(const char *folder, const char *json) {
    struct edit_config c;
    struct error err;
    write_text(in_folder(folder, "edit_config.json"), json);
    assert_int_equal(edit_config_load(&c, folder, &err), STATUS_OK);
    known_model_apply(find("/m/FireRed-Image-Edit-1.0-Distilled"), &c);
    return c;
}

static void test_edit_config_wins(void **state) {
    (void)state;
    char *folder = temporary_folder();
    struct edit_config c = applied(folder, "{}");
    assert_true(c.distilled && c.default_steps == 8 && c.default_guidance == 1);
    c = applied(folder, "{\"default_steps\": 5}");
    assert_true(c.distilled && c.default_steps == 5);
    c = applied(folder, "{\"distilled\": false}");
    assert_true(!c.distilled && c.default_steps == 8 && c.default_guidance == 1);
    c = applied(folder, "{\"default_guidance\": 2.5}"); /* which a distilled model could not have */
    assert_true(!c.distilled && c.default_guidance == 2.5);
    struct edit_config before = c;
    known_model_apply(NULL, &c);
    assert_true(c.default_steps == before.default_steps && c.distilled == before.distilled);
    remove_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_every_row),
        cmocka_unit_test(test_configs),
        cmocka_unit_test(test_adapters),
        cmocka_unit_test(test_edit_config_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
