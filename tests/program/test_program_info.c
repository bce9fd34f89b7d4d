/*
 * firered info: every tensor of a model by name and shape, and its memory plan, without loading it;
 * for the published model at its true size as well, whose files are holes here.
 */
#include "support/unit_test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "firered.h"
#include "program/program.h"

static struct command_line line;
static struct child child;

static void info(const char *model) {
    line_start(&line, "info");
    line_add(&line, "--model", "%s", model);
}

static void says(const char *part) {
    if (!strstr(child.out, part)) fail_msg("nothing about \"%s\" in\n%s", part, child.out);
}

/* The number before a line's text, in bytes. */
static double bytes_of(const char *text) {
    char *at = strstr(child.out, text);
    if (!at) fail_msg("nothing about \"%s\" in\n%s", text, child.out);
    while (at > child.out && at[-1] != '\n') at--;
    double number = 0;
    char unit[3];
    if (strncmp(at, "memory:", 7) == 0) at += 7;
    if (strncmp(at, "streams:", 8) == 0) at += 8;
    assert_int_equal(sscanf(at, "%lf %2s", &number, unit), 2);
    return number * (strcmp(unit, "GB") == 0 ? 1e9 : 1e6);
}

static void check_memory_adds_up(void) {
    double weights = bytes_of(" weights, packed"), working = bytes_of(" working memory"),
           all = bytes_of(" in all");
    assert_true(weights > 0 && working > 0);
    assert_true(all > 0.999 * (weights + working) - 1e5 && all < 1.001 * (weights + working) + 1e5);
}

static void test_tiny_models(void **state) {
    (void)state;
    info(TINY_MODEL);
    line_run_well(&line, &child);
    says("all 363 tensors found");
    says("2 blocks, width 128 (2 heads of 64)");
    says("float32");
    says("28 steps, guidance scale 7");
    says("one picture of 128x128");
    says("\ntime:         about ");
    says(" s to edit a picture of 128x128 with these defaults\n              (0.01 TFLOP, at the ");
    check_memory_adds_up();
    info(BF16_MODEL);
    line_run_well(&line, &child);
    says("all 323 tensors found");
    says("bfloat16");
    says("reference pictures at timestep 0");
    check_memory_adds_up();
}

static void test_settings(void **state) {
    (void)state;
    info(TINY_MODEL);
    line_add(&line, "--dtype", "bfloat16");
    line_add(&line, "--threads", "3");
    line_add(&line, "--device", "cpu");
    line_run_well(&line, &child);
    says(" bfloat16, 3 threads");
    link_model("out/m", TINY_MODEL);
    write_text("out/m/edit_config.json",
               "{\"default_steps\": 4, \"distilled\": true, \"output_area\": 65536}");
    info("out/m");
    line_run_well(&line, &child);
    says("4 steps, guidance scale 1 (distilled: never guided)");
    says("one picture of 256x256");
}

/* A published model has no edit_config.json: its id says how it wants to be run. */
static void test_known_model(void **state) {
    (void)state;
    static const char folder[] = "out/models--o--FireRed-Image-Edit-1.0-Distilled/snapshots/ab";
    assert_int_equal(mkdir("out/models--o--FireRed-Image-Edit-1.0-Distilled", 0700), 0);
    assert_int_equal(mkdir("out/models--o--FireRed-Image-Edit-1.0-Distilled/snapshots", 0700), 0);
    link_model(folder, TINY_MODEL);
    write_text("out/models--o--FireRed-Image-Edit-1.0-Distilled/snapshots/ab/edit_config.json",
               "{}");
    info(folder);
    line_run_well(&line, &child);
    says("8 steps, guidance scale 1 (distilled: never guided)");
    says("known as:     FireRed-Image-Edit distilled (");
}

/* What info plans is what an edit with the longest prompts takes.  (Here not quite the same: of the
 * tiny vocabulary the template takes more tokens.) */
static void test_plan_holds(void **state) {
    (void)state;
    struct firered *engine;
    struct error err = {{0}};
    int width, height;
    uint64_t bytes;
    struct picture picture = {.width = 128, .height = 128};
    struct firered_edit edit = {.pictures = &picture, .picture_count = 1};
    char prompt[1025] = ""; /* every digit is a token */
    for (int i = 0; i < 1024; i++) prompt[i] = (char)('0' + i % 10);
    assert_int_equal(firered_open(&engine, &(struct firered_options){.model = TINY_MODEL}, &err),
                     STATUS_OK);
    firered_edit_defaults(engine, &edit);
    edit.prompt = edit.negative_prompt = prompt;
    if (firered_edit_plan(engine, &edit, &width, &height, &bytes, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    struct firered_info described;
    firered_describe(engine, &described);
    firered_close(engine);
    info(TINY_MODEL);
    line_run_well(&line, &child);
    double working = bytes_of(" working memory"), weights = bytes_of(" weights, packed");
    if (working < 0.8 * (double)bytes || working > 1.1 * (double)bytes)
        fail_msg("%g planned, %g taken", working, (double)bytes);
    assert_true(weights > 0.99 * (double)described.weight_bytes &&
                weights < 1.01 * (double)described.weight_bytes);
}

/* ---- the published model ---- */

static void expand_full_size(void) {
    assert_int_equal(system("sh '" TEST_DATA "/full-size/expand.sh' out/full"),
                     0); /* 58 GB of holes */
    assert_int_equal(mkdir("out/full/tokenizer", 0700), 0);
    assert_int_equal(symlink(TEST_DATA "/qwen_vocab/vocab.json", "out/full/tokenizer/vocab.json"),
                     0);
    assert_int_equal(symlink(TEST_DATA "/qwen_vocab/merges.txt", "out/full/tokenizer/merges.txt"),
                     0);
}

static void test_full_size(void **state) {
    (void)state;
    expand_full_size();
    info("out/full");
    line_run_well(&line, &child);
    says("all 2856 tensors found");
    says("60 blocks, width 3072 (24 heads of 128)");
    says("28 layers, width 3584; vision tower 32 layers, width 1280");
    says("20.43 B parameters");
    says("one picture of 1024x1024");
    check_memory_adds_up();
    double weights = bytes_of(" weights, packed"), working = bytes_of(" working memory");
    print_message("full size: %.2f s, %.0f MB resident; weights %.1f GB, working memory %.2f GB\n",
                  child.seconds, (double)child.peak_bytes / 1e6, weights / 1e9, working / 1e9);
    assert_true(weights > 50e9 && weights < 120e9);
    assert_true(working > 0.1e9 && working < 20e9);
    if (SANITIZED) return;
    assert_true(child.peak_bytes < 300000000);
}

/* Streamed, it fits a small machine. */
static void test_full_size_limited(void **state) {
    (void)state;
    expand_full_size();
    info("out/full");
    line_add(&line, "--memory-limit", "12G");
    line_run_well(&line, &child);
    check_memory_adds_up();
    says("of a limit of   12.88 GB");
    says("60 of 60 modulation layers");
    double all = bytes_of(" in all"), weights = bytes_of(" weights, packed"),
           streamed = bytes_of(" more weights, packed from the files");
    assert_true(all <= 12.89e9 && all > 12e9);
    assert_true(weights + streamed > 50e9 && weights + streamed < 60e9);
    info("out/full");
    line_add(&line, "--memory-limit", "1G");
    line_run_badly(&line, "raise MEMORY_LIMIT");
}

static void test_full_size_without_tokenizer(void **state) {
    (void)state;
    assert_int_equal(system("sh '" TEST_DATA "/full-size/expand.sh' out/full"), 0);
    info("out/full");
    line_run(&line, &child);
    assert_int_equal(child.status, 1); /* it could not serve; what else was found is told, too */
    assert_non_null(strstr(child.err, "tokenizer"));
    says("all 2856 tensors found");
    assert_null(strstr(child.out, "warning:")); /* nothing of the published model is unused */
    check_memory_adds_up();
}

/* What the files hold and nobody uses, and what a folder says of itself, is told. */
static void test_notes(void **state) {
    (void)state;
    link_model("out/m", TINY_MODEL);
    info("out/m");
    line_run_well(&line, &child);
    assert_null(strstr(child.out, "warning:"));

    patch_json("out/m/model_index.json", "scheduler", "[\"diffusers\", \"SomeOtherScheduler\"]");
    patch_json("out/m/model_index.json", "image_encoder", "[\"x\", \"Clip\\n\\u001bModel\"]");
    patch_json("out/m/model_index.json", "feature_extractor", "[null, null]");
    patch_json("out/m/transformer/config.json", "num_layers", "1");
    patch_json("out/m/text_encoder/config.json", "text_config.num_hidden_layers", "1");
    line_run_well(&line, &child);
    says(
        "warning:      model_index.json: the scheduler is a SomeOtherScheduler, which is not known "
        "here; taken for what its config says\n");
    says("warning:      model_index.json: the part image_encoder (Clip??Model) is not used\n");
    says("warning:      transformer: 32 tensors are not used, such as "
         "transformer_blocks.1.attn.add_k_proj.bias: of a block beyond the \"num_layers\" of its "
         "config.json\n");
    says("of a block beyond the \"num_hidden_layers\" of its config.json\n");
    assert_null(strstr(child.out, "feature_extractor"));

    patch_json("out/m/model_index.json", "_class_name", NULL);
    line_run_well(&line, &child);
    says("model_index.json does not say which pipeline it is for; taken for a "
         "QwenImageEditPlusPipeline\n");
    assert_int_equal(unlink("out/m/model_index.json"), 0);
    line_run_well(&line, &child);
    assert_null(strstr(child.out, "model_index.json"));
}

static void test_other_pipelines(void **state) {
    (void)state;
    static const char *const classes[] = {"FluxKontextPipeline", "QwenImageEditPipeline",
                                          "QwenImagePipeline"};
    link_model("out/m", TINY_MODEL);
    info("out/m");
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        char value[64], sentence[200];
        snprintf(value, sizeof value, "\"%s\"", classes[i]);
        patch_json("out/m/model_index.json", "_class_name", value);
        snprintf(sentence, sizeof sentence,
                 "model_index.json: the model is for a %s, which is not supported; only "
                 "QwenImageEditPlusPipeline is",
                 classes[i]);
        line_run_badly(&line, sentence);
    }
    line_start_small_edit(&line, "out/m");
    line_add(&line, "--output", "out/a.png");
    line_run_badly(&line, "the model is for a QwenImagePipeline");
    write_text("out/m/model_index.json", "{");
    line_run_badly(&line, "model_index.json");
}

/* Copies the transformer's file with one tensor more, which has no elements. */
static void add_mark(const char *name) {
    static const char file[] = "out/m/transformer/diffusion_pytorch_model.safetensors";
    struct buffer old = {0}, new = {0};
    struct error err;
    assert_int_equal(buffer_read_file(&old, file, 1 << 28, &err), STATUS_OK);
    uint64_t length;
    memcpy(&length, old.data, 8);
    char entry[200];
    int n = snprintf(entry, sizeof entry,
                     "{\"%s\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[%llu,%llu]},",
                     name, (unsigned long long)(old.size - 8 - length),
                     (unsigned long long)(old.size - 8 - length));
    uint64_t grown = length + (uint64_t)n - 1;
    assert_int_equal(buffer_append(&new, &grown, 8, NULL), STATUS_OK);
    assert_int_equal(buffer_append(&new, entry, (size_t)n, NULL), STATUS_OK);
    assert_int_equal(buffer_append(&new, old.data + 9, old.size - 9, NULL), STATUS_OK);
    write_bytes(file, new.data, new.size);
    buffer_free(&old);
    buffer_free(&new);
}

/* The mark of repacked checkpoints is zero_cond_t; any other one is unused. */
static void test_index_timestep_zero(void **state) {
    (void)state;
    link_model("out/m", TINY_MODEL);
    add_mark("__something_else__");
    info("out/m");
    line_run_well(&line, &child);
    says("warning:      transformer: 1 tensor is not used, __something_else__\n");
    assert_null(strstr(child.out, "at timestep 0"));
    add_mark("__index_timestep_zero__");
    line_run_well(&line, &child);
    says("reference pictures at timestep 0");
    assert_null(strstr(child.out, "tensors are not used"));
    line_start_small_edit(&line, "out/m");
    line_add(&line, "--output", "out/marked.png");
    line_run(&line, &child);
    assert_int_equal(child.status, 0);
    assert_non_null(strstr(child.err, "transformer: 1 tensor is not used, __something_else__"));
    link_model("out/n", TINY_MODEL);
    patch_json("out/n/transformer/config.json", "zero_cond_t", "true");
    line_start_small_edit(&line, "out/n");
    line_add(&line, "--output", "out/configured.png");
    line_run_well(&line, &child);
    struct picture marked, configured;
    read_picture(&marked, "out/marked.png");
    read_picture(&configured, "out/configured.png");
    size_t bytes = (size_t)marked.width * (size_t)marked.height * 3;
    assert_memory_equal(marked.rgb, configured.rgb, bytes);
    picture_free(&marked);
    picture_free(&configured);
}

/* Replaces a text in a tensor's entry of a file's header by one of the same length. */
static void change_entry(const char *path, const char *tensor, const char *from, const char *to) {
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    uint64_t length;
    assert_int_equal(fread(&length, sizeof length, 1, f), 1);
    char *header = calloc(1, length + 1);
    assert_non_null(header);
    assert_int_equal(fread(header, 1, length, f), length);
    char *entry = strstr(header, tensor), *end = entry ? strchr(entry, '}') : NULL;
    char *at = entry ? strstr(entry, from) : NULL;
    if (!at || !end || at > end) fail_msg("%s of %s is not in %s", from, tensor, path);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
    assert_int_equal(fseek(f, sizeof length, SEEK_SET), 0);
    assert_int_equal(fwrite(header, 1, length, f), length);
    assert_int_equal(fclose(f), 0);
    free(header);
}

static void test_one_changed_entry(void **state) {
    (void)state;
    static const char shard[] =
        "out/full/transformer/diffusion_pytorch_model-00002-of-00005.safetensors";
    static const char tensor[] = "transformer_blocks.20.img_mlp.net.2.weight";
    static const struct {
        const char *from, *to, *part;
    } changes[] = {{"[3072, 12288]", "[12288, 3072]",
                    "shape [12288, 3072], but the model's config asks for [3072, 12288]"},
                   {"[3072, 12288]", "[6144, 6144] ",
                    "shape [6144, 6144], but the model's config asks for [3072, 12288]"},
                   {"[3072, 12288]", "[3073, 12288]", "bytes for its shape"},
                   {"[3072, 12288]", "[37748736]   ",
                    "shape [37748736], but the model's config asks for [3072, 12288]"},
                   {"net.2.weight", "net.3.weight", "which lacks it"},
                   {"\"BF16\"", "\"I16\" ", "stored as I16"},
                   {"\"BF16\"", "\"F8\"  ", "F8"}};
    expand_full_size();
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        tell_story("%s instead of %s", changes[i].to, changes[i].from);
        change_entry(shard, tensor, changes[i].from, changes[i].to);
        info("out/full");
        line_run_badly(&line, changes[i].part);
        line_run_badly(&line, tensor);
        line_run_badly(&line, "diffusion_pytorch_model-00002-of-00005.safetensors");
        change_entry(shard, i == 4 ? "transformer_blocks.20.img_mlp.net.3.weight" : tensor,
                     changes[i].to, changes[i].from);
    }
    info("out/full");
    line_run_well(&line, &child);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, scene_reset)
    const struct CMUnitTest tests[] = {
        TEST(test_tiny_models),
        TEST(test_settings),
        TEST(test_known_model),
        TEST(test_plan_holds),
        TEST(test_full_size),
        TEST(test_full_size_limited),
        TEST(test_full_size_without_tokenizer),
        TEST(test_one_changed_entry),
        TEST(test_notes),
        TEST(test_other_pipelines),
        TEST(test_index_timestep_zero),
    };
#undef TEST
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
