/*
 * Models that nobody should give firered: one sentence that names the file, the key or the tensor, a
 * status other than 0, and no picture.
 *
 * Every case starts from a model that works and spoils one thing.
 */
#include "support/unit_test.h"

#include <jansson.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program/spoil.h"

/* ---- model folders ---- */

/* Files that a model cannot do without. */
static const char *const needed[] = {"scheduler/scheduler_config.json",
                                     "text_encoder/config.json",
                                     "text_encoder/model.safetensors",
                                     "tokenizer/tokenizer.json",
                                     "processor/processor_config.json",
                                     "transformer/config.json",
                                     "transformer/diffusion_pytorch_model.safetensors",
                                     "vae/config.json",
                                     "vae/diffusion_pytorch_model.safetensors"};
enum { NEEDED = sizeof needed / sizeof *needed };

static const char *in_model(const char *file) {
    static char path[300];
    snprintf(path, sizeof path, "out/m/%s", file);
    return path;
}

/* What the sentence must have in it: the file's own name, or that of what lies in it. */
static const char *name_of(const char *file) {
    const char *name = strrchr(file, '/') + 1;
    return strcmp(name, "tokenizer.json") == 0 ? "tokenizer" : name;
}

static void test_missing_files(void **state) {
    (void)state;
    for (int i = 0; i < NEEDED; i++) {
        fresh_model();
        assert_int_equal(unlink(in_model(needed[i])), 0);
        if (strcmp(needed[i], "tokenizer/tokenizer.json") == 0) {
            unlink("out/m/tokenizer/vocab.json");
            unlink("out/m/tokenizer/merges.txt");
        }
        edit_fails_with(name_of(needed[i]));
        fresh_model(); /* a link that leads nowhere, as a half-fetched cache has */
        assert_int_equal(unlink(in_model(needed[i])), 0);
        assert_int_equal(symlink("nowhere", in_model(needed[i])), 0);
        if (strcmp(needed[i], "tokenizer/tokenizer.json") != 0) edit_fails_with(name_of(needed[i]));
    }
    static const char *const folders[] = {"scheduler", "text_encoder", "tokenizer",
                                          "processor", "transformer",  "vae"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char aside[64], path[64];
        fresh_model();
        snprintf(path, sizeof path, "out/m/%s", folders[i]);
        snprintf(aside, sizeof aside, "out/%s", folders[i]);
        assert_int_equal(rename(path, aside), 0);
        edit_fails_with(folders[i]);
    }
}

static void test_spoiled_files(void **state) {
    (void)state;
    static const char *const contents[] = {
        "",          "\n",         "{",        "[]",
        "[1, 2]",    "null",       "\"text\"", "17",
        "{\"a\": }", "\xff\xfe{}", "\177ELF",  "version https://git-lfs.github.com/spec/v1\n"};
    for (int i = 0; i < NEEDED; i++) {
        for (size_t k = 0; k < sizeof contents / sizeof *contents; k++) {
            fresh_model();
            write_text(in_model(needed[i]), contents[k]);
            tell_story("%s holds \"%s\"", needed[i], contents[k]);
            edit_fails_with(name_of(needed[i]));
        }
        fresh_model();
        cut_file(in_model(needed[i]), -3); /* one may be a newline */
        tell_story("%s is cut", needed[i]);
        edit_fails_with(name_of(needed[i]));
        fresh_model();
        cut_file(in_model(needed[i]), 100);
        edit_fails_with(name_of(needed[i]));
        fresh_model();
        unlink(in_model(needed[i]));
        assert_int_equal(mkdir(in_model(needed[i]), 0700), 0);
        edit_fails_with(name_of(needed[i]));
    }
}

/* A JSON file as deep as its size allows. */
static void test_nested_json(void **state) {
    (void)state;
    enum { DEPTH = 200000 };
    char *text = malloc(2 * DEPTH + 1);
    assert_non_null(text);
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    text[2 * DEPTH] = '\0';
    for (int i = 0; i < NEEDED; i++) {
        if (!strstr(needed[i], ".json")) continue;
        fresh_model();
        write_text(in_model(needed[i]), text);
        edit_fails_with(name_of(needed[i]));
    }
    free(text);
}

/* A file of the model as it was; making all of its links anew takes longer than the edit. */
static void restore(const char *file) {
    char original[400];
    snprintf(original, sizeof original, "%s/%s", TINY_MODEL, file);
    unlink(in_model(file));
    assert_int_equal(symlink(original, in_model(file)), 0);
}

/* Keys that say how large something is.  None of these values can be right. */
static void test_absurd_sizes(void **state) {
    (void)state;
    static const struct {
        const char *file, *key;
    } keys[] = {{"transformer/config.json", "num_layers"},
                {"transformer/config.json", "num_attention_heads"},
                {"transformer/config.json", "attention_head_dim"},
                {"transformer/config.json", "in_channels"},
                {"transformer/config.json", "out_channels"},
                {"transformer/config.json", "joint_attention_dim"},
                {"transformer/config.json", "patch_size"},
                {"transformer/config.json", "axes_dims_rope"},
                {"text_encoder/config.json", "text_config.num_hidden_layers"},
                {"text_encoder/config.json", "text_config.hidden_size"},
                {"text_encoder/config.json", "text_config.intermediate_size"},
                {"text_encoder/config.json", "text_config.num_attention_heads"},
                {"text_encoder/config.json", "text_config.num_key_value_heads"},
                {"text_encoder/config.json", "text_config.vocab_size"},
                {"text_encoder/config.json", "text_config.rope_parameters.mrope_section"},
                {"text_encoder/config.json", "vision_config.depth"},
                {"text_encoder/config.json", "vision_config.hidden_size"},
                {"text_encoder/config.json", "vision_config.intermediate_size"},
                {"text_encoder/config.json", "vision_config.num_heads"},
                {"text_encoder/config.json", "vision_config.out_hidden_size"},
                {"text_encoder/config.json", "vision_config.patch_size"},
                {"text_encoder/config.json", "vision_config.temporal_patch_size"},
                {"text_encoder/config.json", "vision_config.spatial_merge_size"},
                {"text_encoder/config.json", "vision_config.window_size"},
                {"text_encoder/config.json", "vision_config.fullatt_block_indexes"},
                {"vae/config.json", "base_dim"},
                {"vae/config.json", "z_dim"},
                {"vae/config.json", "dim_mult"},
                {"vae/config.json", "num_res_blocks"},
                {"vae/config.json", "latents_mean"},
                {"vae/config.json", "latents_std"},
                {"edit_config.json", "condition_area"},
                {"edit_config.json", "vae_area"},
                {"edit_config.json", "output_area"},
                {"edit_config.json", "examples"},
                {"scheduler/scheduler_config.json", "num_train_timesteps"},
                {"scheduler/scheduler_config.json", "shift"}};
    static const char *const values[] = {
        "0",   "-1",       "1e300", "1e999",      "9223372036854775807", "99999999999999999999",
        "2.5", "\"many\"", "{}",    "[[[[[]]]]]", "[0, 0, 0]",           "[-1, 1, 1e300]",
        "true"};
    fresh_model();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            if (strcmp(keys[i].key, "shift") == 0 && strcmp(values[k], "2.5") == 0)
                continue;                                /* good ones */
            if (SANITIZED && (i + k) % 3 != 0) continue; /* slow: a third of them will do */
            if (strstr(keys[i].key, "fullatt") && strcmp(values[k], "[0, 0, 0]") == 0) continue;
            restore(keys[i].file);
            patch_json(in_model(keys[i].file), keys[i].key, values[k]);
            tell_story("%s is %s", keys[i].key, values[k]);
            edit_fails_with("config.json");
        }
        restore(keys[i].file);
    }
}

/* Sizes that a config may have, but not with these weights. */
static void test_other_sizes(void **state) {
    (void)state;
    static const struct {
        const char *file, *key, *value, *part;
    } changes[] = {
        {"transformer/config.json", "num_layers", "1024", "transformer_blocks.2."},
        {"transformer/config.json", "num_layers", "3", "transformer_blocks.2."},
        {"transformer/config.json", "num_attention_heads", "4", "256"},
        {"transformer/config.json", "joint_attention_dim", "256", "joint_attention_dim"},
        {"transformer/config.json", "in_channels", "128", "in_channels"},
        {"text_encoder/config.json", "text_config.num_hidden_layers", "4", "layers.3."},
        {"text_encoder/config.json", "text_config.hidden_size", "256", "mrope_section"},
        {"text_encoder/config.json", "text_config.intermediate_size", "255", "255"},
        {"text_encoder/config.json", "text_config.num_key_value_heads", "1", "k_proj"},
        {"text_encoder/config.json", "text_config.vocab_size", "494", "embed_tokens"},
        {"text_encoder/config.json", "vision_config.depth", "512", "blocks.4."},
        {"text_encoder/config.json", "vision_config.hidden_size", "80", "80"},
        {"text_encoder/config.json", "vision_config.patch_size", "16", "patch"},
        {"vae/config.json", "base_dim", "16", "encoder.conv_in"},
        {"vae/config.json", "num_res_blocks", "3", "encoder."},
        {"vae/config.json", "dim_mult", "[1, 2, 4, 4, 4]", "vae"},
        {"vae/config.json", "z_dim", "8", "latents_mean"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        fresh_model();
        patch_json(in_model(changes[i].file), changes[i].key, changes[i].value);
        tell_story("%s is %s", changes[i].key, changes[i].value);
        edit_fails_with(changes[i].part);
    }
    fresh_model();
    patch_json("out/m/vae/config.json", "temperal_downsample", "[false, true]");
    edit_fails_with("temperal_downsample");
}

/* Numbers that are allowed and make no sense: a sentence or a picture, but no crash. */
static void test_mad_numbers(void **state) {
    (void)state;
    static const struct {
        const char *file, *key, *value;
    } changes[] = {
        {"text_encoder/config.json", "text_config.rms_norm_eps", "-1"},
        {"text_encoder/config.json", "text_config.rms_norm_eps", "1e300"},
        {"text_encoder/config.json", "text_config.rope_parameters.rope_theta", "1e300"},
        {"text_encoder/config.json", "vision_config.window_size", "65536"},
        {"vae/config.json", "latents_std", "[1e300,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"},
        {"vae/config.json", "latents_std", "[1e-300,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"},
        {"vae/config.json", "latents_mean", "[-1e300,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"},
        {"scheduler/scheduler_config.json", "max_image_seq_len", "256"}, /* the base's own */
        {"scheduler/scheduler_config.json", "max_shift", "1e300"},
        {"scheduler/scheduler_config.json", "shift_terminal", "1"},
        {"scheduler/scheduler_config.json", "shift_terminal", "1e300"},
        {"processor/processor_config.json", "image_processor.image_std", "[1e-300, 1, 1]"},
        {"processor/processor_config.json", "image_processor.image_mean", "[1e300, 1, 1]"},
        {"edit_config.json", "vae_area", "1"},
        {"edit_config.json", "output_area", "1"},
        {"edit_config.json", "condition_area", "1"},
    };
    static struct child child;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        fresh_model();
        patch_json(in_model(changes[i].file), changes[i].key, changes[i].value);
        start();
        line_run(&line, &child);
        if (child.status == 0) continue;
        line_run_badly(&line, "");
        assert_int_equal(count_files("out/p"), 0);
    }
}

/* ---- weights ---- */

/* Rewrites a safetensors file's header; its data stay. */
static void patch_header(const char *path, const char *tensor, const char *field, const char *value,
                         const char *renamed) {
    struct buffer file, out = {0};
    file = read_bytes(path);
    uint64_t length;
    memcpy(&length, file.data, 8);
    json_t *root = json_loadb(file.data + 8, length, 0, NULL),
           *entry = json_object_get(root, tensor);
    assert_non_null(entry);
    json_incref(entry);
    if (renamed) {
        json_object_del(root, tensor);
        json_object_set(root, renamed, entry);
    } else {
        json_object_set_new(entry, field, json_loads(value, JSON_DECODE_ANY, NULL));
    }
    json_decref(entry);
    char *text = json_dumps(root, JSON_COMPACT);
    uint64_t padded = (strlen(text) + 7) / 8 * 8;
    buffer_append(&out, &padded, 8, NULL);
    buffer_printf(&out, "%-*s", (int)padded, text);
    buffer_append(&out, file.data + 8 + length, file.size - 8 - length, NULL);
    write_bytes(path, out.data, out.size);
    free(text);
    json_decref(root);
    buffer_free(&out);
    buffer_free(&file);
}

/* A model may say that its edits do not survive 8-bit weights: better no picture than a wrong one. */
static void test_8_bits_that_do_not_suit_the_model(void **state) {
    (void)state;
    fresh_model();
    write_text(in_model("edit_config.json"), "{\"int8\": false}");
    start();
    line_add(&line, "--dtype", "int8");
    fails_with("8 bits");
    start();
    line_add(&line, "--dtype", "bfloat16");
    static struct child child;
    line_run_well(&line, &child);
}

#define TRANSFORMER "out/m/transformer/diffusion_pytorch_model.safetensors"

static void test_headers_that_lie(void **state) {
    (void)state;
    static const struct {
        const char *field, *value, *renamed;
    } lies[] = {{"shape", "[64, 128]", NULL},
                {"shape", "[8192]", NULL},
                {"shape", "[128, 65]", NULL},
                {"shape", "[-128, -64]", NULL},
                {"shape", "[1e3, 2]", NULL},
                {"shape", "[9223372036854775807, 9223372036854775807]", NULL},
                {"shape", "null", NULL},
                {"dtype", "\"I8\"", NULL},
                {"dtype", "\"F64\"", NULL},
                {"dtype", "\"F8_E4M3\"", NULL},
                {"dtype", "7", NULL},
                {"data_offsets", "[0, 4]", NULL},
                {"data_offsets", "[4, 0]", NULL},
                {"data_offsets", "[0, 9223372036854775807]", NULL},
                {"data_offsets", "[-4, 32764]", NULL},
                {NULL, NULL, "img_in.weihgt"}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        fresh_model();
        tell_story("%s of img_in.weight is %s", lies[i].field ? lies[i].field : "name",
                   lies[i].value);
        patch_header(TRANSFORMER, "img_in.weight", lies[i].field, lies[i].value, lies[i].renamed);
        edit_fails_with("img_in.weight");
    }
    static const uint64_t lengths[] = {
        0, 1, 7, 1u << 20, (uint64_t)1 << 40, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct buffer file;
        fresh_model();
        file = read_bytes(TRANSFORMER);
        memcpy(file.data, &lengths[i], 8);
        write_bytes(TRANSFORMER, file.data, file.size);
        buffer_free(&file);
        edit_fails_with("transformer: diffusion_pytorch_model.safetensors");
    }
}

static void test_shards(void **state) {
    (void)state;
    static const char index[] = "out/m/transformer/diffusion_pytorch_model.safetensors.index.json";
    static const char shard[] =
        "out/m/transformer/diffusion_pytorch_model-00004-of-00017.safetensors";
    fresh_sharded_model();
    assert_int_equal(unlink(shard), 0);
    edit_fails_with("diffusion_pytorch_model-00004-of-00017.safetensors");
    fresh_sharded_model();
    cut_file(shard, -64);
    edit_fails_with("diffusion_pytorch_model-00004-of-00017.safetensors");
    fresh_sharded_model();
    write_text(index, "{\"weight_map\": {}}");
    edit_fails_with("");
    fresh_sharded_model();
    write_text(index, "{\"weight_map\": {\"img_in.weight\": \"../../../../etc/passwd\"}}");
    edit_fails_with("index.json");
    fresh_sharded_model();
    write_text(index, "{\"weight_map\": {\"img_in.weight\": 3}}");
    edit_fails_with("index.json");
    fresh_sharded_model();
    cut_file(index, 500);
    edit_fails_with("index.json");
    fresh_sharded_model();
    assert_int_equal(unlink(index), 0);
    edit_fails_with("diffusion_pytorch_model.safetensors.index.json");
}

/* Weights with NaN in them: nothing is painted from that. */
static void test_nan_weights(void **state) {
    (void)state;
    static const struct {
        const char *file, *tensor;
    } spots[] = {{"transformer/diffusion_pytorch_model.safetensors", "img_in.weight"},
                 {"text_encoder/model.safetensors", "model.norm.weight"},
                 {"vae/diffusion_pytorch_model.safetensors", "decoder.conv_out.weight"},
                 {"vae/diffusion_pytorch_model.safetensors", "encoder.conv_in.weight"}};
    for (size_t i = 0; i < sizeof spots / sizeof *spots; i++) {
        struct buffer file;
        uint64_t length;
        fresh_model();
        file = read_bytes(in_model(spots[i].file));
        memcpy(&length, file.data, 8);
        json_t *root = json_loadb(file.data + 8, length, 0, NULL);
        const json_t *entry = json_object_get(root, spots[i].tensor);
        if (!entry) fail_msg("no %s", spots[i].tensor);
        const json_t *offsets = json_object_get(entry, "data_offsets");
        size_t from = (size_t)json_integer_value(json_array_get(offsets, 0));
        size_t to = (size_t)json_integer_value(json_array_get(offsets, 1));
        float nan = NAN;
        for (size_t at = from; at < to; at += 4) memcpy(file.data + 8 + length + at, &nan, 4);
        write_bytes(in_model(spots[i].file), file.data, file.size);
        json_decref(root);
        buffer_free(&file);
        edit_fails_with("not a number");
    }
}

/* ---- tokenizers and adapters ---- */

static void test_tokenizer_files(void **state) {
    (void)state;
    fresh_sharded_model();
    assert_int_equal(unlink("out/m/tokenizer/merges.txt"), 0);
    edit_fails_with("merges.txt");
    fresh_sharded_model();
    assert_int_equal(unlink("out/m/tokenizer/vocab.json"), 0);
    edit_fails_with("vocab.json");
    fresh_sharded_model();
    write_text("out/m/tokenizer/vocab.json", "{\"a\": -1}");
    edit_fails_with("vocab.json");
    fresh_sharded_model();
    write_text("out/m/tokenizer/vocab.json", "{\"a\": 99999999999}");
    edit_fails_with("vocab.json");
    fresh_sharded_model();
    write_text("out/m/tokenizer/merges.txt", "one two three\n");
    edit_fails_with("merges.txt");
    fresh_sharded_model();
    cut_file("out/m/tokenizer/vocab.json", 1000);
    edit_fails_with("vocab.json");
    fresh_sharded_model();
    write_text("out/m/tokenizer/added_tokens.json", "{\"<|im_end|>\": \"x\"}");
    edit_fails_with("added_tokens.json");
    fresh_sharded_model();
    write_text("out/m/tokenizer/tokenizer_config.json", "[]");
    edit_fails_with("tokenizer_config.json");
}

#define ADAPTER TEST_DATA "/tiny-edit/lora_peft.safetensors"

static void adapter_fails_with(const char *part) {
    start();
    line_add(&line, "--lora", "out/a.safetensors:0.5");
    fails_with(part);
}

static void fresh_adapter(void) {
    struct buffer b;
    fresh_model();
    b = read_bytes(ADAPTER);
    write_bytes("out/a.safetensors", b.data, b.size);
    buffer_free(&b);
}

/* The first key of the adapter that ends in `ending`. */
static void find_key(char *out, size_t size, const char *ending) {
    struct buffer b;
    uint64_t length;
    const char *key;
    json_t *value;
    b = read_bytes(ADAPTER);
    memcpy(&length, b.data, 8);
    json_t *root = json_loadb(b.data + 8, length, 0, NULL);
    out[0] = '\0';
    json_object_foreach(root, key, value) {
        size_t n = strlen(key), m = strlen(ending);
        if (!out[0] && n > m && strcmp(key + n - m, ending) == 0) snprintf(out, size, "%s", key);
    }
    json_decref(root);
    buffer_free(&b);
    assert_true(out[0] != '\0');
}

static void test_bad_adapters(void **state) {
    (void)state;
    char up[200], down[200];
    find_key(up, sizeof up, "lora_B.weight");
    snprintf(down, sizeof down, "%s", up);
    strstr(down, "lora_B")[5] = 'A';
    fresh_adapter();
    patch_header("out/a.safetensors", up, NULL, NULL,
                 "transformer.transformer_blocks.77.attn.to_q.lora_B.weight");
    adapter_fails_with(down); /* left alone */
    patch_header("out/a.safetensors", down, NULL, NULL,
                 "transformer.transformer_blocks.77.attn.to_q.lora_A.weight");
    adapter_fails_with("transformer_blocks.77");
    fresh_adapter();
    patch_header("out/a.safetensors", up, NULL, NULL, "something.else");
    adapter_fails_with("something.else");
    fresh_adapter();
    patch_header("out/a.safetensors", up, "shape", "[1, 2, 3]", NULL);
    adapter_fails_with("a.safetensors");
    fresh_adapter();
    cut_file("out/a.safetensors", -4);
    adapter_fails_with("a.safetensors");
    fresh_adapter();
    write_text("out/a.safetensors", "");
    adapter_fails_with("a.safetensors");
    fresh_model();
    adapter_fails_with("a.safetensors");
    fresh_adapter(); /* of another model: its matrices are too wide */
    patch_json("out/m/transformer/config.json", "num_layers", "1");
    adapter_fails_with("transformer_blocks");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_spoiled_files),
        cmocka_unit_test(test_nested_json),
        cmocka_unit_test(test_absurd_sizes),
        cmocka_unit_test(test_other_sizes),
        cmocka_unit_test(test_mad_numbers),
        cmocka_unit_test(test_headers_that_lie),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_nan_weights),
        cmocka_unit_test(test_tokenizer_files),
        cmocka_unit_test(test_bad_adapters),
        cmocka_unit_test(test_8_bits_that_do_not_suit_the_model),
    };
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
